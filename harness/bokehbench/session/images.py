"""The images of a batch: into raw tensors before, against their references after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bokehbench.errors import DatasetError, UsageError
from bokehbench.facts import ImageScore, InputSpec
from bokehbench.fidelity.pairs import Dataset, Pair
from bokehbench.model.fit import Fit, Placement, plan_fit
from bokehbench.runners.protocol import OutputEvent
from bokehbench.session.request import ModelInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]


@dataclass
class ImageBench:
    """Prepares and scores the images of one model; holds one batch at a time."""

    dataset: Dataset
    model: ModelInput
    fit: Fit
    protocol: str
    failures: list[ImageScore] = field(default_factory=list)

    def load(self, items: Sequence[int]) -> Mapping[int, list[memoryview]]:
        """Raw uint8 elements of every input tensor, for the images that can be read.

        One that can't is noted in `failures` as a failed ImageScore and left out.
        """
        loaded: dict[int, list[memoryview]] = {}
        for index in items:
            pair = self.dataset.pairs[index]
            try:
                placement = self._placement(pair)
                tensors = [
                    self._tensor(pair, placement, spec)
                    for spec in sorted(self.model.io.inputs, key=lambda spec: spec.tensor)
                ]
            except DatasetError as error:
                self.failures.append(self._failed(pair, str(error)))
            else:
                loaded[index] = [tensor.data.cast("B") for tensor in tensors]
        return loaded

    def score(self, event: OutputEvent, path: Path) -> ImageScore:
        """Compare one output, whose verified bytes are in `path`, with its reference."""
        import numpy as np

        from bokehbench.fidelity.images import fit_image, load_rgb
        from bokehbench.fidelity.protocols import get_protocol
        from bokehbench.fidelity.scoring import score_image

        pair = self.dataset.pairs[event.index]
        placement = self._placement(pair)
        expected = (placement.output_height, placement.output_width)
        if event.dtype != "u8" or event.shape != (1, *expected, 3):
            shape = "x".join(map(str, event.shape))
            return self._failed(
                pair,
                f"the output is {shape}, the reference {expected[0]}x{expected[1]}x3; "
                "set the output's `size` in the I/O spec",
            )
        try:
            reference = load_rgb(pair.paths[self.dataset.reference])
            if reference.shape[:2] != self.dataset.sizes[event.index]:
                height, width = reference.shape[:2]
                return self._failed(pair, f"the reference is {height}x{width}, the source is not")
            reference = _changed(reference, placement)
            if reference.shape[:2] != expected:
                reference = fit_image(reference, *expected, "resize")
        except DatasetError as error:
            return self._failed(pair, str(error))
        output = np.fromfile(path, dtype=np.uint8).reshape(*expected, 3)
        try:
            protocol = get_protocol(self.protocol)
            psnr, ssim, identical = score_image(protocol, output, reference)
        except UsageError as error:
            return self._failed(pair, str(error))
        return ImageScore(
            index=event.index,
            name=pair.name,
            status="ok",
            sha256=event.sha256,
            height=placement.image_height,
            width=placement.image_width,
            input_ns=event.input_ns,
            invoke_ns=event.invoke_ns,
            output_ns=event.output_ns,
            nonfinite=event.nonfinite,
            psnr=psnr,
            ssim=ssim,
            identical=identical,
        )

    def unread(self) -> list[ImageScore]:
        """Failed scores of the pairs whose size could not even be read from their header."""
        return [
            self._failed(self.dataset.pairs[index], problem)
            for index, problem in self.dataset.problems.items()
        ]

    def lost(self, index: int, why: str) -> ImageScore:
        """The failed score of an image for which no output came back."""
        return self._failed(self.dataset.pairs[index], why)

    def _failed(self, pair: Pair, why: str) -> ImageScore:
        height, width = self.dataset.sizes[pair.index] or (None, None)
        return ImageScore(
            index=pair.index,
            name=pair.name,
            status="failed",
            height=height,
            width=width,
            failure=why,
        )

    def _placement(self, pair: Pair) -> Placement:
        size = self.dataset.sizes[pair.index]
        if size is None:
            raise DatasetError(self.dataset.problems[pair.index])
        return plan_fit(self.model.facts, self.model.io, *size, self.fit)

    def _tensor(self, pair: Pair, placement: Placement, spec: InputSpec) -> "Image":
        """One input tensor's elements as a contiguous HxWxC uint8 array."""
        import numpy as np

        from bokehbench.fidelity.images import load_gray, load_rgb

        height, width = placement.input_shapes[spec.tensor][1:3]
        path = _source(pair, spec.source)
        image = load_gray(path) if spec.channels == "gray" else load_rgb(path)
        image = self._placed(pair, image, placement, height, width)
        if spec.channels == "rgbd":
            depth = load_gray(_source(pair, "original_depth"))
            depth = self._placed(pair, depth, placement, height, width)
            image = np.concatenate([image, depth[..., None]], axis=2)
        return np.ascontiguousarray(image.reshape(height, width, -1))

    def _placed(
        self, pair: Pair, image: "Image", placement: Placement, height: int, width: int
    ) -> "Image":
        """An image of a pair as the tensor's height and width want it.

        Depth maps come at half size (EBB!): they are first brought to their image's own, so
        that a crop takes the same part of both.
        """
        from bokehbench.fidelity.images import fit_image

        size = self.dataset.sizes[pair.index]
        if size is not None and image.shape[:2] != size:
            image = fit_image(image, *size, "resize")
        image = _changed(image, placement)
        if image.shape[:2] != (height, width):
            image = fit_image(image, height, width, "resize")
        return image


def _changed(image: "Image", placement: Placement) -> "Image":
    """An image of a pair, resized or cropped as the placement says for the whole pair."""
    from bokehbench.fidelity.images import fit_image

    if placement.change == "none":
        return image
    return fit_image(image, placement.image_height, placement.image_width, placement.change)


def _source(pair: Pair, name: str) -> Path:
    path = pair.paths.get(name)
    if path is None:
        raise DatasetError(f"pair {pair.name}: no image in {name}/, which the I/O spec asks for")
    return path
