"""The peak of activations against a count of every tensor at every operator."""

import random

import pytest

from bokehbench.model.liveness import memory_use
from bokehbench.model.structure import OpEntry, TensorEntry


def alive(index: int, place: int, tensors: list[TensorEntry], ops: list[OpEntry]) -> bool:
    """Whether a tensor has to be there while the operator at `place` runs."""
    if tensors[index].variable:
        return any(index in op.inputs for op in ops)
    written = next((number for number, op in enumerate(ops) if index in op.outputs), None)
    needed = [number for number, op in enumerate(ops) if index in op.inputs]
    return written is not None and written <= place <= max(needed, default=written)


@pytest.mark.parametrize("seed", range(60))
def test_the_peak_is_the_largest_sum(seed: int) -> None:
    chance = random.Random(seed)
    tensors: list[TensorEntry] = []
    ops: list[OpEntry] = []

    def tensor(*, variable: bool = False, constant: bool = False) -> int:
        shape = (chance.randint(1, 50), chance.randint(1, 3))
        tensors.append(
            TensorEntry(
                name="t", shape=shape, dtype="float32", variable=variable, constant=constant
            )
        )
        return len(tensors) - 1

    inputs = [tensor() for _ in range(chance.randint(1, 2))]
    constants = [tensor(constant=True)]
    there = [*inputs, *constants, tensor(variable=True)]
    made: list[int] = []
    for _ in range(chance.randint(1, 12)):
        read = tuple(chance.choice([*there, -1]) for _ in range(chance.randint(1, 3)))
        new = tuple(tensor() for _ in range(chance.randint(1, 2)))
        ops.append(OpEntry(name="ADD", version=1, inputs=read, outputs=new))
        there += new
        made += new
    outputs = [chance.choice(made)]
    written = next(number for number, op in enumerate(ops) if outputs[0] in op.outputs)
    sums = [
        sum(
            tensors[index].elements or 0
            for index in range(len(tensors))
            if index not in constants
            and (
                index in inputs
                or (index in outputs and place >= written)
                or alive(index, place, tensors, ops)
            )
        )
        for place in range(len(ops))
    ]
    use = memory_use(tensors, ops, inputs, outputs)
    assert use.peak_fp32_bytes == 4 * max(sums)
    assert use.peak_fp16_bytes == 2 * max(sums)
    assert use.peak_op == sums.index(max(sums))
