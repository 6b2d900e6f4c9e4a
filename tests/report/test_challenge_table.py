"""Records -> the challenge's two tables: the paper's cells, ranks with ties, borrowed fidelity."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bokehbench.analysis.mos import opinion
from bokehbench.analysis.opinion import Opinion, VoteTable
from bokehbench.analysis.ratings import Ratings, Vote
from bokehbench.errors import UsageError
from bokehbench.facts import Factsheet, ImageScore, Record
from bokehbench.facts.trial import Backend
from bokehbench.fidelity import find_protocol
from bokehbench.report import Cell, Table, build_challenge_table
from bokehbench.report.printed import read_printed, reproduce
from tests.support.evidence import (
    failed_trial,
    make_dataset,
    make_device,
    make_evidence,
    make_model,
    make_report,
    make_trial,
    make_trials,
    quick_record,
)

PRINTED = {row["team"]: row for row in read_printed("mai22")["rows"]}
LAPTOP = make_device(device_id="laptop", manufacturer="Acme", model="Laptop", soc=None, cpu=None)


def _cell(table: Table, key: str, row: int = 0) -> Cell:
    return table.rows[row][[column.key for column in table.columns].index(key)]


def _texts(table: Table, key: str) -> list[str]:
    return [_cell(table, key, row).text for row in range(len(table.rows))]


def _notes(table: Table, key: str, row: int = 0) -> list[str]:
    return [table.footnotes[number - 1] for number in _cell(table, key, row).notes]


def _with_lpips(record: Record, lpips: float) -> Record:
    fidelity = record.derived.fidelity
    assert fidelity is not None
    derived = replace(record.derived, fidelity=replace(fidelity, lpips=lpips))
    return replace(record, derived=derived)


def _team(row: dict[str, Any], number: int) -> list[Record]:
    """Records of one team as the challenge would have made them on its phone."""
    common: dict[str, Any] = {
        "model": make_model(
            sha256=f"{number:064d}", size_bytes=round(float(row["size_mb"]) * 2**20)
        ),
        "factsheet": Factsheet(
            team=row["team"],
            author=row["author"],
            framework=row["framework"],
            baseline=row["author"] == "Baseline",
        ),
    }
    scored = {**common, "psnr": float(row["psnr"]), "ssim": float(row["ssim"])}
    records = []
    keys: tuple[tuple[Backend, str], ...] = (("gpu", "gpu_ms"), ("xnnpack", "cpu_ms"))
    for backend, key in keys:
        if row[key] == "Error":
            records.append(quick_record(backend, trials=[failed_trial(backend)], **common))
        elif row[key] != "N.A.":
            made = quick_record(backend, ms=float(row[key]), **scored)
            records.append(_with_lpips(made, float(row["lpips"])))
    if row["cpu_ms"] == row["gpu_ms"] == "Error":
        # The phone made no image: fidelity comes from another machine.
        made = quick_record("xnnpack", device=LAPTOP, ms=9999, **scored)
        records.append(_with_lpips(made, float(row["lpips"])))
    return records


def _all_teams() -> list[Record]:
    return [r for number, row in enumerate(PRINTED.values()) for r in _team(row, number)]


def _votes(mos: dict[str, float], raters: int = 10) -> tuple[Opinion, VoteTable]:
    """Votes whose means are exactly `mos`, one decimal: ten raters, whole grades."""
    votes = []
    for method, value in mos.items():
        tenths = round(value * raters)
        grades = [tenths // raters + (place < tenths % raters) for place in range(raters)]
        votes += [
            Vote(f"r{rater}", f"i{image}", method, float(grades[(rater + image) % raters]))
            for rater in range(raters)
            for image in range(raters)
        ]
    return opinion(Ratings(tuple(votes), (1, 5)))


def test_table_1_comes_back_from_records() -> None:
    table = build_challenge_table(_all_teams(), track=1, device="phone-1")
    assert [column.title for column in table.columns] == [
        "Team",
        "Author",
        "Framework",
        "Model size, MB",
        "PSNR",
        "SSIM",
        "LPIPS",
        "CPU runtime, ms",
        "GPU runtime, ms",
        "Final score",
        "Rank",
    ]
    assert _texts(table, "team") == list(PRINTED)
    keys = ("author", "framework", "psnr", "ssim", "lpips", "cpu_ms", "gpu_ms", "score")
    for number, row in enumerate(PRINTED.values()):
        assert _cell(table, "size_mib", number).text == str(row["size_mb"])
        for key in keys:
            assert _cell(table, key, number).text == str(row[key]), (row["team"], key)
    assert _texts(table, "rank") == ["1", "2", "3", "N.A.", "N.A.", "N.A.", "N.A."]


def test_table_2_comes_back_from_records_and_votes() -> None:
    mos = {team: float(row["mos"]) for team, row in PRINTED.items()}
    table = build_challenge_table(_all_teams(), track=2, device="phone-1", opinion=_votes(mos))
    assert [column.key for column in table.columns] == [
        "team",
        "author",
        "framework",
        "size_mib",
        "psnr",
        "ssim",
        "lpips",
        "mos",
        "rank",
    ]
    for number, team in enumerate(_texts(table, "team")):
        row = PRINTED[team]
        for key in ("author", "framework", "psnr", "ssim", "lpips", "mos"):
            assert _cell(table, key, number).text == str(row[key]), (team, key)
    order = ["ZJUT-Vision", "ENERZAi", "Sensebrain", "VIC", "Antins_cv", "MiAIgo", "PyNET [21]"]
    assert _texts(table, "team") == order
    assert "tie: not told apart from" in _notes(table, "rank", 2)[0]
    assert _texts(table, "rank")[-1] == "N.A."
    assert any(line.startswith("MOS: scale 1 to 5, 10 raters") for line in table.caption)
    # Footnotes of columns that this track does not show are not there either.
    assert not any(note.startswith(("CPU:", "gpu:", "xnnpack:")) for note in table.footnotes)
    assert next(n for row in table.rows for cell in row for n in cell.notes) == 1


def test_the_printed_tables_come_back_cell_by_cell() -> None:
    made, tables = reproduce("mai22")
    assert made.equal
    assert len(made.cells) == 7 * 10 + 7 * 8
    assert all(cell.equal for cell in made.cells)
    assert made.order_made == tuple(PRINTED)
    assert _texts(tables[0], "rank") == ["1", "2", "3", "N.A.", "N.A.", "N.A.", "N.A."]
    # Printed numbers that are equal share a rank, and carry no interval.
    assert _texts(tables[1], "rank") == ["1", "2", "3-4", "3-4", "5", "6", "N.A."]
    assert tables[0].footnotes == tables[1].footnotes == ()
    best = {
        column.key: [row[0].text for row in tables[0].rows if row[place].best]
        for place, column in enumerate(tables[0].columns)
    }
    assert best["psnr"] == best["ssim"] == best["lpips"] == ["ZJUT-Vision"]
    assert best["cpu_ms"] == best["gpu_ms"] == best["score"] == ["Antins_cv"]
    assert best["size_mib"] == best["rank"] == []


def test_another_c_is_seen_in_the_cells() -> None:
    made, _ = reproduce("mai22", 2.41e10)
    assert not made.equal
    assert [(c.team, c.printed, c.made) for c in made.cells if not c.equal] == [
        ("Antins_cv", "74", "75")
    ]


def test_a_cpu_runtime_alone_makes_no_score() -> None:
    sense = _team(PRINTED["Sensebrain"], 3)
    table = build_challenge_table(sense)
    assert _cell(table, "cpu_ms").text == "12879"
    assert (_cell(table, "gpu_ms").text, _cell(table, "score").text) == ("Error", "N.A.")
    assert _notes(table, "gpu_ms") == ["gpu: crash: SIGSEGV"]
    assert _notes(table, "psnr") == ["fidelity of the images that xnnpack made"]


def test_fidelity_of_another_device_is_said() -> None:
    table = build_challenge_table(_team(PRINTED["VIC"], 5), device="phone-1")
    assert _cell(table, "psnr").text == "22.77"
    assert _notes(table, "psnr") == ["fidelity of the images that xnnpack on Acme Laptop made"]
    assert _texts(table, "cpu_ms") == ["Error"]


def test_runtimes_of_two_devices_are_never_mixed() -> None:
    with pytest.raises(UsageError, match=r"2 devices: name the one .* laptop .*, phone-1 "):
        build_challenge_table(_all_teams())
    with pytest.raises(UsageError, match="--device tablet: no records of it"):
        build_challenge_table(_all_teams(), device="tablet")
    laptop = build_challenge_table(_all_teams(), device="laptop")
    assert set(_texts(laptop, "team")) == {"ZJUT-Vision", "VIC"}


def _images(psnr: Sequence[float]) -> dict[str, Any]:
    return {
        "dataset": make_dataset(len(psnr)),
        "images": tuple(
            ImageScore(
                index=i, name=str(i), status="ok", sha256="1" * 64, nonfinite=0, psnr=v, ssim=0.9
            )
            for i, v in enumerate(psnr)
        ),
    }


def _contender(name: str, psnr: Sequence[float], ms: float, **changes: Any) -> Record:
    trials = [make_trial("gpu", index=i, ms=ms * (1 + 0.01 * (i - 2))) for i in range(5)]
    return quick_record(
        "gpu",
        label=name,
        model=make_model(sha256=name * 64),
        trials=trials,
        record_id=f"r-{name}",
        **_images(psnr),
        **changes,
    )


def test_ties_are_ties() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(22, 2, 30)
    records = [
        _contender("a", (shared + random.normal(0, 0.3, 30)).tolist(), 20.0),
        _contender("b", (shared + random.normal(0, 0.3, 30)).tolist(), 20.1),
        _contender("c", (shared + random.normal(0, 0.3, 30)).tolist(), 60.0),
    ]
    table = build_challenge_table(records)
    first, second, third = _texts(table, "team")
    assert third == "c"
    assert _texts(table, "rank") == ["1-2", "1-2", "3"]
    tie, ratio = _notes(table, "rank", 0)
    assert tie == f"tie: not told apart from {second}"
    assert ratio.startswith(f"{first} / {second}: ")
    assert "; on these images alone [" in ratio
    [apart] = _notes(table, "rank", 1)[1:]
    assert apart.startswith(f"{second} / c: ")
    assert _notes(table, "rank", 2) == []
    assert _cell(table, "rank", 2).value == 3.0


def test_those_far_apart_are_told_apart() -> None:
    table = build_challenge_table([_contender("a", PSNR, 20.0), _contender("b", PSNR, 60.0)])
    assert _texts(table, "rank") == ["1", "2"]


PSNR = (20.0, 21.0, 22.0, 20.5)
CHALLENGE = make_evidence().protocol
OTHER_SSIM = replace(find_protocol("mai22"), crop=4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"protocol": replace(CHALLENGE, runs=500)}, "runs"),
        ({"protocol": replace(CHALLENGE, warmups=50)}, "warm-ups"),
        ({"protocol": replace(CHALLENGE, rest_seconds=60.0)}, "protocol"),
        ({"fidelity_rules": OTHER_SSIM}, "fidelity protocol"),
        ({"engine": replace(make_evidence().engine, version="2.0.0")}, "engine"),
        ({"device": make_device(fingerprint="another/build")}, "build"),
        ({"launch": "app"}, "launch"),
        ({"threads": 1}, "threads"),
        ({"dataset": replace(make_dataset(4), fit="crop")}, "dataset"),
    ],
)
def test_what_was_measured_otherwise_is_tied(change: dict[str, Any], named: str) -> None:
    """Every protocol whose numbers were changed is called `custom`: its name tells nothing."""
    rules = {"fidelity_rules": find_protocol("mai22")}
    first, second = (_contender("a", PSNR, 20.0, **rules), _contender("b", PSNR, 60.0, **rules))
    evidence = replace(second.evidence, **change)
    table = build_challenge_table([first, replace(second, evidence=evidence)])
    assert _texts(table, "rank") == ["1-2", "1-2"]
    [_tie, note] = _notes(table, "rank", 0)
    head, _, names = note.partition(": 3, no interval: measured under different settings: ")
    assert head.startswith("a / b")
    assert names == named


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "fp16"},
        {"protocol": replace(CHALLENGE, name="custom", processes=10)},
        {"timing_shape": (1, 3, 1024, 1024)},
    ],
)
def test_what_an_entrant_may_choose_leaves_it_comparable(change: dict[str, Any]) -> None:
    second = _contender("b", PSNR, 60.0)
    evidence = replace(second.evidence, **change)
    table = build_challenge_table([_contender("a", PSNR, 20.0), replace(second, evidence=evidence)])
    assert _texts(table, "rank") == ["1", "2"]


def test_a_time_at_another_size_than_the_images_ties() -> None:
    first, second = (_contender(name, PSNR, ms) for name, ms in (("a", 20.0), ("b", 60.0)))
    fidelity = first.derived.fidelity
    assert fidelity is not None
    small = replace(fidelity, same_shape_as_timing=False)
    first = replace(
        first,
        evidence=replace(first.evidence, timing_shape=(1, 256, 256, 3)),
        derived=replace(first.derived, fidelity=small),
    )
    table = build_challenge_table([first, second])
    assert _texts(table, "rank") == ["1-2", "1-2"]


def test_too_few_processes_tie_with_everybody_and_are_not_ranked() -> None:
    few = quick_record(
        "gpu",
        label="few",
        psnr=25.0,
        trials=make_trials("gpu", 5.0, count=3),
        model=make_model(sha256="9" * 64),
    )
    table = build_challenge_table([few, _contender("a", [20.0, 21.0, 22.0], 20.0)])
    # What is provisional is shown below what is ranked, whatever its score.
    assert _texts(table, "team") == ["a", "few*"]
    assert _texts(table, "rank") == ["1", "N.A."]
    assert _notes(table, "rank", 1) == ["no rank: provisional, too_few_samples"]
    assert not _cell(table, "score", 1).best


def test_baselines_by_name_come_last_and_win_nothing() -> None:
    records = [_contender("a", [20.0, 21.0], 20.0), _contender("b", [30.0, 31.0], 5.0)]
    table = build_challenge_table(records, baselines=["b"])
    assert _texts(table, "team") == ["a", "b"]
    assert _texts(table, "rank") == ["1", "N.A."]
    assert not any(cell.best for cell in table.rows[1])


def test_partial_delegation_carries_its_counts() -> None:
    trials = [
        make_trial(
            "gpu",
            index=i,
            report=make_report("gpu", fully_accelerated=False, total_nodes=64, partitions=1),
        )
        for i in range(5)
    ]
    table = build_challenge_table([quick_record("gpu", psnr=22.0, trials=trials)])
    assert _notes(table, "gpu_ms") == ["gpu: 31 of 64 nodes in 1 partition"]
    whole = build_challenge_table([quick_record("gpu", psnr=22.0)])
    assert _notes(whole, "gpu_ms") == []


def test_two_precisions_of_the_gpu_are_two_rows() -> None:
    records = [
        quick_record("gpu", label="net", psnr=22.0, ms=10, precision="fp16"),
        quick_record("gpu", label="net", psnr=22.1, ms=19, precision="fp32"),
        quick_record("xnnpack", label="net", psnr=22.1, ms=90),
    ]
    table = build_challenge_table(records)
    assert _texts(table, "team") == ["net, fp16", "net, fp32"]
    assert _texts(table, "gpu_ms") == ["10.0", "19.0"]
    assert _texts(table, "cpu_ms") == ["90.0", "90.0"]


def test_other_accelerators_have_columns_of_their_own() -> None:
    other: Any = "nnapi"
    told = make_report(other, delegated_nodes=31)
    trials = [make_trial(other, index=i, ms=7, report=told) for i in range(5)]
    records = [
        quick_record("gpu", label="a", psnr=22.0),
        quick_record(other, label="a", trials=trials),
        quick_record("gpu", label="b", psnr=21.0, model=make_model(sha256="b" * 64)),
    ]
    table = build_challenge_table(records)
    assert [c.title for c in table.columns if c.key == "nnapi_ms"] == ["NNAPI, ms"]
    assert _texts(table, "nnapi_ms") == ["7.0", "N.A."]
    assert _cell(table, "gpu_ms").text == "20.0"


def test_mos_without_a_row_and_rows_without_mos() -> None:
    records = [_contender("a", [20.0, 21.0], 20.0), _contender("b", [20.0, 21.0], 30.0)]
    said = _votes({"a": 3.0, "unknown": 4.0})
    table = build_challenge_table(records, track=2, opinion=said)
    assert list(zip(_texts(table, "team"), _texts(table, "mos"), strict=True)) == [
        ("a", "3.0"),
        ("b", "N.A."),
    ]
    assert _texts(table, "rank") == ["1", "N.A."]
    assert _notes(table, "mos")[0].startswith("MOS 3.00, 95 % [")


def test_hostile_names() -> None:
    sheet = Factsheet(team="a\x1b[31m", author="b\nc", framework="d\u202e")
    table = build_challenge_table([quick_record("gpu", psnr=22.0, factsheet=sheet)])
    assert _cell(table, "team").text == "a\ufffd[31m"
    assert _cell(table, "author").text == "b c"
    assert _cell(table, "framework").text == "d\ufffd"


def test_unknown_challenges_are_refused() -> None:
    with pytest.raises(UsageError, match="use one of mai22"):
        build_challenge_table(_all_teams(), challenge="mai99", device="phone-1")
    with pytest.raises(UsageError, match="use one of mai22"):
        reproduce("../cells")


def test_no_records() -> None:
    assert build_challenge_table([]).rows == ()
