"""Sensebrain: depth by a Dense Prediction Transformer, then NAFNet on the image and its depth.

Source: Ignatov et al., arXiv:2211.06769, the team's section and figure; Ranftl et al., Vision
Transformers for Dense Prediction, arXiv:2103.13413 (`zoo/dpt.py`, `zoo/vit.py`); Chen et al.,
Simple Baselines for Image Restoration, arXiv:2204.04676 (`zoo/nafnet.py`).
Public: DPT trained on MIX 5 gives the depth; image and depth, concatenated, go through NAFNet with
2, 2, 2, 20 blocks on the way down, 2 in the middle and 2, 2, 2, 2 on the way up; trained with two
PatchGANs.
Chosen here: ViT-B/16 read after blocks 3, 6, 9 and 12, no readout, a DPT of 128 channels and
NAFNet of width 24, which give the table's size (DPT-Hybrid alone would be 466 MiB and more); depth
at the image's own resolution, in whatever scale training gives it; positions for 24x24 patches
that are resized when the model runs.
Parameters: 106,031,924, that is 404.48 MiB. Sides are multiples of 32.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import keras

from bokehbench.zoo import blocks, dpt, nafnet, vit


class Sizes(NamedTuple):
    """How wide and deep the parts are.

    Attributes:
        tokens: channels of the transformer.
        heads: of its attention.
        taps: the transformer's blocks that DPT reads, from 0.
        reassembled: channels of the maps that DPT makes of them, the finest first.
        dpt: channels of DPT's decoder.
        nafnet: channels of NAFNet at full resolution.
        encoder: NAFNet's blocks at each level on the way down.
        middle: at the bottom.
        decoder: on the way up.
    """

    tokens: int
    heads: int
    taps: Sequence[int]
    reassembled: Sequence[int]
    dpt: int
    nafnet: int
    encoder: Sequence[int]
    middle: int
    decoder: Sequence[int]


SIZES: Final = Sizes(
    tokens=768,
    heads=12,
    taps=(2, 5, 8, 11),
    reassembled=(96, 192, 384, 768),
    dpt=128,
    nafnet=24,
    encoder=(2, 2, 2, 20),
    middle=2,
    decoder=(2, 2, 2, 2),
)
"""ViT-B/16 with DPT's numbers for it, and those of the module's text."""


def build(height: int, width: int, *, seed: int = 0, friendly: bool = False) -> keras.Model:
    """The model as `bokehbench.zoo` says; `friendly` rewrites attention, GELU, norms and gates."""
    with blocks.seeded(seed):
        image = blocks.image_input(height, width)
        return blocks.finish(image, network(image, SIZES, friendly), "sensebrain")


def network(image: Any, sizes: Sizes, friendly: bool) -> Any:
    """(1, H, W, 3) -> (1, H, W, 3)."""
    centred = keras.layers.Rescaling(2.0, -1.0)(image)
    maps = vit.vit(centred, sizes.tokens, sizes.heads, sizes.taps, friendly)
    depth = dpt.decode(dpt.reassemble(maps, sizes.reassembled), sizes.dpt, 1, friendly)
    depth = keras.layers.ReLU()(depth)

    change = nafnet.nafnet(
        keras.layers.Concatenate()([image, depth]),
        width=sizes.nafnet,
        encoder=sizes.encoder,
        middle=sizes.middle,
        decoder=sizes.decoder,
        is_friendly=friendly,
    )
    return keras.layers.Add()([image, change])
