"""Memory of harness and runner over growing datasets of mixed sizes; it has to stay flat.

python benchmarks/dataset_memory.py [--pairs 25 100 200]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
BOUND_MIB = 800
GROWTH_MIB = 40
SIZES = ((1024, 1536), (1024, 1600))


def make_pairs(folder: Path, count: int) -> None:
    """`count` pairs in the EBB! layout, cut and mirrored from the example's photos."""
    from PIL import Image, ImageOps

    sources = [
        {name: Image.open(EXAMPLES / "pairs" / name / f"{n}.jpg") for name in ("original", "bokeh")}
        for n in range(8)
    ]
    for name in ("original", "bokeh"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        height, width = SIZES[number % 2]
        for name, image in sources[number % 8].items():
            turned = ImageOps.mirror(image) if number % 16 >= 8 else image
            made = turned.resize((width, height))
            made.save(folder / name / f"{number}.jpg", quality=85)


def tree_mib(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MiB."""
    total, todo = 0, [(pid, "")]
    while todo:
        current, parents_size = todo.pop()
        try:
            status = Path(f"/proc/{current}/status").read_text()
            lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            size = lines.get("VmSize", "")
            # Between vfork and exec a child is its parent's memory, seen a second time.
            if size == parents_size:
                continue
            for task in Path(f"/proc/{current}/task").iterdir():
                todo += [(int(child), size) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        total += int(lines.get("VmRSS", "0 kB").split()[0])
    return total / 1024


def peak_mib(dataset: Path, folder: Path) -> tuple[float, float, int]:
    """Peak memory of a run in MiB, its seconds, and the images it scored."""
    words = [sys.executable, "-m", "bokehbench", "run", "--device", "local"]
    words += [str(EXAMPLES / "tiny_unet.tflite"), "--dataset", str(dataset), "--quick"]
    words += ["--runs", "5", "--warmups", "1", "--json", "-", "--store", str(folder / "s.sqlite3")]
    begin = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, tree_mib(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate()
    done.set()
    watcher.join()
    images = json.loads(out)["records"][0]["fidelity"]["images"]
    return peak, time.monotonic() - begin, images


def main() -> int:
    """Print the peaks; 1 when one is over the bound or grows with the number of pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, nargs="+", default=[25, 100, 200])
    words = parser.parse_args()
    peaks = []
    for count in words.pairs:
        with tempfile.TemporaryDirectory() as folder:
            make_pairs(Path(folder) / "pairs", count)
            peak, seconds, images = peak_mib(Path(folder) / "pairs", Path(folder))
        print(f"{count:>4} pairs: {images} scored, peak {peak:.0f} MiB, {seconds:.1f} s")
        peaks.append(peak)
    missed = max(peaks) > BOUND_MIB or peaks[-1] - peaks[0] > GROWTH_MIB
    print(f"bounds {BOUND_MIB} MiB and {GROWTH_MIB} MiB of growth: {'MISSED' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
