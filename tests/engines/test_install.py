"""Installing: whole or nothing, checked against what is known or was seen first."""

import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bokehbench.engines import Routes
from bokehbench.engines.depot import Depot
from bokehbench.engines.effort import Effort
from bokehbench.engines.find import find_engine, find_tool
from bokehbench.engines.install import Outcome, Wanted, install
from bokehbench.engines.inventory import installed_entries, remove
from bokehbench.errors import EngineError, EngineMissing, UsageError
from tests.engines.conftest import everything_below, make_zip
from tests.engines.elves import Elf, Workshop, c_api
from tests.engines.server import Answer, Site, wait_for

LITERT = "/2.3.0/android_arm64/libLiteRt.so"
ACCELERATOR = "/2.3.0/android_arm64/libLiteRtClGlAccelerator.so"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def from_files(depot: Depot, name: str, *paths: Path, version: str = "") -> Outcome:
    wanted = Wanted(name, "android", "arm64-v8a", version, paths)
    return install(wanted, depot, Routes(), Effort.of(60))


def from_site(depot: Depot, site: Site, name: str = "litert", version: str = "") -> Outcome:
    wanted = Wanted(name, "android", "arm64-v8a", version)
    return install(wanted, depot, Routes(release_address=site.address), Effort.of(60))


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def aar(tmp_path: Path, tflite: bytes) -> Path:
    return make_zip(
        tmp_path / "own.aar", {"jni/arm64-v8a/libtensorflowlite_jni.so": tflite, "a.txt": b""}
    )


@pytest.fixture
def gpu_aar(tmp_path: Path, tflite_gpu: bytes) -> Path:
    member = "jni/arm64-v8a/libtensorflowlite_gpu_jni.so"
    return make_zip(tmp_path / "own-gpu.aar", {member: tflite_gpu})


@pytest.fixture
def published(site: Site, litert: bytes, tflite_gpu: bytes) -> Site:
    """A server with LiteRT 2.3.0 for arm64."""
    site.answers |= {LITERT: Answer(litert), ACCELERATOR: Answer(tflite_gpu)}
    return site


def test_archives_of_yours_are_custom_and_found(
    depot: Depot, aar: Path, gpu_aar: Path, tflite: bytes, tflite_gpu: bytes
) -> None:
    manifest = from_files(depot, "tflite", aar, gpu_aar).installed.manifest
    assert manifest.trust == "custom"
    assert manifest.version.startswith("custom-")
    assert manifest.source == "file own.aar, own-gpu.aar"
    assert manifest.android_api == 21
    engine = find_engine("tflite", "android", "arm64-v8a", gpu=True, root=depot.root)
    assert engine.library.read_bytes() == tflite
    assert [path.read_bytes() for path in engine.accelerators] == [tflite_gpu]
    assert engine.facts.library_sha256 == sha256(tflite)
    assert not find_engine(
        "tflite", "android", "arm64-v8a", gpu=False, root=depot.root
    ).accelerators
    again = from_files(depot, "tflite", aar, gpu_aar).installed.manifest
    assert again.version == manifest.version, "the same bytes are the same version"


def test_libraries_of_any_name_are_told_by_what_they_export(
    depot: Depot, tmp_path: Path, tflite: bytes, tflite_gpu: bytes
) -> None:
    one, two = put(tmp_path / "one.so", tflite), put(tmp_path / "two.so", tflite_gpu)
    outcome = from_files(depot, "tflite", two, one)
    assert [file.name for file in outcome.installed.manifest.files] == [
        "libtensorflowlite_jni.so",
        "libtensorflowlite_gpu_jni.so",
    ]
    assert everything_below(tmp_path)[-2:] == ["one.so", "two.so"], "yours stay where they are"


def test_what_a_build_can_not_do_is_said(depot: Depot, tmp_path: Path, workshop: Workshop) -> None:
    plain = workshop.build(Elf(functions=c_api("tflite-c-api")))
    outcome = from_files(depot, "tflite", put(tmp_path / "plain.so", plain))
    assert any("can't use a GPU" in remark for remark in outcome.remarks)
    assert any("lacks TfLiteXNNPackDelegateCreate" in remark for remark in outcome.remarks)


