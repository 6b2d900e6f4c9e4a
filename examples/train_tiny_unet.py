"""Train a tiny fully convolutional U-Net that renders bokeh, and export it as tiny_unet.tflite.

The network has three levels: three 3x3 stride-2 convolutions down, two 3x3 convolutions with a
pixel shuffle by two up, a last one to twelve channels and a pixel shuffle by two, skips by
addition, twelve channels, 14,724 weights. It is trained with a PSNR loss and Adam at 1e-3, halved
four times. Its operations are CONV_2D, DEPTH_TO_SPACE and ADD, its height and width are open (any
multiples of 8).

Training scenes are random layers cut from the photos TRAINING_PHOTOS, rendered before training
starts; the pairs beside this script are built from other photos and serve for validation only.
At the end the script prints the mean PSNR of the unchanged input, of the best Gaussian blur and
of the exported model over those pairs, and fails if the model does not beat both.

Needs tensorflow-cpu, ai-edge-litert, scikit-image, scikit-learn and opencv-python-headless.
With the defaults it took 16 min 42 s on two cores of a shared machine at low priority: 3 min for
the scenes, 13 min for the training, the rest for the measurement.

    python examples/make_pairs.py
    python examples/train_tiny_unet.py
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from layered_bokeh import ByteImage, decode_image
from numpy.typing import NDArray
from training_scenes import SCENE_SIZE, psnr, training_scene

CHANNELS = 12
CROP = 256
BATCH = 8
THREADS = 2
FIRST_RATE = 1e-3
RATE_STEPS = 5  # the learning rate is halved at the end of each fifth but the last


class TinyUNet:
    """The network. Images are (N, H, W, 3) float32 sRGB in 0..1, H and W multiples of 8."""

    def __init__(self, seed: int) -> None:
        widths = [
            ("down1", 3, CHANNELS),
            ("down2", CHANNELS, CHANNELS),
            ("down3", CHANNELS, CHANNELS),
            ("up3", CHANNELS, 4 * CHANNELS),
            ("up2", CHANNELS, 4 * CHANNELS),
            ("up1", CHANNELS, 12),
        ]
        rng = np.random.default_rng(seed)
        self.weights: dict[str, tf.Variable] = {}
        for name, inputs, outputs in widths:
            spread = np.sqrt(2.0 / (9 * inputs))
            # The last layer starts near zero: the untrained network returns its input.
            spread *= 0.1 if name == "up1" else 1.0
            kernel = rng.normal(0.0, spread, (3, 3, inputs, outputs)).astype(np.float32)
            self.weights[f"{name}/kernel"] = tf.Variable(kernel)
            self.weights[f"{name}/bias"] = tf.Variable(np.zeros(outputs, np.float32))

    @staticmethod
    def apply(weights: dict[str, tf.Tensor], image: tf.Tensor) -> tf.Tensor:
        """The picture with bokeh, same shape as `image`; it can pass 0..1 by a little."""

        def convolve(x: tf.Tensor, name: str, stride: int) -> tf.Tensor:
            x = tf.nn.conv2d(x, weights[f"{name}/kernel"], stride, "SAME")
            return tf.nn.bias_add(x, weights[f"{name}/bias"])

        half = tf.nn.relu(convolve(image, "down1", 2))
        quarter = tf.nn.relu(convolve(half, "down2", 2))
        eighth = tf.nn.relu(convolve(quarter, "down3", 2))
        quarter = tf.nn.relu(tf.nn.depth_to_space(convolve(eighth, "up3", 1), 2) + quarter)
        half = tf.nn.relu(tf.nn.depth_to_space(convolve(quarter, "up2", 1), 2) + half)
        return tf.nn.depth_to_space(convolve(half, "up1", 1), 2) + image


def train(pool: tuple[ByteImage, ByteImage], steps: int, seed: int) -> TinyUNet:
    """Fit the network to the pool: two (scenes, SCENE_SIZE, SCENE_SIZE, 3) uint8 arrays."""
    network = TinyUNet(seed)
    rng = np.random.default_rng([seed, 1])
    boundaries = [steps * part // RATE_STEPS for part in range(1, RATE_STEPS)]
    rates = [FIRST_RATE * 0.5**part for part in range(RATE_STEPS)]
    variables = list(network.weights.values())
    first = [tf.Variable(tf.zeros_like(v)) for v in variables]
    second = [tf.Variable(tf.zeros_like(v)) for v in variables]

    def step(image: tf.Tensor, target: tf.Tensor, count: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            output = network.apply(network.weights, image)
            # One logarithm for the batch. A mean of logarithms would pay most for crops that are
            # all in focus, and the network would learn to return its input.
            loss = tf.math.log(tf.reduce_mean(tf.square(output - target))) * (10.0 / np.log(10.0))
        # Adam, written out: six lines spare the dependence on an optimizer's interface.
        for v, m, s, g in zip(
            variables, first, second, tape.gradient(loss, variables), strict=True
        ):
            m.assign(0.9 * m + 0.1 * g)
            s.assign(0.999 * s + 0.001 * g * g)
            mean, square = m / (1.0 - 0.9**count), s / (1.0 - 0.999**count)
            v.assign_sub(rate * mean / (tf.sqrt(square) + 1e-8))
        return loss

    # As calls and not as decorators: decorators of an untyped package hide the types.
    compiled = tf.function(step)
    started, losses = time.monotonic(), []
    for number in range(steps):
        batch = [_random_crop(pool, rng) for _ in range(BATCH)]
        image = np.stack([pair[0] for pair in batch]).astype(np.float32) / 255.0
        target = np.stack([pair[1] for pair in batch]).astype(np.float32) / 255.0
        rate = rates[sum(number >= boundary for boundary in boundaries)]
        loss = compiled(image, target, tf.constant(number + 1.0), tf.constant(rate))
        losses.append(float(loss))
        if (number + 1) % 250 == 0:
            print(
                f"step {number + 1}/{steps}: training PSNR {-np.mean(losses[-250:]):.3f} dB, "
                f"{time.monotonic() - started:.0f} s",
                file=sys.stderr,
            )
    return network


def _random_crop(
    pool: tuple[ByteImage, ByteImage], rng: np.random.Generator
) -> tuple[ByteImage, ByteImage]:
    """The same random square of one scene's two pictures, turned and mirrored alike."""
    scene = int(rng.integers(len(pool[0])))
    top, left = (int(v) for v in rng.integers(0, SCENE_SIZE - CROP + 1, 2))
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    colours = rng.permutation(3)
    crops = []
    for pictures in pool:
        crop = pictures[scene, top : top + CROP, left : left + CROP][..., colours]
        crop = np.rot90(crop, turns)
        crops.append(crop[:, ::-1] if mirror else crop)
    return crops[0], crops[1]


