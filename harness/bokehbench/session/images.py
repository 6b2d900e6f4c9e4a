"""The images of a batch: into raw tensors before, against their references after."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench.errors import DatasetError, UsageError
from bokehbench.facts import FidelityRules, ImageScore, InputSpec
from bokehbench.fidelity.pairs import Dataset, Pair
from bokehbench.fidelity.scoring import Scorer
from bokehbench.model.fit import Fit, Placement, plan_fit
from bokehbench.runners.protocol import OutputEvent
from bokehbench.schedule import PlannedRecord
from bokehbench.session.request import ModelInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]


@dataclass
class ImageBench:
    """Prepares and scores the images of one model; holds one batch at a time.

    `host_outputs` are what the host made of some images of the batch, as the runner wrote it;
    `keep` is a folder for the device's outputs, or None; `trouble` why they can't be kept.
    """

    dataset: Dataset
    model: ModelInput
    fit: Fit
    rules: FidelityRules
    failures: list[ImageScore] = field(default_factory=list)
    host_outputs: "dict[int, NDArray[Any]]" = field(default_factory=dict)
    keep: Path | None = None
    trouble: str | None = None

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.rules)

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
        from bokehbench.fidelity.outputs import difference

        pair = self.dataset.pairs[event.index]
        placement = self._placement(pair)
        expected = (placement.output_height, placement.output_width)
        if event.shape != (1, *expected, 3):
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
        kind = np.uint8 if event.dtype == "u8" else np.dtype("<f4")
        raw = np.fromfile(path, dtype=kind).reshape(*expected, 3)
        output = self._image(raw)
        self._keep(pair, output)
        try:
            scores = self._scorer.score(output, reference)
        except UsageError as error:
            return self._failed(pair, str(error))
        host = self.host_outputs.pop(event.index, None)
        agreement = None if host is None else difference(output, self._image(host[0]))
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
            psnr=scores.psnr,
            ssim=scores.ssim,
            ms_ssim=scores.ms_ssim,
            lpips=scores.lpips,
            identical=scores.identical,
            reference_psnr=agreement.psnr if agreement else None,
            reference_max_difference=agreement.largest if agreement else None,
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

    def _keep(self, pair: Pair, output: "NDArray[Any]") -> None:
        """Write an output to its folder; a disk that is full takes no score away."""
        from bokehbench.fidelity.outputs import keep_output

        if self.keep is None or self.trouble is not None:
            return
        try:
            keep_output(self.keep, pair.name, output)
        except UsageError as error:
            self.trouble = str(error)

    def _image(self, raw: "NDArray[Any]") -> "NDArray[Any]":
        """An output as pixels: bytes as they are, real values as floats from 0 to 1."""
        import numpy as np

        if raw.dtype == np.uint8:
            return raw
        low, high = self.model.io.output.range
        floats = (raw.astype(np.float64) - low) / (high - low)
        # As the runner does with bytes: NaN becomes 0 and is counted.
        floats = np.nan_to_num(floats, nan=0.0, posinf=1.0, neginf=0.0)
        return np.clip(floats, 0.0, 1.0) if self.rules.clip else floats

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


def output_folder(record: PlannedRecord, model: ModelInput) -> str:
    """A name for the folder of one record's outputs."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", model.label or model.facts.name)
    return f"{name}-{record.backend}-{record.precision}-{record.record_id}"


def _source(pair: Pair, name: str) -> Path:
    path = pair.paths.get(name)
    if path is None:
        raise DatasetError(f"pair {pair.name}: no image in {name}/, which the I/O spec asks for")
    return path
