"""`bokehbench mos`: what raters say, screened, with intervals, beside the metrics."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bokehbench.cli.options import store_option
from bokehbench.cli.output import Sink, note, terminal_text, to_json
from bokehbench.errors import UsageError
from bokehbench.text import clean, spelled

if TYPE_CHECKING:
    from bokehbench.analysis.metrics import Metrics
    from bokehbench.analysis.opinion import Screening
    from bokehbench.analysis.ratings import Ratings
    from bokehbench.facts import Record

MOS_FORMAT = "bokehbench-mos/1"

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group("mos")
def command() -> None:
    """Mean opinion scores from raters' votes."""


def _analysis_options(function: _F) -> _F:
    """How votes become opinion; arrives as `words`."""

    @click.option(
        "--screening",
        type=click.Choice(["bt500", "p910", "none"]),
        default="bt500",
        show_default=True,
        help="bt500 leaves erratic raters out, p910 weighs all by their consistency.",
    )
    @click.option(
        "--min-votes",
        type=click.IntRange(1),
        default=2,
        show_default=True,
        help="Raters with fewer are left out.",
    )
    @click.option(
        "--records",
        "with_records",
        is_flag=True,
        help="Compare with the store's records: methods must be their names; metrics are theirs.",
    )
    @click.option("--run", "run_id", metavar="RUN", help="Like --records, of one run.")
    @click.option(
        "--metrics",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="PSNR, SSIM and LPIPS by method: CSV or JSON, as `bokehbench table` writes them.",
    )
    @click.option("--json", "json_target", metavar="PATH|-", help="Write everything as JSON.")
    @wraps(function)
    def with_words(
        *args: Any,
        screening: "Screening",
        min_votes: int,
        with_records: bool,
        run_id: str | None,
        metrics: Path | None,
        json_target: str | None,
        **kwargs: Any,
    ) -> Any:
        if metrics is not None and (with_records or run_id):
            raise UsageError("--metrics: metrics come from a file or from records, not from both")
        records = with_records or run_id is not None
        words = _Words(screening, min_votes, records, run_id, metrics, json_target)
        return function(*args, words=words, **kwargs)

    return with_words  # type: ignore[return-value]


@dataclass(frozen=True)
class _Words:
    """What the options of an analysis say; `records` also where a run was named."""

    screening: "Screening"
    min_votes: int
    records: bool
    run_id: str | None
    metrics: Path | None
    json_target: str | None


@command.command("import")
@click.argument("ratings", type=click.Path(path_type=Path), metavar="RATINGS.csv")
@click.option("--study", metavar="NAME", help="Keep the ratings in the store under this name.")
@click.option("--replace", is_flag=True, help="With --study: in place of other ratings.")
@click.option(
    "--scale", default="1-5", show_default=True, metavar="LOW-HIGH", help="Allowed scores."
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="A method that is rated; given, any other is refused.",
)
@click.option(
    "--average-repeats", is_flag=True, help="Average repeated votes instead of refusing them."
)
@_analysis_options
@store_option
def import_ratings(
    ratings: Path,
    study: str | None,
    replace: bool,
    scale: str,
    methods: tuple[str, ...],
    average_repeats: bool,
    words: _Words,
    store: str | None,
) -> None:
    """Read votes (columns rater, image, method, score) and print opinion with intervals.

    Raters are screened, methods get a MOS with a 95 % interval and a rank, ties are ranges.
    With --study the votes are kept for `bokehbench table --mos NAME`.
    """
    from bokehbench.analysis.ratings import parse_ratings
    from bokehbench.cli.studies import new_study, parse_scale, read_bytes
    from bokehbench.cli.words import named

    if replace and study is None:
        raise UsageError("--replace goes with --study NAME")
    if study is not None:
        named(study, "--study")
    limits = parse_scale(scale)
    data = read_bytes(ratings)
    with Sink(words.json_target, "--json") if words.json_target else nullcontext() as sink:
        metrics, names = _metrics(words, store)
        known = set(methods) or names
        votes = parse_ratings(
            data,
            str(ratings),
            scale=limits,
            methods=known,
            average_repeats=average_repeats,
        )
        _report(votes, words, metrics, sink, {"source": spelled(ratings.name), "study": study})
    if study is not None:
        from bokehbench.store import open_store

        with open_store(store) as opened:
            kept = new_study(study, ratings, data, votes, average_repeats)
            opened.put_study(kept, data, replace=replace)
        note(f"study {study} kept; `bokehbench table --mos {study}` shows it")