def export(network: TinyUNet) -> bytes:
    """The trained network as a .tflite file with signature image -> bokeh, [1, -1, -1, 3]."""
    # The weights enter the graph as constants; variables would stay in the file as resources.
    weights = {name: tf.constant(value.numpy()) for name, value in network.weights.items()}
    module = tf.Module()

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"bokeh": TinyUNet.apply(weights, image)}

    spec = tf.TensorSpec((1, None, None, 3), tf.float32, "image")
    module.serve = tf.function(serve, input_signature=[spec])
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        model: bytes = converter.convert()
    return model


def read_pairs(folder: Path) -> list[tuple[ByteImage, ByteImage]]:
    """All (original, bokeh) pairs of an EBB!-like folder, (H, W, 3) uint8 sRGB, by number."""
    pairs = []
    for path in sorted((folder / "original").glob("*.jpg"), key=lambda p: (len(p.name), p.name)):
        original, bokeh = (
            decode_image(file.read_bytes(), str(file))
            for file in (path, folder / "bokeh" / path.name)
        )
        pairs.append((original, bokeh))
    return pairs


def gaussian_table(
    pairs: list[tuple[ByteImage, ByteImage]], sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """PSNR in dB of each blurred original against its bokeh, (pairs, sigmas); sigma 0: no blur."""
    table = np.zeros((len(pairs), len(sigmas)))
    for row, (original, bokeh) in enumerate(pairs):
        for column, sigma in enumerate(sigmas):
            light = original.astype(np.float32)
            if sigma > 0:
                light = cv2.GaussianBlur(light, (0, 0), float(sigma))
            table[row, column] = psnr(np.rint(light).astype(np.uint8), bokeh)
    return table


def run_model(model: bytes, picture: ByteImage) -> ByteImage:
    """The exported model's answer to one (H, W, 3) uint8 sRGB picture, clipped and rounded."""
    interpreter = Interpreter(model_content=model, num_threads=THREADS)
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, (1, *picture.shape), strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, picture[None].astype(np.float32) / 255.0)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    answer: ByteImage = np.rint(np.clip(output, 0.0, 1.0) * 255.0).astype(np.uint8)
    return answer


