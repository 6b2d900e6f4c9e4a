"""Records -> the tables of the Mobile AI 2022 bokeh challenge, one a track.

Track 1 is won by the final score, track 2 by the mean opinion score (MOS).
"""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Final

import msgspec

from bokehbench.analysis.compare import likeness
from bokehbench.analysis.differences import opinion_differences
from bokehbench.analysis.opinion import Opinion, VoteTable
from bokehbench.analysis.ranking import Comparison, Contender, score_ratios
from bokehbench.errors import UsageError
from bokehbench.facts import Record, canonical_json
from bokehbench.facts.trial import Backend
from bokehbench.report.caption import Differing, caption_lines, device_name, scored_images
from bokehbench.report.cells import (
    NOT_MEASURED,
    Cell,
    Column,
    Footnotes,
    Table,
    in_reading_order,
    with_best,
)
from bokehbench.report.opinions import mos_cells, opinion_caption
from bokehbench.report.rows import Row, row_name
from bokehbench.report.standings import Entry, Track, in_order, measured_ranks
from bokehbench.report.table import (
    check_score_backend,
    other_columns,
    shown_records,
    split_precisions,
)
from bokehbench.text import clean

CHALLENGES: Final = {"mai22": "Mobile AI 2022 bokeh challenge"}

_TIES: Final = (
    "Rank: ties are ranges; intervals are 95 % by paired bootstrap over images and processes "
    "(the same images for both), one pair at a time",
    "Rank: ties are ranges; intervals are 95 % by paired bootstrap over raters and images "
    "(the same for both), one pair at a time",
)


def build_challenge_table(
    records: Sequence[Record],
    *,
    track: Track = 1,
    challenge: str = "mai22",
    device: str | None = None,
    score_backend: Backend = "gpu",
    opinion: tuple[Opinion, VoteTable] | None = None,
    baselines: Collection[str] = (),
) -> Table:
    """The challenge's table of one track, ranked, ties as ties.

    One row a team and model. Runtimes are of one device; a model that made no image there
    borrows the fidelity of its Records on other devices, with a footnote. Provisional numbers
    are shown and not ranked. Baselines (by factsheet or by name) come last, without a rank.

    Args:
        device: whose runtimes are shown; needed when several devices have Records.
        opinion: what raters say, for the MOS column; track 2 is ranked by it.

    Raises:
        UsageError: the challenge is unknown, `device` has no Records, or several devices have
            and none is named.
    """
    check_score_backend(score_backend)
    if challenge not in CHALLENGES:
        raise UsageError(
            f"unknown challenge {challenge!r}: use one of {', '.join(sorted(CHALLENGES))}"
        )
    rows = _rows(records, _timing_device(records, device), score_backend)
    shown = shown_records(rows)
    differing, footnotes = Differing(shown), Footnotes()
    said = opinion[0] if opinion else None
    entries = in_order([_entry(str(i), row, track, said, baselines) for i, row in enumerate(rows)])
    columns = challenge_columns(track, score_backend, shown, ranked=True)
    cells = {}
    for entry in entries:
        row = rows[int(entry.key)]
        # Cells are made in the order of the rows, so that footnotes count down the page.
        cells[entry.key] = {
            **row.cells(differing, footnotes),
            **mos_cells(row.method, said, footnotes),
        }
    ranks = measured_ranks(entries, _comparisons(entries, rows, track, opinion), footnotes)
    missing = Cell(None, NOT_MEASURED)
    built = [
        [{**cells[e.key], "rank": ranks[e.key]}.get(c.key, missing) for c in columns]
        for e in entries
    ]
    built, notes = in_reading_order(built, footnotes)
    caption = [
        *caption_lines(shown, score_backend),
        "Model size: in units of 2^20 bytes",
        *opinion_caption(said),
        _TIES[track - 1],
    ]
    return Table(
        title=f"{CHALLENGES[challenge]}, track {track}",
        columns=columns,
        rows=with_best(columns, built, [e.unranked is None and not e.baseline for e in entries]),
        footnotes=notes,
        caption=tuple(map(clean, caption)),
    )


def challenge_columns(
    track: Track, score_backend: Backend, records: Sequence[Record] = (), *, ranked: bool
) -> tuple[Column, ...]:
    """The columns of the report's table 1 or 2, and the rank as the last one."""
    fidelity = (
        Column("team", "Team", numeric=False),
        Column("author", "Author", numeric=False),
        Column("framework", "Framework", numeric=False),
        Column("size_mib", "Model size, MB"),
        Column("psnr", "PSNR", better="high"),
        Column("ssim", "SSIM", better="high"),
        Column("lpips", "LPIPS", better="low"),
    )
    rank = (Column("rank", "Rank"),) if ranked else ()
    if track == 2:
        return (*fidelity, Column("mos", "MOS", better="high"), *rank)
    score = "Final score" if score_backend == "gpu" else "Score (CPU)"
    return (
        *fidelity,
        Column("cpu_ms", "CPU runtime, ms", better="low"),
        Column("gpu_ms", "GPU runtime, ms", better="low"),
        *other_columns(records),
        Column("score", score, better="high"),
        *rank,
    )