def test_an_aar_without_the_c_api_names_what_it_lacks(
    depot: Depot, tmp_path: Path, workshop: Workshop
) -> None:
    member = "jni/arm64-v8a/libtensorflowlite_jni.so"
    empty = workshop.build(Elf(functions=("Java_org_tensorflow_lite_init",)))
    with pytest.raises(UsageError, match=r"lacks TfLiteVersion, .* and 15 more functions"):
        from_files(depot, "tflite", make_zip(tmp_path / "java.aar", {member: empty}))
    assert everything_below(depot.root) == []


def test_files_that_are_of_no_use(
    depot: Depot, tmp_path: Path, aar: Path, gpu_aar: Path, workshop: Workshop, tflite_gpu: bytes
) -> None:
    other = workshop.build(Elf(abi="x86_64", functions=c_api("tflite-c-api")))
    member = "jni/x86_64/libtensorflowlite_jni.so"
    for paths, complaint in (
        ([tmp_path / "nosuch.aar"], r"--from .*nosuch.aar: No such file"),
        ([tmp_path], r"--from .*: Is a directory"),
        ([put(tmp_path / "t", b"<html>")], r"neither an AAR, .* begins with b'<htm'"),
        ([put(tmp_path / "e", b"")], r"neither an AAR, .* begins with b''"),
        ([make_zip(tmp_path / "z.aar", {"classes.jar": b""})], "holds no .* it holds classes.jar"),
        ([gpu_aar], "no libtensorflowlite_jni.so among the files, which is in tensorflow-lite's"),
        ([aar, aar], "libtensorflowlite_jni.so was given twice"),
        ([make_zip(tmp_path / "x.aar", {member: other})], "built for x86-64, which android arm64"),
        ([put(tmp_path / "broken.aar", aar.read_bytes()[:-30])], "a broken archive"),
    ):
        with pytest.raises(UsageError, match=complaint):
            from_files(depot, "tflite", *paths)
        assert everything_below(depot.root) == [], complaint
    with pytest.raises(UsageError, match="not a library of litert: it lacks LiteRtCreateModel"):
        from_files(depot, "litert", put(tmp_path / "what.so", tflite_gpu))


def test_bytes_that_are_not_the_pinned_ones_are_refused(
    depot: Depot, aar: Path, tflite: bytes
) -> None:
    with pytest.raises(UsageError) as caught:
        from_files(depot, "tflite", aar, version="2.16.1")
    text = str(caught.value)
    assert sha256(tflite) in text
    assert "a4f950ebb6ddb191cfaf77a4c821b577c5a3200a02b3b338bfa68d00c7446623" in text
    assert everything_below(depot.root) == []


def test_a_version_that_is_not_known_needs_its_files(depot: Depot) -> None:
    wanted = Wanted("tflite", "android", "arm64-v8a", "2.9.0")
    with pytest.raises(EngineError, match=r"2.9.0: its checksums are not known .*2.16.1.*--from"):
        install(wanted, depot, Routes(), Effort.of(60))
    with pytest.raises(UsageError, match="not a version"):
        install(Wanted("tflite", "android", "arm64-v8a", "../../x"), depot, Routes(), Effort.of(60))
    assert everything_below(depot.root) == []


def test_release_files_are_locked_to_the_bytes_seen_first(
    depot: Depot, published: Site, litert: bytes, workshop: Workshop
) -> None:
    manifest = from_site(depot, published).installed.manifest
    assert (manifest.version, manifest.trust) == ("2.3.0", "locked")
    remove(depot, "litert", Effort.of(60))
    other = workshop.build(Elf(functions=(*c_api("litert-c-api"), "more")))
    published.answers[LITERT] = Answer(other)
    with pytest.raises(EngineError) as caught:
        from_site(depot, published)
    text = str(caught.value)
    assert sha256(litert) in text
    assert sha256(other) in text
    assert "nothing was installed" in text
    assert "`bokehbench engines remove litert --abi arm64-v8a --version 2.3.0 --forget`" in text
    assert installed_entries(depot) == []
    remove(depot, "litert", Effort.of(60), abi="arm64-v8a", version="2.3.0", forget=True)
    assert from_site(depot, published).installed.manifest.files[0].sha256 == sha256(other)


