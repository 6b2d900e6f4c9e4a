"""The smaller commands, and what `--help` costs."""

import signal
import subprocess
import sys

import click
import pytest

import bokehbench as package
from bokehbench.cli import COMMANDS, group
from bokehbench.cli.options import FiniteRange
from tests.project.documents import commands
from tests.support.command import Command
from tests.support.judged import evidence, store


@pytest.mark.parametrize(
    ("psnr", "ms", "printed"),
    [
        ("22.76", "28.1", "74"),
        ("22.89", "89.3", "28"),
        ("20.08", "112", "0.5"),
        ("23.28", "3512", "1.2"),
    ],
)
def test_the_scored_rows_of_the_challenge(
    bokehbench: Command, psnr: str, ms: str, printed: str
) -> None:
    ended = bokehbench("score", "--psnr", psnr, "--runtime-ms", ms)
    assert (ended.code, ended.out) == (0, f"{printed}\n")


def test_help_names_every_command(bokehbench: Command) -> None:
    ended = bokehbench("--help")
    assert ended.code == 0
    for name in COMMANDS:
        assert f"  {name} " in ended.out
        assert bokehbench(name, "--help").code == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bokehbench.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "heavy = {'numpy', 'pandas', 'cv2', 'PIL', 'rich', 'sqlite3', 'msgspec'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_without_images_imports_no_numpy(bokehbench: Command, model: object) -> None:
    code = (
        "import sys\nfrom bokehbench.cli import main\n"
        f"words = ['run', '--device', 'local', {str(model)!r}, '--quick', '--runs', '2']\n"
        "try:\n main([*words, '--json', '-'])\nexcept SystemExit as stop:\n assert not stop.code\n"
        "sys.exit(', '.join({'numpy', 'pandas', 'cv2', 'PIL', 'rich'} & set(sys.modules)) or 0)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        words, capture_output=True, text=True, env=dict(bokehbench.variables()), check=False
    )
    assert done.returncode == 0, done.stderr


def test_devices_and_doctor(bokehbench: Command) -> None:
    listed = bokehbench("devices", "--json", "--adb-server", "127.0.0.1:1").json()
    [device] = listed["devices"]
    assert "no adb server" in listed["adb_server"]
    assert device["address"] == "local"
    assert device["cores"] >= 1
    assert device["profile"] == "generic-linux"
    doctor = bokehbench("doctor", "--json", "--adb-server", "127.0.0.1:1")
    assert doctor.code == 0, doctor.out
    states = {check["name"]: check["state"] for check in doctor.json()["checks"]}
    wanted = ("runner", "engine", "store", "device local", "  its folder", "  its programs")
    assert [states[name] for name in wanted] == ["ok"] * len(wanted)
    assert states["adb server"] == "absent"
    [said] = [check["text"] for check in doctor.json()["checks"] if check["name"] == "store"]
    assert "yet: `bokehbench run` makes it" in said
    assert not bokehbench.store.exists()


def test_doctor_names_the_cure(bokehbench: Command) -> None:
    ended = bokehbench("doctor", "--store", "/proc/none/s.sqlite3")
    assert ended.code == 4
    assert "missing  store" in ended.out
    assert "/proc/none: No such file or directory; name a store in a folder" in ended.out


def test_doctor_counts_what_a_store_holds(bokehbench: Command) -> None:
    store(bokehbench, evidence("net", 20))
    before = bokehbench.store.read_bytes()
    ended = bokehbench("doctor")
    assert (ended.code, f"{bokehbench.store}, 1 record\n" in ended.out) == (0, True)
    assert bokehbench.store.read_bytes() == before


def test_a_reader_that_goes_away_is_no_error(bokehbench: Command, model: object) -> None:
    assert bokehbench("run", "--device", "local", model, "--quick", "--runs", 2).code == 0
    for words in (("records", "list"), ("table",), ("devices",)):
        with bokehbench.start(*words) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""
        assert process.returncode == 128 + signal.SIGPIPE


def test_no_command_shows_the_help(bokehbench: Command) -> None:
    for words in ((), ("records",)):
        ended = bokehbench(*words)
        assert ended.code == 2
        assert "Usage: bokehbench" in ended.err
        assert len(ended.err.splitlines()) > 5


def test_load_gives_pandas(bokehbench: Command, model: object) -> None:
    assert bokehbench("run", "--device", "local", model, "--quick", "--runs", 5).code == 0
    frame = package.load(str(bokehbench.store))
    assert list(frame["backend"]) == ["xnnpack"]
    assert frame["median_ms"].iloc[0] > 0
    assert len(frame["invoke_ns"].iloc[0][0]) == 5
    assert frame.index.name == "record_id"


def test_every_table_format(bokehbench: Command, model: object, tmp_path: object) -> None:
    assert bokehbench("run", "--device", "local", model, "--quick", "--runs", 2).code == 0
    marks = {"terminal": "─", "markdown": "|", "csv": ",", "latex": r"\toprule", "json": "{"}
    for kind, mark in marks.items():
        ended = bokehbench("table", "--format", kind)
        assert ended.code == 0, ended.err
        assert mark in ended.out
    ended = bokehbench("table", "--format", "latex", "-o", f"{tmp_path}/t.tex")
    assert (ended.code, ended.out) == (0, "")


def test_no_option_takes_a_number_that_is_none() -> None:
    ranges = [
        (" ".join(path), parameter.name, parameter.type)
        for path, context in commands(group, ("bokehbench",))
        for parameter in context.command.params
        if isinstance(parameter.type, click.FloatRange)
    ]
    assert len(ranges) > 10
    for command, name, kind in ranges:
        assert isinstance(kind, FiniteRange), f"{command}: {name}"
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                kind.convert(text, None, None)
