"""Metrics beside scikit-image and onnxruntime, and a folder beside the sum of its parts.

    pip install onnxruntime onnx        # for the peer of LPIPS alone, here or elsewhere:
    python benchmarks/fidelity.py [--pairs 200] [--rounds 9] [--onnx-python PYTHON]

Each library has a process of its own, so that no one's threads wait in another's way; they take
turns. The pair is 1024x1536. LPIPS's peer is the same network as an ONNX graph made here from the
same weights, input scaling and heads included on both sides. Ends with 1 when a bound is missed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SSIM_BOUND = 7.0
PSNR_BOUND = 10.0
LPIPS_BOUND = 1.0
FOLDER_BOUND = 1.15
GROWTH_MIB = 40.0
HEIGHT, WIDTH = 1024, 1536
PARTS_PAIRS = 12


def example_pair() -> tuple[Image, Image]:
    """Smooth colours with noise, and a disturbed copy."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [np.sin(x / (40 + 13 * c)) + np.cos(y / (55 - 9 * c)) for c in range(3)]
    smooth = 128 + 45 * np.stack(waves, axis=2)
    reference = np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
    prediction = np.clip(reference + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
    return prediction, reference


def ours() -> dict[str, Callable[[], float]]:
    """bokehbench's metrics on the pair."""
    from bokehbench.fidelity.lpips import Lpips
    from bokehbench.fidelity.metrics import psnr, ssim

    a, b = example_pair()
    network = Lpips()
    return {
        "psnr": lambda: psnr(a, b),
        "ssim": lambda: ssim(a, b),
        "lpips": lambda: network.distance(a, b),
    }


def scikit_image() -> dict[str, Callable[[], float]]:
    """scikit-image's, with the same definitions."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    a, b = example_pair()
    return {
        "psnr": lambda: float(peak_signal_noise_ratio(b, a, data_range=255)),
        "ssim": lambda: float(
            structural_similarity(
                a,
                b,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=2,
                data_range=255,
            )
        ),
    }


def onnx() -> dict[str, Callable[[], float]]:
    """LPIPS on onnxruntime."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = dict(np.load(Path(sys.argv[-1]), allow_pickle=False))
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: list[str], outputs: list[str], **words: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, outputs, **words))
        return outputs[0]

    shift = np.array([-0.030, -0.088, -0.188], np.float32).reshape(1, 3, 1, 1)
    scale = np.array([0.458, 0.448, 0.450], np.float32).reshape(1, 3, 1, 1)
    # uint8 RGB as it is decoded, in one multiplication and one addition.
    current = node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2])
    current = node("Cast", [current], ["floats"], to=TensorProto.FLOAT)
    current = node("Mul", [current, constant("factor", 1 / (127.5 * scale))], ["scaled"])
    current = node("Add", [current, constant("offset", (-1 - shift) / scale)], ["input"])
    channels, everywhere = constant("axis", np.array([1])), constant("axes", np.array([1, 2, 3]))
    tiny = constant("tiny", np.array(1e-10, np.float32))
    distances = []
    for layer in range(5):
        kernel = constant(f"w{layer}", weights[f"conv{layer}_w"].transpose(3, 2, 0, 1))
        bias = constant(f"b{layer}", weights[f"conv{layer}_b"])
        pad, stride = (2, 2, 1, 1, 1)[layer], 4 if layer == 0 else 1
        current = node(
            "Conv", [current, kernel, bias], [f"c{layer}"], pads=[pad] * 4, strides=[stride] * 2
        )
        current = node("Relu", [current], [f"f{layer}"])
        norm = node("ReduceL2", [current, channels], [f"n{layer}"], keepdims=1)
        norm = node("Add", [norm, tiny], [f"m{layer}"])
        unit = node("Div", [current, norm], [f"u{layer}"])
        node("Split", [unit], [f"p{layer}", f"r{layer}"], axis=0, num_outputs=2)
        difference = node("Sub", [f"p{layer}", f"r{layer}"], [f"d{layer}"])
        square = node("Mul", [difference, difference], [f"s{layer}"])
        linear = constant(f"l{layer}", weights[f"lin{layer}_w"].reshape(1, -1, 1, 1))
        weighed = node("Conv", [square, linear], [f"v{layer}"])
        distances.append(node("ReduceMean", [weighed, everywhere], [f"e{layer}"], keepdims=0))
        if layer < 2:
            current = node("MaxPool", [current], [f"q{layer}"], kernel_shape=[3, 3], strides=[2, 2])
    node("Sum", distances, ["distance"])
    graph = helper.make_graph(
        nodes,
        "lpips",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [2, None, None, 3])],
        [helper.make_tensor_value_info("distance", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    a, b = example_pair()
    return {"lpips": lambda: float(session.run(None, {"images": np.stack([a, b])})[0][0])}


def serve(metrics: dict[str, Callable[[], float]]) -> None:
    """Time one call for each line of standard input that names a metric."""
    print("ready", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        value = metrics[line.strip()]()
        seconds = time.perf_counter() - begin
        print(json.dumps([seconds, value]), flush=True)


class Worker:
    """One library in a process of its own."""

    def __init__(self, name: str, python: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [python, __file__, "--worker", name, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.is_there = self._read() == "ready"

    def time(self, metric: str) -> tuple[float, float]:
        """Seconds of one call, and its value."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{metric}\n")
        self._process.stdin.flush()
        seconds, value = json.loads(self._read())
        return seconds, value

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def beside(
    name: str, metric: str, mine: Worker, peer: Worker, rounds: int
) -> tuple[float, float, float]:
    """Medians of both in seconds, in turns, and how far their values are apart."""
    for worker in (mine, peer):
        worker.time(metric)
    times: tuple[list[float], list[float]] = ([], [])
    values = [0.0, 0.0]
    for _ in range(rounds):
        for place, worker in enumerate((mine, peer)):
            seconds, values[place] = worker.time(metric)
            times[place].append(seconds)
    own, other = (statistics.median(seconds) for seconds in times)
    apart = abs(values[0] - values[1])
    print(
        f"{metric}: {1e3 * own:.1f} ms, {name} {1e3 * other:.1f} ms: {other / own:.2f}x "
        f"as fast, values {apart:.1e} apart"
    )
    return own, other, apart


def make_folders(folder: Path, count: int) -> None:
    """`count` JPEG pairs of 1024x1536, cut and mirrored from the example's photos."""
    from PIL import Image as Pictures
    from PIL import ImageOps

    source = Path(__file__).parents[1] / "examples" / "pairs"
    for name in ("original", "bokeh"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            path = folder / name / f"{number}.jpg"
            if number >= 16:
                path.write_bytes((folder / name / f"{number % 16}.jpg").read_bytes())
                continue
            picture = Pictures.open(source / name / f"{number % 8}.jpg")
            turned = ImageOps.mirror(picture) if number >= 8 else picture
            turned.resize((WIDTH, HEIGHT)).save(path, quality=90)


def folder(path: Path) -> dict[str, float]:
    """A folder scored by mai22 in this process, and each of its parts on some pairs alone."""
    from bokehbench.fidelity import get_protocol
    from bokehbench.fidelity.comparing import Compared, compare
    from bokehbench.fidelity.folders import pair_paths
    from bokehbench.fidelity.images import load_rgb
    from bokehbench.fidelity.lpips import shared_lpips
    from bokehbench.fidelity.metrics import psnr, ssim
    from bokehbench.fidelity.threads import usable_cores

    pairs = pair_paths(path / "original", path / "bokeh").pairs
    network = shared_lpips(usable_cores())
    spent: dict[str, list[float]] = {"read": [], "psnr": [], "ssim": [], "lpips": []}

    def parts() -> None:
        for pair in pairs[:PARTS_PAIRS]:
            begin = time.perf_counter()
            a, b = load_rgb(pair.prediction), load_rgb(pair.reference)
            spent["read"].append(time.perf_counter() - begin)
            for name, metric in (("psnr", psnr), ("ssim", ssim), ("lpips", network.distance)):
                begin = time.perf_counter()
                metric(a, b)
                spent[name].append(time.perf_counter() - begin)

    peaks = []

    def watch(_: Compared) -> None:
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    # The parts before, in the middle and after, as other work on the machine comes and goes.
    parts()
    begin = time.perf_counter()
    compare(pairs[: len(pairs) // 2], get_protocol("mai22"), on_pair=watch)
    whole = time.perf_counter() - begin
    parts()
    begin = time.perf_counter()
    compare(pairs[len(pairs) // 2 :], get_protocol("mai22"), on_pair=watch)
    whole += time.perf_counter() - begin
    parts()
    means = {name: len(pairs) * statistics.fmean(each[1:]) for name, each in spent.items()}
    quarter = peaks[len(peaks) // 4]
    return {"whole": whole, "peak": peaks[-1], "growth": peaks[-1] - quarter, **means}


def main() -> int:
    """Print times and ratios; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--onnx-python", default=sys.executable)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="?", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.worker == "folder":
        print(json.dumps(folder(Path(words.rest))))
        return 0
    if words.worker:
        serve({"ours": ours, "skimage": scikit_image, "onnx": onnx}[words.worker]())
        return 0

    from bokehbench.fidelity.lpips_model import WEIGHTS

    missed = []
    mine, skimage = Worker("ours", sys.executable), Worker("skimage", sys.executable)
    for metric, bound in (("psnr", PSNR_BOUND), ("ssim", SSIM_BOUND)):
        own, other, apart = beside("scikit-image", metric, mine, skimage, words.rounds)
        missed += [metric] if other / own < bound or apart > 1e-9 else []
    skimage.close()
    peer = Worker("onnx", words.onnx_python, str(WEIGHTS))
    if peer.is_there:
        own, other, apart = beside("onnxruntime", "lpips", mine, peer, words.rounds)
        missed += ["lpips"] if own / other > LPIPS_BOUND or apart > 1e-4 else []
        peer.close()
    else:
        print("lpips: no onnxruntime in that Python; `pip install onnxruntime onnx`")
        missed.append("lpips (not compared)")
    mine.close()

    with tempfile.TemporaryDirectory() as place:
        make_folders(Path(place), words.pairs)
        command = [sys.executable, __file__, "--worker", "folder", place]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(out)
    parts = sum(found[name] for name in ("read", "psnr", "ssim", "lpips"))
    told = ", ".join(f"{name} {found[name]:.1f}" for name in ("read", "psnr", "ssim", "lpips"))
    print(
        f"{words.pairs} pairs of JPEG: {found['whole']:.1f} s, sum of the parts {parts:.1f} s "
        f"({told}): {found['whole'] / parts:.2f}x"
    )
    print(
        f"memory: peak {found['peak']:.0f} MiB, {found['growth']:.0f} MiB more than after a "
        "quarter of the pairs"
    )
    missed += ["folder"] if found["whole"] / parts > FOLDER_BOUND else []
    missed += ["memory"] if found["growth"] > GROWTH_MIB else []
    print(f"bounds: {'MISSED: ' + ', '.join(missed) if missed else 'met'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