def test_files_by_hand_have_to_be_those_of_their_version(
    depot: Depot, published: Site, tmp_path: Path, litert: bytes, workshop: Workshop
) -> None:
    from_site(depot, published)
    same = from_files(depot, "litert", put(tmp_path / "libLiteRt.so", litert))
    assert same.installed.manifest.version == "2.3.0", "the bytes say which version it is"
    other = put(tmp_path / "other.so", workshop.build(Elf(functions=(*c_api("litert-c-api"), "x"))))
    with pytest.raises(UsageError, match="sha256 differs"):
        from_files(depot, "litert", other, version="2.3.0")
    assert from_files(depot, "litert", other).installed.manifest.trust == "custom"
    assert from_files(depot, "litert", other, version="2.9").installed.manifest.trust == "locked"


def test_what_is_there_is_not_fetched_again(depot: Depot, published: Site) -> None:
    assert not from_site(depot, published).was_there
    published.asked.clear()
    assert from_site(depot, published).was_there
    assert published.asked == []


def test_altered_files_are_refused_and_replaced_by_install(
    depot: Depot, published: Site, litert: bytes
) -> None:
    path = from_site(depot, published).installed.path("library")
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(litert[:-1] + b"!")
    with pytest.raises(EngineError) as caught:
        find_engine("litert", "android", "arm64-v8a", gpu=False, root=depot.root)
    text = str(caught.value)
    assert sha256(litert) in text
    assert sha256(litert[:-1] + b"!") in text
    assert "`bokehbench engines install litert --abi arm64-v8a --version 2.3.0`" in text
    assert not from_site(depot, published).was_there
    find_engine("litert", "android", "arm64-v8a", gpu=True, root=depot.root)


@pytest.mark.parametrize("damage", ["{", '{"format": 3}', ""])
def test_a_broken_manifest_is_refused_and_replaced(
    depot: Depot, published: Site, damage: str
) -> None:
    folder = from_site(depot, published).installed.folder
    (folder / "manifest.json").write_text(damage)
    with pytest.raises(EngineError, match=r"manifest.json: not a manifest"):
        find_engine("litert", "android", "arm64-v8a", gpu=False, root=depot.root)
    [entry] = installed_entries(depot)
    assert entry.problems
    assert not from_site(depot, published).was_there
    find_engine("litert", "android", "arm64-v8a", gpu=False, root=depot.root)


def test_a_broken_lock_file_is_said(depot: Depot, published: Site) -> None:
    depot.root.mkdir()
    for text in ("nonsense", '{"format": "bokehbench-engines-lock/9"}'):
        depot.lock.path.write_text(text)
        with pytest.raises(EngineError, match=r"lock.json: .*(not a lock file|is unknown)"):
            from_site(depot, published)
    assert installed_entries(depot) == []


@pytest.mark.parametrize(
    "answer", [Answer(status=404), Answer(bytes(100), claimed=200), Answer(b"<html>login</html>")]
)
def test_a_second_file_that_fails_leaves_nothing(
    depot: Depot, published: Site, answer: Answer
) -> None:
    published.answers[ACCELERATOR] = answer
    with pytest.raises(EngineError):
        from_site(depot, published)
    assert everything_below(depot.root) == []
    with pytest.raises(EngineMissing, match="run `bokehbench engines install litert --abi arm64"):
        find_engine("litert", "android", "arm64-v8a", gpu=True, root=depot.root)


def test_a_channel_is_named_by_its_bytes(
    depot: Depot, site: Site, program: bytes, workshop: Workshop
) -> None:
    path = "/nightly/android_arm64/benchmark_model"
    site.answers[path] = Answer(program)
    first = from_site(depot, site, "benchmark_model", "nightly").installed.manifest.version
    assert first == f"nightly-{sha256(program)[:8]}"
    tool = find_tool("benchmark_model", "android", "arm64-v8a", root=depot.root)
    assert tool.path.read_bytes() == program
    assert tool.path.stat().st_mode & 0o111
    assert (tool.version, tool.sha256) == (first, sha256(program))
    other = workshop.build(Elf(functions=("x",), interpreter="/system/bin/linker64"))
    site.answers[path] = Answer(other)
    second = from_site(depot, site, "benchmark_model", "nightly").installed.manifest.version
    assert second == f"nightly-{sha256(other)[:8]}"
    assert find_tool("benchmark_model", "android", "arm64-v8a", root=depot.root).version == second
    assert len(installed_entries(depot)) == 2
    again = from_site(depot, site, "benchmark_model", first)
    assert again.was_there, "an older one can be chosen again"
    assert find_tool("benchmark_model", "android", "arm64-v8a", root=depot.root).version == first
    remove(depot, "benchmark_model", Effort.of(60), version=first)
    assert find_tool("benchmark_model", "android", "arm64-v8a", root=depot.root).version == second