@command.command("list")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_studies(store: str | None, as_json: bool) -> None:
    """List the studies in the store."""
    import msgspec

    from bokehbench.store import open_store

    with open_store(store, readonly=True) as opened:
        found = opened.studies()
    if as_json:
        click.echo(to_json({"studies": msgspec.to_builtins(found)}), nl=False)
        return
    for one in found:
        low, high = one.scale
        click.echo(
            clean(f"{one.name}  {one.votes} votes, scale {low:g} to {high:g}, ")
            + clean(f"{one.source}, {one.created}")
        )
    if not found:
        note("no studies; `bokehbench mos import RATINGS.csv --study NAME` makes one")


@command.command("show")
@click.argument("study", metavar="STUDY")
@_analysis_options
@store_option
def show(study: str, words: _Words, store: str | None) -> None:
    """Print the opinion of a STUDY in the store, or of a file of ratings."""
    from bokehbench.cli.studies import read_ratings
    from bokehbench.store import open_store

    with Sink(words.json_target, "--json") if words.json_target else nullcontext() as sink:
        with open_store(store, readonly=True) as opened:
            votes = read_ratings(study, opened)
        metrics, _ = _metrics(words, store)
        _report(votes, words, metrics, sink, {"source": spelled(study), "study": spelled(study)})


def _metrics(words: _Words, store: str | None) -> "tuple[Metrics, set[str] | None]":
    """Metrics by method, and the names of methods if they have to be those of records."""
    from bokehbench.report.opinions import metrics_of
    from bokehbench.report.rows import row_name

    if words.metrics is not None:
        from bokehbench.analysis.metrics import parse_metrics
        from bokehbench.cli.words import table_text

        return parse_metrics(table_text(words.metrics), str(words.metrics)), None
    if not words.records:
        return {}, None
    records = _records(words.run_id, store)
    return metrics_of(records), {row_name(record) for record in records}


def _records(run_id: str | None, store: str | None) -> "list[Record]":
    from bokehbench.derive import derive
    from bokehbench.store import RecordFilter, open_store

    with open_store(store, readonly=True, derive=derive) as opened:
        found = list(opened.records(RecordFilter(run_id=run_id)))
    if not found:
        which = f" of run {run_id}" if run_id else ""
        raise UsageError(f"the store holds no records{which} to compare with")
    return found


def _report(
    votes: "Ratings", words: _Words, metrics: "Metrics", sink: Sink | None, about: dict[str, Any]
) -> None:
    import msgspec

    from bokehbench.analysis.correlation import correlations
    from bokehbench.analysis.mos import opinion
    from bokehbench.report.opinions import correlation_table, opinion_table

    made, table_of_votes = opinion(votes, screening=words.screening, min_votes=words.min_votes)
    found = correlations({m.method: m.mos for m in made.methods}, metrics)
    table, comparisons = opinion_table(made, table_of_votes, metrics)
    for line in (*made.notes, *_unmatched(metrics, [m.method for m in made.methods])):
        note(f"warning: {line}")
    if sink is not None:
        document = {
            "format": MOS_FORMAT,
            **about,
            **msgspec.to_builtins(made),
            "comparisons": msgspec.to_builtins(comparisons),
            "correlations": msgspec.to_builtins(found),
        }
        sink.write(to_json(document))
    if sink is None or not sink.is_screen:
        click.echo(terminal_text(table), nl=False)
        for rater in made.raters:
            if rater.reason:
                note(f"left out: {rater.rater}: {rater.reason}")
        if found:
            click.echo()
            click.echo(terminal_text(correlation_table(found)), nl=False)


def _unmatched(metrics: "Metrics", methods: Sequence[str]) -> list[str]:
    if not metrics:
        return []
    known = {name for values in metrics.values() for name in values}
    notes = []
    unrated = sorted(known - set(methods))
    if unrated:
        notes.append(f"metrics without votes: {', '.join(unrated[:8])}")
    unknown = sorted(set(methods) - known)
    if unknown:
        notes.append(f"votes without metrics: {', '.join(unknown[:8])}")
    return notes
