"""The seven models of the Mobile AI 2022 bokeh challenge, as far as they are public.

One module an architecture, and a registry of them that needs no TensorFlow. Each module has

    def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model

which holds to this:

- One input named `image`, one output named `bokeh`, both (1, height, width, 3) float32, NHWC:
  RGB, sRGB values in 0..1 at both ends. A model whose paper feeds another range (-1..1) changes it
  inside. Outputs are not clipped; they can pass 0..1 a little.
- `height` and `width` are multiples of the entry's `multiple`. `zoo.build` checks that, and that
  TensorFlow is there, before the module is asked.
- The same seed gives the same weights, whatever was built before: layers are made inside
  `with blocks.seeded(seed):`, and keep the initializers that Keras gives them, or name their own.
- `friendly=True` rewrites what a GPU delegate does not take (`zoo/friendly.py`), and nothing
  else. `model.get_weights()` has the same arrays in the same order either way, so that weights of
  one form fit the other.
- Operators come from `keras.layers`, `keras.ops` and, through `blocks.apply`, `tf.nn`. Nothing in a
  model depends on values or computes shapes when it runs: batch, height and width are fixed.

Weights are kept as Keras's `.weights.h5` of the original form (`zoo/weights.py`).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from bokehbench.errors import EngineMissing, ZooError

if TYPE_CHECKING:
    import keras

__all__ = ["MODELS", "Entry", "build", "check_size", "find", "module_of"]

MAX_SIDE: Final = 8192
"""Pixels of the longest side that a model is built for."""

INSTALL: Final = "pip install '.[zoo]' in bokehbench's checkout"


@dataclass(frozen=True)
class Entry:
    """One model of the zoo.

    Attributes:
        name: what commands and `find` know it by.
        team: its row in the report's table 1 (`report/data/mai22.json`), the printed numbers.
        title: one line of what it is.
        source: where its architecture is described.
        multiple: both sides of an image are multiples of it.
        size_mib: what the table prints as size, in MiB of fp32 weights.
        cpu_ms: the table's runtime on the CPU at 1024x1024 in ms, or "Error" or "N.A.".
        gpu_ms: the same on the GPU.
        size: height and width that are built unless others are asked for, the table's.
    """

    name: str
    team: str
    title: str
    source: str
    multiple: int
    size_mib: float
    cpu_ms: float | str
    gpu_ms: float | str
    size: tuple[int, int] = (1024, 1024)

    @property
    def module(self) -> str:
        """The module that builds it."""
        return f"bokehbench.zoo.{self.name}"


_REPORT: Final = (
    "Ignatov et al., Realistic Bokeh Effect Rendering on Mobile GPUs, Mobile AI & AIM 2022 "
    "Challenge: Report, arXiv:2211.06769"
)

MODELS: Final = (
    Entry(
        "antins_cv",
        "Antins_cv",
        "a three-level U-Net of stride-2 convolutions and pixel shuffles",
        _REPORT,
        8,
        0.06,
        125,
        28.1,
    ),
    Entry(
        "enerzai",
        "ENERZAi",
        "a U-Net with LeakyReLU that works at half resolution",
        _REPORT,
        32,
        30,
        1637,
        89.3,
    ),
    Entry(
        "miaigo",
        "MiAIgo",
        "an encoder and decoder of seven blocks that adds a residual",
        _REPORT,
        16,
        1.5,
        1346,
        112,
    ),
    Entry(
        "sensebrain",
        "Sensebrain",
        "depth by a Dense Prediction Transformer, then NAFNet",
        _REPORT,
        32,
        402,
        12879,
        "Error",
    ),
    Entry(
        "zjut_vision",
        "ZJUT-Vision",
        "the generator of BGGAN: two U-Nets with residual blocks and attention",
        _REPORT,
        4,
        13,
        "Error",
        "Error",
    ),
    Entry(
        "vic",
        "VIC",
        "an encoder of MobileViTv2 and a decoder of DPT",
        _REPORT,
        64,
        127,
        "Error",
        "Error",
    ),
    Entry(
        "pynet",
        "PyNET [21]",
        "the baseline: seven levels, kernels of 3 to 9, instance norm",
        "Ignatov et al., Rendering Natural Camera Bokeh Effect with Deep Learning, "
        "arXiv:2006.05698, and its public model.py",
        64,
        181,
        "N.A.",
        3512,
    ),
)
"""All models, in the order of the report's table 1."""


def find(name: str) -> Entry:
    """The entry of that name; dashes, case and blanks do not matter.

    Raises:
        ZooError: there is none.
    """
    wanted = name.strip().lower().replace("-", "_")
    for entry in MODELS:
        if entry.name == wanted:
            return entry
    known = ", ".join(entry.name for entry in MODELS)
    raise ZooError(f"{name}: no such model in the zoo; known are {known}")


def check_size(entry: Entry, height: int, width: int) -> None:
    """Whether the model can be built for images of that size.

    Raises:
        ZooError: a side is no multiple of what the model needs, or too long.
    """
    step = entry.multiple
    if all(side > 0 and side % step == 0 and side <= MAX_SIDE for side in (height, width)):
        return
    near = [min(max(round(side / step) * step, step), MAX_SIDE) for side in (height, width)]
    raise ZooError(
        f"{entry.name} can't be built for {height}x{width}: both sides have to be multiples of "
        f"{step} up to {MAX_SIDE}; the nearest size is {near[0]}x{near[1]}"
    )


def module_of(entry: Entry) -> Any:
    """The module that builds the model, imported now, and TensorFlow with it.

    Raises:
        EngineMissing: TensorFlow or Keras is not installed.
        ZooError: Keras is set to work with something else than TensorFlow.
    """
    try:
        keras = import_module("keras")
        import_module("tensorflow")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("keras", "tensorflow", "jax", "torch"):
            raise
        raise EngineMissing(
            f"the zoo's models are built with TensorFlow, and {error.name} is not installed: "
            f"{INSTALL}"
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise ZooError(
            f"Keras is set to use {keras.backend.backend()}, and only TensorFlow writes .tflite "
            "files: unset KERAS_BACKEND, or set it to tensorflow"
        )
    return import_module(entry.module)


def build(
    name: str, height: int, width: int, *, seed: int = 0, friendly: bool = False
) -> "keras.Model":
    """The model of that name with random weights.

    Args:
        height: rows of the image.
        width: columns of the image.
        seed: what the weights come from.
        friendly: rewritten for GPU delegates, with the same weights.

    Raises:
        ZooError: there is no such model, or it can't have that size.
        EngineMissing: TensorFlow is not installed.
    """
    entry = find(name)
    check_size(entry, height, width)
    return module_of(entry).build(height, width, seed=seed, friendly=friendly)