def test_a_library_is_no_tool(depot: Depot, tmp_path: Path, tflite: bytes) -> None:
    with pytest.raises(UsageError, match="a shared library, where a program is needed"):
        from_files(depot, "benchmark_model", put(tmp_path / "benchmark_model", tflite))


def test_two_at_once_fetch_once(depot: Depot, published: Site) -> None:
    outcomes: list[Outcome] = []

    def work() -> None:
        outcomes.append(from_site(Depot(depot.root), published))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcome.was_there for outcome in outcomes) == [False, True, True, True]
    assert published.asked.count(LITERT) == 1


def test_waiting_for_another_installation_ends(depot: Depot, published: Site) -> None:
    with (
        depot.changing(Effort.of(60)),
        pytest.raises(EngineError, match="waiting for another installation: not done within 1 s"),
    ):
        install(
            Wanted("litert", "android", "arm64-v8a"),
            Depot(depot.root),
            Routes(release_address=published.address),
            Effort.of(1),
        )


INSTALL = """
import sys
from pathlib import Path
from bokehbench.engines import Routes
from bokehbench.engines.depot import Depot
from bokehbench.engines.effort import Effort
from bokehbench.engines.install import Wanted, install
root, address = sys.argv[1:]
install(
    Wanted("litert", "android", "arm64-v8a"),
    Depot(Path(root)),
    Routes(release_address=address),
    Effort.of(60),
)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_leaves_nothing_that_looks_whole(
    depot: Depot, published: Site, litert: bytes, end: signal.Signals
) -> None:
    published.answers[ACCELERATOR] = Answer(litert, gap_seconds=0.2)
    words = [sys.executable, "-c", INSTALL, str(depot.root), published.address]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        wait_for(published, ACCELERATOR)
        process.send_signal(end)
        assert process.wait(30) != 0
    assert installed_entries(depot) == []
    with pytest.raises(EngineMissing):
        find_engine("litert", "android", "arm64-v8a", gpu=True, root=depot.root)
    published.answers[ACCELERATOR] = Answer(litert)
    assert not from_site(depot, published).was_there
    assert not list(depot.root.glob(".part-*")), "what was left behind is swept"


def _tiny_disk(root: Path, kibibytes: int, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run words where `root` is a file system of its own, of that size."""
    script = f'mount -t tmpfs -o size={kibibytes}k tmpfs "$1" && shift && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    return subprocess.run(
        [*namespace, str(root), *words], capture_output=True, text=True, check=False
    )


def test_a_full_disk_is_said(depot: Depot, site: Site, litert: bytes) -> None:
    depot.root.mkdir()
    probe = _tiny_disk(depot.root, 64, ["true"])
    if probe.returncode != 0:
        pytest.skip(f"no file system of a test's own can be mounted here: {probe.stderr.strip()}")
    site.answers |= {LITERT: Answer(litert), ACCELERATOR: Answer(bytes(2**20))}
    words = [sys.executable, "-c", INSTALL, str(depot.root), site.address]
    ended = _tiny_disk(depot.root, 256, words)
    last = ended.stderr.strip().splitlines()[-1]
    assert "EngineError" in last
    assert f"{depot.root}: no space left; nothing was installed; make room" in last


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path, published: Site) -> None:
    blocker = put(tmp_path / "file", b"")
    with pytest.raises(EngineError, match=r"Not a directory; nothing was installed"):
        from_site(Depot(blocker / "engines"), published)


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        (lambda folder: (folder / "libLiteRt.so").unlink(), False),
        (lambda folder: (folder.parent / "current").write_text("nonsense!"), None),
        (lambda folder: (folder.parent / "current").write_text("9.9.9"), None),
        (lambda folder: (folder.parent / "current").write_bytes(b"\xff\xfe"), None),
    ],
)
def test_a_depot_changed_by_hand(
    depot: Depot, published: Site, change: Callable[[Path], object], usable: bool | None
) -> None:
    change(from_site(depot, published).installed.folder)
    kind = EngineError if usable is False else EngineMissing
    with pytest.raises(kind):
        find_engine("litert", "android", "arm64-v8a", gpu=False, root=depot.root)
    from_site(depot, published)
    find_engine("litert", "android", "arm64-v8a", gpu=False, root=depot.root)