def report(model: bytes, pairs: list[tuple[ByteImage, ByteImage]]) -> bool:
    """Print the PSNR of input, Gaussian blur and model; whether the model is the best of all."""
    sigmas = np.arange(0.0, 20.25, 0.25)
    table = gaussian_table(pairs, sigmas)
    scores = np.array([psnr(run_model(model, original), bokeh) for original, bokeh in pairs])
    print("pair  input   best Gaussian (sigma)  model")
    for number, row in enumerate(table):
        best = int(row.argmax())
        print(
            f"{number:4d}  {row[0]:.3f}  {row[best]:.3f} ({sigmas[best]:5.2f})        "
            f"{scores[number]:.3f}"
        )
    common = int(table.mean(axis=0).argmax())
    unchanged, gaussian, own = table[:, 0].mean(), table[:, common].mean(), scores.mean()
    print(f"mean PSNR of the unchanged input:           {unchanged:.3f} dB")
    print(f"mean PSNR of the best common Gaussian blur: {gaussian:.3f} dB (sigma {sigmas[common]})")
    print(f"mean PSNR of the best Gaussian per image:   {table.max(axis=1).mean():.3f} dB")
    print(f"mean PSNR of the model:                     {own:.3f} dB")
    return bool(own > max(unchanged, gaussian))


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train and export the tiny U-Net.")
    parser.add_argument("--steps", type=int, default=10000, help="training steps (default: 10000)")
    parser.add_argument("--scenes", type=int, default=400, help="training scenes (default: 400)")
    parser.add_argument("--seed", type=int, default=2022, help="seed of everything (default: 2022)")
    parser.add_argument(
        "--out",
        type=Path,
        default=here / "tiny_unet.tflite",
        help="file to write (default: tiny_unet.tflite beside this script)",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        default=here / "pairs",
        help="validation pairs (default: pairs/ beside this script)",
    )
    arguments = parser.parse_args()
    if arguments.steps < 1:
        parser.error(f"--steps must be at least 1, not {arguments.steps}")
    if arguments.scenes < 1:
        parser.error(f"--scenes must be at least 1, not {arguments.scenes}")
    if arguments.seed < 0:
        parser.error(f"--seed must not be negative, but is {arguments.seed}")
    if not arguments.out.parent.is_dir():
        parser.error(f"--out: there is no folder {arguments.out.parent}")
    if not (arguments.pairs / "original").is_dir():
        parser.error(f"--pairs: {arguments.pairs} has no original/; run make_pairs.py first")
    return arguments


def main() -> int:
    arguments = _arguments()
    cv2.setNumThreads(THREADS)
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    pairs = read_pairs(arguments.pairs)

    started = time.monotonic()
    scenes = [training_scene(arguments.seed, number) for number in range(arguments.scenes)]
    pool = (np.stack([pair[0] for pair in scenes]), np.stack([pair[1] for pair in scenes]))
    print(f"{len(scenes)} scenes in {time.monotonic() - started:.0f} s", file=sys.stderr)

    model = export(train(pool, arguments.steps, arguments.seed))
    arguments.out.write_bytes(model)
    print(f"{arguments.out.name}: {len(model)} bytes", file=sys.stderr)
    if report(model, pairs):
        return 0
    print("error: the model does not beat both the input and the best blur", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
