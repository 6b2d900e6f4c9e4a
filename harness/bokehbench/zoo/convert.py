"""One model of the zoo -> a .tflite file: what `zoo.export` has done in a process of its own."""

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench import zoo
from bokehbench.errors import DatasetError, ZooError
from bokehbench.fidelity.images import fit_image, header_size, load_rgb
from bokehbench.fidelity.pairs import list_files
from bokehbench.text import clean
from bokehbench.zoo.child import answer_with

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

MAX_CALIBRATION = 64
"""Images that are used at most: ranges settle long before, and each is a whole run."""


def convert(question: dict[str, Any]) -> dict[str, Any]:
    """Build, give weights, convert, write; answer with the model's parameters.

    The question has the fields of `zoo.export.Export`, and `part`, the file to write.

    Raises:
        ZooError: the weights do not fit, or the file can't be written.
        DatasetError: an image for calibration can't be used.
    """
    images = _images(question)
    entry = zoo.find(question["name"])
    zoo.module_of(entry)
    import tensorflow as tf

    # A converter on a GPU gains nothing and takes its memory from whoever trains there.
    tf.config.set_visible_devices([], "GPU")
    height, width = question["height"], question["width"]
    model = _model(question, entry.name, height, width)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _save(model, folder)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if question["precision"] != "fp32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if question["precision"] == "fp16":
                converter.target_spec.supported_types = [tf.float16]
            if question["precision"] == "int8":
                converter.representative_dataset = lambda: _fed(images, height, width)
            data = converter.convert()
        Path(question["part"]).write_bytes(data)
    # TensorFlow tells of a full disk by an error of its own, without an errno.
    except (OSError, tf.errors.OpError) as error:
        told = str(error)
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in told:
            told = "no space left on the disk; an export needs three times the model's size"
        elif not isinstance(error, OSError):
            raise
        raise ZooError(f"{clean(question['output'])}: can't be written: {clean(told)}") from error
    return {"parameters": model.count_params(), "images": len(images)}


def _save(model: "keras.Model", folder: str) -> None:
    """The model as a SavedModel with one signature, image to bokeh.

    Its weights stay variables, which the converter turns into constants one by one; in a graph
    that was frozen before, they are held three times.
    """
    import tensorflow as tf

    def serve(image: Any) -> dict[str, Any]:
        return dict(model({"image": image}, training=False))

    module = tf.Module()
    module.weights = [one.value for one in model.variables]
    module.serve = tf.function(
        serve, input_signature=[tf.TensorSpec(model.inputs[0].shape, tf.float32, "image")]
    )
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})


def _model(question: dict[str, Any], name: str, height: int, width: int) -> "keras.Model":
    seed, friendly, weights = question["seed"], question["friendly"], question["weights"]
    model = zoo.build(name, height, width, seed=seed, friendly=friendly)
    if weights is None:
        return model
    from bokehbench.zoo.weights import load_weights

    if not friendly:
        load_weights(model, Path(weights))
        return model
    # A file is of the original form. Its sizes do not depend on the image's.
    step = zoo.find(name).multiple
    original = zoo.build(name, step, step, seed=seed)
    load_weights(original, Path(weights))
    model.set_weights(original.get_weights())
    return model


def _images(question: dict[str, Any]) -> list[Path]:
    if question["calibration"] is None:
        return []
    folder = Path(question["calibration"])
    if not folder.is_dir():
        raise DatasetError(f"{clean(str(folder))}: is no folder; give one of photos")
    original = folder / "original"
    paths = list(list_files(original if original.is_dir() else folder).values())
    if not paths:
        raise DatasetError(f"{clean(str(folder))}: has no JPEG or PNG to calibrate with")
    for path in paths[:MAX_CALIBRATION]:
        # A file that is no photo is told of now, not after minutes of building.
        header_size(path)
    return paths[:MAX_CALIBRATION]


def _fed(paths: list[Path], height: int, width: int) -> "Iterator[list[NDArray[np.float32]]]":
    """Photos as the model's input, cut where they are large enough and resized elsewhere."""
    import numpy as np

    for path in paths:
        pixels = load_rgb(path)
        large = pixels.shape[0] >= height and pixels.shape[1] >= width
        fitted = fit_image(pixels, height, width, "crop" if large else "resize")
        yield [(fitted[None] / 255.0).astype(np.float32)]


if __name__ == "__main__":
    answer_with(convert)
