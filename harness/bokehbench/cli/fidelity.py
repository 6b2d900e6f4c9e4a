"""`bokehbench fidelity`: predictions against references, by a named protocol."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.output import Sink, note, terminal_text, to_json, without_partner
from bokehbench.errors import DatasetError, UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.facts import FidelityRules
    from bokehbench.fidelity.comparing import Compared
    from bokehbench.fidelity.folders import Pairing

FAILED = 1


@click.command("fidelity")
@click.argument("prediction", required=False, type=click.Path(path_type=Path))
@click.argument("reference", required=False, type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    metavar="NAME|FILE",
    help="mai22, pynet, val294, ntire23, ntire23-max, or a TOML file.  [default: mai22]",
)
@click.option("--json", "json_target", metavar="PATH|-", help="Write everything as JSON.")
@click.option("--csv", "csv_target", metavar="PATH|-", help="Write the table of images as CSV.")
@click.option(
    "--montage",
    metavar="PATH",
    help="Draw the worst three pairs side by side with maps of their error, as PNG.",
)
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Threads to compute on.  [default: all cores]"
)
@click.option("--self-test", is_flag=True, help="Reproduce known answers on this machine.")
@click.option(
    "--lpips-images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --self-test: imgs/ of the LPIPS repository, for its example pairs.",
)
def command(
    prediction: Path | None,
    reference: Path | None,
    protocol: str | None,
    json_target: str | None,
    csv_target: str | None,
    montage: str | None,
    threads: int | None,
    self_test: bool,
    lpips_images: Path | None,
) -> int:
    """Compare PREDICTION with REFERENCE: two files, or two folders paired by name.

    Files are JPEG, PNG, or .npy (uint8, or floats from 0 to 1). Prints PSNR, SSIM and LPIPS of
    every pair, their means, medians and 95 % intervals, and the worst pairs.

    Exit codes: 0 all pairs scored, 1 some could not be, 2 none could be or bad input.
    """
    if self_test:
        given = [prediction, protocol, csv_target, montage, threads]
        if any(word is not None for word in given):
            raise UsageError("--self-test: has its own images and protocols; give --json at most")
        return _self_test(lpips_images, json_target)
    if lpips_images is not None:
        raise UsageError("--lpips-images: is for --self-test; give that too")
    if prediction is None or reference is None:
        raise UsageError("give a PREDICTION and a REFERENCE, two files or two folders")
    if (json_target, csv_target).count("-") > 1:
        raise UsageError("--json - and --csv -: only one of them can go to standard output")
    from bokehbench.fidelity.comparing import compare
    from bokehbench.fidelity.folders import pair_paths
    from bokehbench.fidelity.protocols import DEFAULT_PROTOCOL, find_protocol

    if montage == "-":
        raise UsageError("--montage -: give a file; a picture does not go to standard output")
    if montage is not None and not montage.lower().endswith(".png"):
        raise UsageError(f"--montage {montage}: give a name that ends in .png")
    rules = find_protocol(protocol or DEFAULT_PROTOCOL)
    pairing = pair_paths(prediction, reference)
    if pairing.unpaired:
        note(without_partner([str(path) for path in pairing.unpaired]))
    with ExitStack() as stack:
        sinks = {
            option: stack.enter_context(Sink(target, option))
            for option, target in (
                ("--json", json_target),
                ("--csv", csv_target),
                ("--montage", montage),
            )
            if target is not None
        }
        with _progress(len(pairing.pairs)) as advance:
            compared = compare(pairing.pairs, rules, threads=threads, on_pair=advance)
        scored = [one for one in compared if one.scores is not None]
        failed = [one for one in compared if one.scores is None]
        if not scored:
            more = f" (and {len(failed) - 1} more pairs)" if len(failed) > 1 else ""
            raise DatasetError(f"{_named(failed[0], pairing)}{failed[0].failure}{more}")
        for one in failed:
            note(f"warning: {_named(one, pairing)}{one.failure}")
        _tell_profiles(scored)
        _deliver(sinks, rules, pairing, compared, prediction, reference)
        if "--montage" in sinks:
            sinks["--montage"].write_bytes(_drawn(rules, scored))
    if not any(sink.is_screen for sink in sinks.values()):
        _show(rules, pairing, compared)
    return FAILED if failed else 0


def _deliver(
    sinks: dict[str, Sink],
    rules: "FidelityRules",
    pairing: "Pairing",
    compared: "Sequence[Compared]",
    prediction: Path,
    reference: Path,
) -> None:
    from bokehbench.cli.fidelity_report import document, table
    from bokehbench.report import render

    if "--json" in sinks:
        made = document(rules, pairing, compared, prediction, reference)
        sinks["--json"].write(to_json(made))
    if "--csv" in sinks:
        sinks["--csv"].write(render(table(rules, pairing, compared), "csv"))


def _show(rules: "FidelityRules", pairing: "Pairing", compared: "Sequence[Compared]") -> None:
    from bokehbench.cli.fidelity_report import summary_table, table

    click.echo(terminal_text(table(rules, pairing, compared)), nl=False)
    if sum(one.scores is not None for one in compared) > 1:
        click.echo(terminal_text(summary_table(rules, compared)), nl=False)


def _drawn(rules: "FidelityRules", scored: "Sequence[Compared]") -> bytes:
    from bokehbench.fidelity.montage import draw_montage
    from bokehbench.fidelity.protocols import summary

    def decibels(one: "Compared") -> float:
        # Identical pairs have no PSNR; they are the last to be drawn.
        found = one.scores.psnr if one.scores else None
        return float("inf") if found is None else found

    return draw_montage(f"{rules.name}: {summary(rules)}", sorted(scored, key=decibels))


def _named(one: "Compared", pairing: "Pairing") -> str:
    """The pair's name before a message, where there are several."""
    return f"{clean(one.pair.name)}: " if len(pairing.pairs) > 1 else ""


def _tell_profiles(scored: "Sequence[Compared]") -> None:
    unlike = [one for one in scored if one.profiles_differ]
    if unlike:
        note(
            f"warning: {len(unlike)} pairs have files with unlike colour profiles "
            f"(first: {unlike[0].pair.name}); pixels are compared as stored, so convert "
            "both to sRGB"
        )


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[Any], None]]":
    """A bar on a terminal, for more than a pair; else nothing."""
    import sys

    if total < 2 or not sys.stderr.isatty():
        yield lambda _: None
        return
    from bokehbench.cli.progress import image_bar

    with image_bar(total) as advance:
        yield lambda _: advance()


def _self_test(lpips_images: Path | None, json_target: str | None) -> int:
    from bokehbench.cli.fidelity_report import checks_document, checks_table
    from bokehbench.fidelity.selftest import run_checks

    with ExitStack() as stack:
        sink = stack.enter_context(Sink(json_target, "--json")) if json_target else None
        checks = list(run_checks(lpips_images))
        if sink is not None:
            sink.write(to_json(checks_document(checks)))
    if sink is None or not sink.is_screen:
        click.echo(terminal_text(checks_table(checks)), nl=False)
    missed = [check for check in checks if not check.is_met]
    if missed:
        note(f"{len(missed)} of {len(checks)} known answers are missed on this machine")
        return FAILED
    return 0
