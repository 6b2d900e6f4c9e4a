"""`--runner benchmark_model` with the tool that is installed, from a release on loopback or a file.

The tool is an ELF program that hands over to a stand-in script.
"""

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from android_app.build import host_target, zig_cc
from tests.engines.server import Answer, Site, serving
from tests.phone.test_tool import LOG
from tests.support.command import Command
from tests.support.standin_tool import write_standin

SOURCE = """
#include <unistd.h>
int main(int count, char **words) {
    (void)count;
    return execv(SCRIPT, words);
}
"""

FOLDER = {"x86_64": "linux_x86_64", "aarch64": "linux_arm64"}[platform.machine()]
PATH = f"/2.2.0/{FOLDER}/benchmark_model"
WORDS = ("--device", "local", "--runner", "benchmark_model", "--backend", "xnnpack", "--quick")


@pytest.fixture
def site() -> Iterator[Site]:
    """A copy of the release files, which holds nothing yet."""
    with serving() as one:
        yield one


@pytest.fixture
def bokehbench(tmp_path: Path, site: Site) -> Command:
    """The command line, with engines of its own and that release."""
    return Command(
        tmp_path,
        {
            "BOKEHBENCH_ENGINES": str(tmp_path / "engines"),
            "BOKEHBENCH_RELEASE_URL": site.address,
        },
    )


@pytest.fixture
def program(tmp_path: Path) -> bytes:
    """A Linux program that does what the stand-in does."""
    script = write_standin(tmp_path / "script", LOG)
    source, made = tmp_path / "tool.c", tmp_path / "tool"
    source.write_text(SOURCE)
    command = [f'-DSCRIPT="{script}"', "-O1", str(source), "-o", str(made)]
    assert not (problem := zig_cc(host_target(), command)), problem
    return made.read_bytes()


def test_the_first_run_installs_it(
    bokehbench: Command, model: Path, site: Site, program: bytes
) -> None:
    site.answers[PATH] = Answer(program)
    ended = bokehbench("run", model, *WORDS, "--json", "-")
    assert ended.code == 0, ended.err
    assert "installed benchmark_model 2.2.0 for linux" in ended.err
    [record] = ended.json()["records"]
    assert (record["engine"]["name"], record["engine"]["version"]) == ("benchmark_model", "2.2.0")
    assert record["latency"]["median_ms"] == pytest.approx(6.12843)
    asked = len(site.asked)
    again = bokehbench("run", model, *WORDS)
    assert again.code == 0, again.err
    assert len(site.asked) == asked


def test_a_dry_run_fetches_nothing(
    bokehbench: Command, model: Path, site: Site, program: bytes
) -> None:
    site.answers[PATH] = Answer(program)
    ended = bokehbench("run", model, *WORDS, "--dry-run")
    assert ended.code == 4
    assert "engines install benchmark_model" in ended.complaint
    assert site.asked == []


def test_a_file_is_installed_and_run(
    bokehbench: Command, model: Path, tmp_path: Path, program: bytes, site: Site
) -> None:
    file = tmp_path / "benchmark_model"
    file.write_bytes(program)
    where = ("--platform", "linux", "--abi", platform.machine())
    installed = bokehbench("engines", "install", "benchmark_model", *where, "--from", file)
    assert installed.code == 0, installed.err
    assert "benchmark_model custom-" in installed.out
    ended = bokehbench("run", model, *WORDS, "--json", "-")
    assert ended.code == 0, ended.err
    assert ended.json()["records"][0]["engine"]["version"].startswith("custom-")
    assert site.asked == []


def test_a_tool_that_was_altered_is_refused(
    bokehbench: Command, model: Path, site: Site, program: bytes, tmp_path: Path
) -> None:
    site.answers[PATH] = Answer(program)
    assert bokehbench("run", model, *WORDS).code == 0
    [tool] = (tmp_path / "engines").rglob("benchmark_model/**/benchmark_model")
    tool.chmod(0o755)
    tool.write_bytes(program + b"x")
    ended = bokehbench("run", model, *WORDS)
    assert ended.code == 4
    assert "benchmark_model" in ended.complaint


def test_a_release_without_it_says_what_to_do(bokehbench: Command, model: Path) -> None:
    ended = bokehbench("run", model, *WORDS)
    assert ended.code == 4
    assert "HTTP 404" in ended.complaint
    assert "--runner benchmark_model=FILE" in ended.complaint
