"""VIC: an encoder of MobileNetV2 blocks and MobileViTv2, and the decoder of DPT.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure; Mehta and Rastegari,
Separable Self-attention for Mobile Vision Transformers, arXiv:2206.02680 (`zoo/mobilevit.py`);
Ranftl et al., Vision Transformers for Dense Prediction, arXiv:2103.13413 (`zoo/dpt.py`).
Public: like DPT; the largest MobileViTv2 with its MobileNetV2 blocks as encoder, four maps of
which go into the decoder; trained at 512x768.
Chosen here: the maps at strides 4, 8, 16 and 32 of the network of width 2.0; a decoder of 256
channels, which gives the table's size; DPT's head for depth with three channels, which are the
image, not added to the input.
Parameters: 33,390,156, that is 127.37 MiB. Sides are multiples of 64.
"""

from typing import Any, Final

import keras

from bokehbench.zoo import blocks, dpt, mobilevit

MULTIPLIER: Final = 2.0
DPT_WIDTH: Final = 256


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; `friendly` rewrites attention and norms."""
    with blocks.seeded(seed):
        image = blocks.image_input(height, width)
        return blocks.finish(image, network(image, MULTIPLIER, DPT_WIDTH, friendly), "vic")


def network(image: Any, multiplier: float, decoder: int, friendly: bool) -> Any:
    """(1, H, W, 3) -> (1, H, W, 3).

    Args:
        multiplier: of MobileViTv2's widths.
        decoder: channels of the decoder.
    """
    return dpt.decode(mobilevit.mobilevit_v2(image, multiplier, friendly), decoder, 3, friendly)
