"""Records -> rows: which Record fills which cell, footnotes, order, number formats."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.errors import UsageError
from bokehbench.facts import DatasetFacts, Factsheet, Record
from bokehbench.facts.trial import Backend
from bokehbench.report import Cell, Table, build_table
from bokehbench.report.cells import runtime_text, size_text
from bokehbench.report.frame import frame
from bokehbench.report.printed import DATA
from bokehbench.text import clean
from tests.support.evidence import (
    SHAPE,
    failed_trial,
    make_dataset,
    make_device,
    make_images,
    make_model,
    make_report,
    make_trial,
    make_trials,
    quick_record,
)

MAI22 = json.loads((DATA / "mai22.json").read_text())


def _cell(table: Table, key: str, row: int = 0) -> Cell:
    index = [column.key for column in table.columns].index(key)
    return table.rows[row][index]


def _texts(table: Table, key: str) -> list[str]:
    return [_cell(table, key, row).text for row in range(len(table.rows))]


def _notes(table: Table, key: str, row: int = 0) -> list[str]:
    return [table.footnotes[number - 1] for number in _cell(table, key, row).notes]


def _mai22_records(row: dict[str, Any], number: int) -> list[Record]:
    model = make_model(
        name=row["team"],
        sha256=f"{number:064d}",
        size_bytes=round(row["size_mb"] * 2**20),
        framework=row["framework"],
    )
    common = {"label": row["team"], "model": model, "psnr": row["psnr"], "ssim": row["ssim"]}
    records = []
    keys: tuple[tuple[Backend, str], ...] = (("gpu", "gpu_ms"), ("xnnpack", "cpu_ms"))
    for backend, key in keys:
        if row[key] == "Error":
            records.append(quick_record(backend, trials=[failed_trial(backend)], **common))
        elif row[key] != "N.A.":
            records.append(quick_record(backend, ms=row[key], **common))
    return records


def test_the_challenges_table_comes_back() -> None:
    records = [r for i, row in enumerate(MAI22["rows"]) for r in _mai22_records(row, i)]
    table = build_table(records)
    titles = [column.title for column in table.columns]
    assert titles == [
        "Team",
        "Framework",
        "Model size, MiB",
        "PSNR",
        "SSIM",
        "LPIPS",
        "CPU, ms",
        "GPU, ms",
        "Score",
    ]
    printed = {row["team"]: row for row in MAI22["rows"]}
    assert _texts(table, "team")[:4] == ["Antins_cv", "ENERZAi", "PyNET [21]", "MiAIgo"]
    assert set(_texts(table, "team")) == set(printed)
    for number, team in enumerate(_texts(table, "team")):
        row = printed[team]
        assert _cell(table, "framework", number).text == row["framework"]
        assert _cell(table, "size_mib", number).text == str(row["size_mb"])
        for key in ("cpu_ms", "gpu_ms", "score"):
            assert _cell(table, key, number).text == str(row[key])
        if row["cpu_ms"] == row["gpu_ms"] == "Error":
            # No device made an image, so there is none to score.
            assert _cell(table, "psnr", number).text == "N.A."
        else:
            assert _cell(table, "psnr", number).text == f"{row['psnr']:.2f}"
            assert _cell(table, "ssim", number).text == f"{row['ssim']:.4f}"
        assert _cell(table, "lpips", number) == Cell(None, "N.A.")


def test_no_records() -> None:
    table = build_table([])
    assert (table.rows, table.caption) == ((), ("No Records.",))


def test_values_have_full_precision() -> None:
    table = build_table([quick_record("gpu", psnr=22.123456, ms=28.15)])
    assert _cell(table, "psnr") == Cell(22.123456, "22.12")
    assert _cell(table, "gpu_ms") == Cell(28.15, "28.1")
    assert _cell(table, "cpu_ms") == Cell(None, "N.A.")
    assert table.columns[0].title == "Model"
    assert _cell(table, "team").text == "tiny"
    assert table.footnotes == ()


@pytest.mark.parametrize(("xnnpack", "cpu", "chosen"), [(10, 20, "xnnpack"), (20, 10, "cpu")])
def test_cpu_column_is_the_faster_one(xnnpack: float, cpu: float, chosen: str) -> None:
    table = build_table([quick_record("xnnpack", ms=xnnpack), quick_record("cpu", ms=cpu)])
    assert len(table.rows) == 1
    assert _cell(table, "cpu_ms").value == 10.0
    assert _notes(table, "cpu_ms") == [f"CPU: {chosen}"]


def test_cpu_column_is_the_faster_valid_one() -> None:
    failed = quick_record("xnnpack", trials=[failed_trial()])
    table = build_table([failed, quick_record("cpu", ms=30)])
    assert _cell(table, "cpu_ms").text == "30.0"
    assert _notes(table, "cpu_ms") == ["CPU: cpu"]
    both = build_table([failed, quick_record("cpu", trials=[failed_trial("cpu")])])
    assert _cell(both, "cpu_ms").text == "Error"
    assert _notes(both, "cpu_ms") == ["xnnpack: crash: SIGSEGV", "cpu: crash: SIGSEGV"]


def test_failed_backend_shows_error_and_its_reason() -> None:
    failed = failed_trial("gpu", "op_unsupported", "CONV_3D\nis not supported")
    records = [quick_record("gpu", trials=[failed]), quick_record("xnnpack", psnr=22.0)]
    table = build_table(records)
    assert _cell(table, "gpu_ms").value == _cell(table, "gpu_ms").text == "Error"
    assert _notes(table, "gpu_ms") == ["gpu: op_unsupported: CONV_3D is not supported"]
    assert _cell(table, "score") == Cell(None, "N.A.")
    assert _cell(table, "psnr").text == "22.00"
    assert _notes(table, "psnr") == ["fidelity of the images that xnnpack made"]


def test_invalid_numbers_are_not_shown() -> None:
    trials = tuple(
        replace(trial, report=make_report("gpu", name="xnnpack")) for trial in make_trials("gpu")
    )
    table = build_table([quick_record("gpu", trials=trials, psnr=22.0)])
    assert _cell(table, "gpu_ms").text == "invalid"
    assert _notes(table, "gpu_ms") == ["gpu: fallback: gpu was asked for, xnnpack ran"]
    assert _cell(table, "psnr").text == "N.A."
    assert _cell(table, "score").text == "N.A."
    assert "20" not in _texts(table, "gpu_ms")[0]


def test_software_gpu_never_fills_the_gpu_column() -> None:
    trials = tuple(
        replace(trial, report=make_report("gpu", adapter="llvmpipe (LLVM 15)"))
        for trial in make_trials("gpu")
    )
    software = quick_record("gpu", trials=trials, psnr=25.0)
    table = build_table([software, quick_record("xnnpack", psnr=22.0)])
    assert _cell(table, "gpu_ms").text == "N.A."
    assert _notes(table, "gpu_ms") == ["gpu: the GPU is software: llvmpipe (LLVM 15)"]
    assert _cell(table, "score").text == "N.A."
    # The images of the real processor are preferred.
    assert _cell(table, "psnr").text == "22.00"
    assert _cell(table, "team").text == "tiny"
    alone = build_table([software])
    assert _cell(alone, "psnr").text == "25.00"
    assert _notes(alone, "team") == ["* provisional: gpu: software_gpu"]


def test_provisional_rows_are_marked() -> None:
    few = quick_record("gpu", trials=make_trials("gpu", count=3), psnr=22.0, finished=False)
    table = build_table([few, quick_record("xnnpack")])
    assert _cell(table, "team") == Cell("tiny", "tiny*", (1,))
    assert table.footnotes[0] == "* provisional: gpu: too_few_samples, incomplete"
    assert _cell(table, "score").value is not None


def test_the_newest_record_wins_and_says_so() -> None:
    old = quick_record("gpu", ms=50, record_id="z", created="2026-01-02T10:00:00Z")
    # 11:30+02:00 is 09:30 UTC: as text it would be the newest.
    older = quick_record("gpu", ms=70, record_id="y", created="2026-01-02T11:30:00+02:00")
    new = quick_record("gpu", ms=60, record_id="a", created="2026-01-02T10:00:01Z")
    for records in ([old, older, new], [new, old, older]):
        table = build_table(records)
        assert _cell(table, "gpu_ms").value == 60.0
        assert _notes(table, "gpu_ms") == ["gpu: the newest of 3 Records"]


def test_score_backend_on_the_cpu() -> None:
    records = [
        quick_record("gpu", ms=10, psnr=22.0),
        quick_record("xnnpack", ms=100, psnr=22.1),
        quick_record("cpu", ms=90, psnr=22.2),
    ]
    table = build_table(records, score_backend="xnnpack")
    assert [column.title for column in table.columns][-1] == "Score (CPU)"
    assert _cell(table, "psnr").text == "22.10"
    assert _cell(table, "score").value == pytest.approx(2**44.2 / (2**34.5 * 100))
    assert _notes(table, "score") == ["score with xnnpack: 100 ms"]
    assert "Score (CPU): runtime of xnnpack, not of the GPU" in table.caption
    on_gpu = build_table(records)
    assert _cell(on_gpu, "score").value == pytest.approx(2**44 / (2**34.5 * 10))
    assert _cell(on_gpu, "psnr").text == "22.00"
    with pytest.raises(UsageError, match="use one of gpu, xnnpack, cpu"):
        build_table(records, score_backend="tpu")  # type: ignore[arg-type]


def test_score_never_joins_two_records() -> None:
    table = build_table([quick_record("gpu"), quick_record("xnnpack", psnr=30.0)])
    assert _cell(table, "psnr").text == "30.00"
    assert _cell(table, "score").text == "N.A."


def test_order_is_by_score_then_psnr_then_the_rest() -> None:
    records = [
        quick_record("xnnpack", label="none"),
        quick_record("xnnpack", label="psnr22", psnr=22.0),
        quick_record("xnnpack", label="psnr23", psnr=23.0),
        quick_record("gpu", label="slow", psnr=22.0, ms=90),
        quick_record("gpu", label="fast", psnr=22.0, ms=9),
    ]
    assert _texts(build_table(records), "team") == ["fast", "slow", "psnr23", "psnr22", "none"]


def test_one_row_per_label_model_and_device() -> None:
    other_device = make_device(
        device_id="phone-2", manufacturer="Google", model="Pixel 6", soc=None
    )
    other_model = make_model(sha256="b" * 64)
    records = [
        quick_record("gpu", ms=10),
        quick_record("xnnpack", ms=20),
        quick_record("gpu", ms=11, device=other_device),
        quick_record("gpu", ms=12, model=other_model),
        quick_record("gpu", ms=13, label="mine"),
    ]
    table = build_table(records)
    assert len(table.rows) == 4
    assert table.columns[1].title == "Device"
    assert set(_texts(table, "device")) == {"HUAWEI Mate 40 Pro (Kirin 9000)", "Google Pixel 6"}


def test_identical_and_failed_images() -> None:
    images = make_images()
    same = tuple(replace(image, psnr=None, ssim=1.0, identical=True) for image in images)
    table = build_table([quick_record("gpu", psnr=22.0, images=same)])
    assert (_cell(table, "psnr").value, _cell(table, "psnr").text) == (None, "inf")
    assert _cell(table, "score").text == "N.A."
    assert "2 of 2 images are identical" in _notes(table, "psnr")[0]
    failed = (images[0], replace(images[1], status="failed", psnr=None, ssim=None))
    table = build_table([quick_record("gpu", psnr=22.0, images=failed)])
    assert _notes(table, "psnr") == ["1 of 2 images failed"]
    assert _cell(table, "team").text == "tiny*"


def test_caption_names_protocol_device_and_timing() -> None:
    table = build_table([quick_record("gpu", psnr=22.0)])
    assert table.caption == (
        "Fidelity: mai22 on ebb (2 pairs, native)",
        "Device: HUAWEI Mate 40 Pro (Kirin 9000)",
        "Timing: 1x1024x1024x3, 4 threads, protocol challenge (5 processes of 1 + 20 runs)",
        "Engine: litert 2.1.3, precision default",
    )
    failed = tuple(replace(image, status="failed", psnr=None, ssim=None) for image in make_images())
    none_scored = build_table([quick_record("gpu", psnr=22.0, images=failed)])
    assert none_scored.caption[0] == "Fidelity: mai22, no images scored"
    without = build_table([quick_record("gpu")])
    assert without.caption[0] == "Fidelity: mai22, no images scored"


def test_caption_says_when_shapes_differ() -> None:
    dataset = DatasetFacts(name="ebb", pairs=2, digest="d" * 64, sizes={"1024x1536": 2})
    record = quick_record("gpu", psnr=22.0, dataset=dataset, same_shape=False)
    assert build_table([record]).caption[-1] == (
        "Timing and fidelity differ in shape: tiny timed on 1x1024x1024x3, images of 1024x1536"
    )


def test_cells_name_their_settings_where_rows_differ() -> None:
    records = [
        quick_record("gpu", label="a", psnr=22.0),
        quick_record("gpu", label="b", psnr=22.0, precision="fp16", timing_shape=(1, 512, 512, 3)),
        quick_record("xnnpack", label="c"),
    ]
    table = build_table(records)
    notes = {_cell(table, "team", i).value: _notes(table, "gpu_ms", i) for i in range(3)}
    run = "4 threads, protocol challenge (5 processes of 1 + 20 runs), litert 2.1.3"
    assert notes["a"] == [f"gpu: 1x1024x1024x3, {run}, precision default"]
    assert notes["b"] == [f"gpu: 1x512x512x3, {run}, precision fp16"]
    assert _notes(table, "psnr") == []
    other = replace(make_dataset(), digest="0" * 64)
    mixed = build_table([records[0], quick_record("gpu", label="b", psnr=22.0, dataset=other)])
    assert _notes(mixed, "psnr", 0) != _notes(mixed, "psnr", 1)
    assert "fidelity protocol mai22 on ebb (2 pairs, " in _notes(mixed, "psnr", 0)[0]


def test_cells_name_their_threads_where_rows_differ() -> None:
    records = [quick_record("xnnpack", label=str(n), threads=n) for n in (1, 2)]
    table = build_table(records)
    shown = {_cell(table, "team", row).value: _notes(table, "cpu_ms", row) for row in range(2)}
    assert any("1 thread," in note for note in shown["1"])
    assert any("2 threads," in note for note in shown["2"])


def test_a_finished_and_ranked_record_is_not_replaced_by_less() -> None:
    ranked = quick_record("xnnpack", ms=20.0, created="2025-01-01T00:00:00Z")
    for changes in ({"finished": False}, {"trials": make_trials("xnnpack", 30.0)[:1]}):
        newer = quick_record("xnnpack", ms=30.0, created="2025-02-01T00:00:00Z", **changes)
        assert newer.derived.status != "ranked"
        assert _cell(build_table([ranked, newer]), "cpu_ms").value == pytest.approx(20.0)


def test_one_footnote_text_has_one_number() -> None:
    records = [quick_record("xnnpack", label=label) for label in "abc"]
    table = build_table(records)
    assert table.footnotes == ("CPU: xnnpack",)
    assert [_cell(table, "cpu_ms", row).notes for row in range(3)] == [(1,)] * 3


def test_device_names() -> None:
    for changes, name in (
        ({"manufacturer": "Pixel", "model": "pixel 6"}, "pixel 6 (Kirin 9000)"),
        ({"manufacturer": None, "model": None, "soc": None, "cpu": "Xeon"}, "usb:1 (Xeon)"),
    ):
        table = build_table([quick_record("gpu", device=make_device(**changes))])
        assert table.caption[1] == f"Device: {name}"


def test_hostile_names_are_cleaned() -> None:
    name = "a\x1b[31m|b\nc\u202e\x9b"
    table = build_table([quick_record("gpu", label=name)], title="t\x07")
    assert _cell(table, "team").text == "a\ufffd[31m|b c\ufffd\ufffd"
    assert table.title == "t\ufffd"


def test_clean_keeps_letters_of_all_scripts() -> None:
    assert clean("Zürich 北京 é") == "Zürich 北京 é"
    assert clean("\udc80") == "\ufffd"
    assert clean("a\r\nb\tc\u2028d") == "a  b c d"


@pytest.mark.parametrize(
    ("mebibytes", "text"),
    [
        (0.06, "0.06"),
        (0.001, "<0.01"),
        (0.994, "0.99"),
        (0.996, "1.0"),
        (1.5, "1.5"),
        (9.94, "9.9"),
        (9.96, "10"),
        (30.4, "30"),
        (402, "402"),
        (0, "0.00"),
    ],
)
def test_size_format(mebibytes: float, text: str) -> None:
    assert size_text(mebibytes) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.01, "<0.1"),
        (0.06, "0.1"),
        (28.1, "28.1"),
        (99.94, "99.9"),
        (99.96, "100"),
        (112, "112"),
        (12879.4, "12879"),
    ],
)
def test_runtime_format(milliseconds: float, text: str) -> None:
    assert runtime_text(milliseconds) == text


def test_evidence_helper_is_ranked() -> None:
    record = quick_record("gpu", psnr=22.0)
    assert record.derived.status == "ranked"
    assert record.evidence.timing_shape == SHAPE
    assert make_trial().status == "ok"


def test_ms_ssim_has_a_column_where_a_protocol_asks_for_it() -> None:
    record = quick_record("gpu", psnr=22.0)
    fidelity = record.derived.fidelity
    assert fidelity is not None
    derived = replace(record.derived, fidelity=replace(fidelity, ms_ssim=0.91234))
    table = build_table([replace(record, derived=derived), quick_record("gpu", label="b")])
    assert _texts(table, "ms_ssim") == ["0.9123", "N.A."]
    assert "ms_ssim" not in {column.key for column in build_table([record]).columns}


def test_runtimes_from_aggregates_say_so() -> None:
    record = quick_record("gpu", psnr=22.0)
    latency = replace(record.derived.latency, samples=0, process_medians_ms=())
    table = build_table([replace(record, derived=replace(record.derived, latency=latency))])
    assert _notes(table, "gpu_ms") == ["gpu: from aggregates; the runner kept no samples"]


def test_frame_has_what_tables_have() -> None:
    record = quick_record(
        "gpu", psnr=22.0, factsheet=Factsheet(team="A", author="b", framework="Keras")
    )
    made = frame([record])
    row = made.loc[record.record_id]
    assert (row["name"], row["author"], row["framework"]) == ("A", "b", "Keras")
    assert (row["delegated_nodes"], row["total_nodes"]) == (31, 31)
    assert row["psnr"] == 22.0
    assert {"lpips", "ms_ssim", "partitions"} <= set(made.columns)
