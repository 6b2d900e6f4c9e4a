"""Shapes for timing, and what becomes of an image that the model does not fit."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bokehbench.errors import DatasetError
from bokehbench.facts import InputSpec, IoSpec, ModelFacts, OutputSpec, TensorFacts
from bokehbench.model import Placement, plan_fit, timing_shapes
from tests.support.evidence import make_model


def model(*shapes: tuple[int, ...]) -> ModelFacts:
    return make_model(
        inputs=tuple(
            TensorFacts(name=f"x{index}", shape=shape, dtype="float32")
            for index, shape in enumerate(shapes)
        ),
        outputs=(TensorFacts(name="y", shape=(1, -1, -1, 3), dtype="float32"),),
    )


FREE = model((1, -1, -1, 3))
FIXED = model((1, 1024, 1536, 3))
PLAIN = IoSpec(inputs=(InputSpec(tensor=0),), output=OutputSpec(tensor=0))
HALF = IoSpec(inputs=(InputSpec(tensor=0, channels="rgbd", size=0.5),), output=PLAIN.output)
PAIR = IoSpec(
    inputs=(
        InputSpec(tensor=0),
        InputSpec(tensor=1, source="original_depth", channels="gray", size=0.25),
    ),
    output=PLAIN.output,
)


@pytest.mark.parametrize(
    ("facts", "io", "shapes"),
    [
        (FREE, PLAIN, ((1, 1024, 1024, 3),)),
        (FIXED, PLAIN, ((1, 1024, 1536, 3),)),
        (model((-1, -1, -1, 4)), HALF, ((1, 512, 512, 4),)),
        (model((1, 512, 768, 4)), HALF, ((1, 512, 768, 4),)),
        (model((1, -1, 600, 3)), PLAIN, ((1, 1024, 600, 3),)),
        (model((1, -1, -1, 3), (1, -1, -1, -1)), PAIR, ((1, 1024, 1024, 3), (1, 256, 256, 1))),
        (model((1, -1, -1, 3), (1, 128, 128, 1)), PAIR, ((1, 512, 512, 3), (1, 128, 128, 1))),
    ],
)
def test_timing_shapes(facts: ModelFacts, io: IoSpec, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert timing_shapes(facts, io) == shapes


@pytest.mark.parametrize("fit", ["error", "native", "resize", "crop"])
def test_an_image_that_fits_is_left_alone(fit: str) -> None:
    for facts in (FREE, FIXED):
        assert plan_fit(facts, PLAIN, 1024, 1536, fit) == Placement(  # type: ignore[arg-type]
            change="none",
            image_height=1024,
            image_width=1536,
            input_shapes=((1, 1024, 1536, 3),),
            output_height=1024,
            output_width=1536,
        )


def test_a_free_model_takes_any_size() -> None:
    assert plan_fit(FREE, PLAIN, 333, 77).input_shapes == ((1, 333, 77, 3),)


def test_a_mismatch_is_refused_with_both_sizes_and_the_cure() -> None:
    with pytest.raises(DatasetError) as caught:
        plan_fit(FIXED, PLAIN, 1100, 1600)
    assert "1100x1600" in str(caught.value)
    assert "1024x1536" in str(caught.value)
    assert str(caught.value).endswith("give --fit resize or --fit crop")


def test_native_needs_free_sides() -> None:
    with pytest.raises(DatasetError, match="--fit resize or --fit crop"):
        plan_fit(FIXED, PLAIN, 1100, 1600, "native")


@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_images_are_changed_when_asked(fit: str) -> None:
    placed = plan_fit(FIXED, PLAIN, 1100, 1600, fit)  # type: ignore[arg-type]
    assert (placed.change, placed.image_height, placed.image_width) == (fit, 1024, 1536)


def test_a_small_image_is_resized_but_not_cropped() -> None:
    assert plan_fit(FIXED, PLAIN, 500, 2000, "resize").change == "resize"
    with pytest.raises(DatasetError, match="too small to crop"):
        plan_fit(FIXED, PLAIN, 500, 2000, "crop")


def test_only_the_fixed_side_is_changed() -> None:
    placed = plan_fit(model((1, -1, 600, 3)), PLAIN, 333, 700, "crop")
    assert placed.input_shapes == ((1, 333, 600, 3),)


def test_half_a_pixel_is_refused_rounded_or_given_up() -> None:
    free = model((1, -1, -1, 4))
    with pytest.raises(DatasetError, match="1024x1512"):
        plan_fit(free, HALF, 1024, 1513)
    assert plan_fit(free, HALF, 1024, 1513, "native").input_shapes == ((1, 512, 756, 4),)
    placed = plan_fit(free, HALF, 1024, 1513, "crop")
    assert (placed.change, placed.output_width) == ("crop", 1512)
    assert placed.input_shapes == ((1, 512, 756, 4),)


def test_an_image_without_pixels() -> None:
    with pytest.raises(DatasetError, match="no pixels"):
        plan_fit(FREE, PLAIN, 0, 8)


@given(
    height=st.integers(1, 4096),
    width=st.integers(1, 4096),
    held=st.sampled_from([(-1, -1), (64, 64), (-1, 48), (512, -1)]),
    size=st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    fit=st.sampled_from(["error", "native", "resize", "crop"]),
)
def test_a_plan_is_consistent(
    height: int, width: int, held: tuple[int, int], size: float, fit: str
) -> None:
    io = IoSpec(inputs=(InputSpec(tensor=0, size=size),), output=OutputSpec(tensor=0))
    try:
        placed = plan_fit(model((1, *held, 3)), io, height, width, fit)  # type: ignore[arg-type]
    except DatasetError:
        assume(fit != "resize")
        return
    ((batch, *sides, channels),) = placed.input_shapes
    assert (batch, channels) == (1, 3)
    assert all(fixed in (-1, side) for fixed, side in zip(held, sides, strict=True))
    if placed.change == "none":
        assert (placed.image_height, placed.image_width) == (height, width)
    else:
        assert fit == placed.change
    if placed.change == "crop":
        assert placed.image_height <= height
        assert placed.image_width <= width
