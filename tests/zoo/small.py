"""The large models with few channels and blocks, and models as .tflite files in this process."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

from bokehbench.model.describe import read_structure
from bokehbench.model.rules import Target
from bokehbench.model.structure import ModelStructure

GPU_2022: Final = Target("tflite-gpu", "tflite", "2.8")
GPU_TODAY: Final = Target("tflite-gpu", "tflite", "2.16.1")
LITERT: Final = Target("litert-gpu", "litert", "2.3.0")

THIN: Final = {"sensebrain": (64, 96), "vic": (128, 192), "pynet": (64, 128)}
"""Names of the large models, and the heights and widths at which they are built here."""


@cache
def thin(name: str, friendly: bool) -> Any:
    """The Keras model of that name, of the layout of the whole one, with its own weights."""
    from bokehbench.zoo import blocks, pynet, sensebrain, vic

    with blocks.seeded(7):
        image = blocks.image_input(*THIN[name])
        if name == "pynet":
            bokeh = pynet.network(image, (4, 8, 16, 32, 64), friendly)
        elif name == "vic":
            bokeh = vic.network(image, 0.25, 16, friendly)
        else:
            sizes = sensebrain.Sizes(
                tokens=48,
                heads=6,
                taps=(0, 1, 2, 3),
                reassembled=(12, 24, 48, 96),
                dpt=16,
                nafnet=8,
                encoder=(1, 1, 1, 2),
                middle=1,
                decoder=(1, 1, 1, 1),
            )
            bokeh = sensebrain.network(image, sizes, friendly)
        return blocks.finish(image, bokeh, name)


def converted(model: Any, path: Path) -> ModelStructure:
    """The model, which has one input, written to `path` and read by our own reader.

    Variables are made constants first: what `from_concrete_functions` gets it leaves in the file as
    resources.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (place,) = model.inputs
    named = isinstance(model.input, dict)
    function = tf.function(lambda x: model({place.name: x} if named else x, training=False))
    spec = tf.TensorSpec(place.shape, place.dtype, place.name)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())
    return read_structure(path)


def kinds(structure: ModelStructure) -> Counter[str]:
    """How many operators of each kind."""
    return Counter(op.name for op in structure.graph.ops)