def _timing_device(records: Sequence[Record], device: str | None) -> str | None:
    names = {r.evidence.device.device_id: device_name(r.evidence.device) for r in records}
    listed = ", ".join(f"{clean(key)} ({clean(name)})" for key, name in sorted(names.items()))
    if device is not None:
        if device not in names:
            raise UsageError(f"--device {device}: no records of it; there are {listed or 'none'}")
        return device
    if len(names) > 1:
        raise UsageError(
            f"records of {len(names)} devices: name the one whose runtimes count with --device: "
            f"{listed}"
        )
    return next(iter(names), None)


def _rows(records: Sequence[Record], device: str | None, score_backend: Backend) -> list[Row]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((row_name(record), record.evidence.model.sha256), []).append(record)
    rows = []
    for group in groups.values():
        here = [r for r in group if r.evidence.device.device_id == device]
        elsewhere = [r for r in group if r.evidence.device.device_id != device]
        if here:
            rows += split_precisions(here, score_backend, elsewhere)
    return rows


def _entry(
    key: str, row: Row, track: Track, opinion: Opinion | None, baselines: Collection[str]
) -> Entry:
    standing = row.score
    unranked = None
    if track == 2:
        methods = opinion.methods if opinion else ()
        standing = next((m.mos for m in methods if m.method == row.method), None)
    elif row.score is not None and row.score_record is not None:
        findings = row.score_record.derived.findings
        codes = [f.code for f in findings if f.effect == "provisional"]
        unranked = f"provisional, {', '.join(codes)}" if codes else None
    return Entry(
        key=key,
        name=row.name,
        cells={},
        standing=standing,
        psnr=row.psnr,
        timed=row.gpu is not None or row.cpu is not None,
        baseline=bool(row.factsheet and row.factsheet.baseline) or row.method in baselines,
        unranked=unranked,
    )


def _comparisons(
    entries: Sequence[Entry],
    rows: Sequence[Row],
    track: Track,
    opinion: tuple[Opinion, VoteTable] | None,
) -> tuple[Comparison, ...]:
    """Between the keys of the entries that compete, each with those that follow."""
    competing = [entry for entry in entries if entry.competes]
    if track == 1:
        return score_ratios([_contender(e.key, rows[int(e.key)]) for e in competing])
    if opinion is None:
        return ()
    methods = {entry.key: rows[int(entry.key)].method for entry in competing}
    found = opinion_differences(list(dict.fromkeys(methods.values())), opinion[1])
    between = {(c.first, c.second): c for c in found}
    same = Comparison(first="", second="", value=0.0, neutral=0.0, reason="the same votes")
    return tuple(
        msgspec.structs.replace(
            between.get((methods[first], methods[second]), same), first=first, second=second
        )
        for first, second in combinations(methods, 2)
    )


def _contender(key: str, row: Row) -> Contender:
    record = row.score_record
    assert record is not None
    assert row.score is not None
    fidelity = scored_images(record)
    return Contender(
        key=key,
        name=row.name,
        score=row.score,
        psnr={
            image.name: image.psnr
            for image in (fidelity.per_image if fidelity else ())
            if image.status == "ok" and image.psnr is not None
        },
        process_medians_ms=record.derived.latency.process_medians_ms,
        settings=_settings(record),
    )


_ENTRANTS_OWN: Final = frozenset({"precision", "input shape"})
"""A model's own; that its timing and its images had one shape is a setting."""

_SAME_MEASUREMENT: Final = frozenset({"name", "processes", "verify_files", "ranked"})
"""Fields of a protocol that leave each process as it is; intervals know how many there are."""

_NAMED_ALREADY: Final = frozenset({"warmups", "runs"})
"""Fields of a protocol that `likeness` has."""


def _settings(record: Record) -> dict[str, str]:
    """All that has to be the same before two scores may be told apart, by name."""
    facts, fidelity = record.evidence, scored_images(record)
    protocol = {
        key: value
        for key, value in msgspec.to_builtins(facts.protocol).items()
        if key not in _SAME_MEASUREMENT | _NAMED_ALREADY
    }
    shape = "x".join(map(str, facts.timing_shape))
    dataset = facts.dataset
    return {
        **{k: v for k, v in likeness(facts).items() if k not in _ENTRANTS_OWN},
        "protocol": canonical_json(protocol),
        "timing shape": "that of the images"
        if fidelity is not None and fidelity.same_shape_as_timing
        else shape,
        # Evidence of before rules were kept has their name alone.
        "fidelity protocol": canonical_json(facts.fidelity_rules or facts.fidelity_protocol),
        "dataset": f"{dataset.digest} {dataset.fit}" if dataset else "",
    }
