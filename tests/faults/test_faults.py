"""No step of a run, met by any fault, hangs, loses a result or gives a wrong number."""

import pytest

from tests.faults import document
from tests.faults.cell import Cell
from tests.faults.pool import names, run_cells
from tests.faults.steps import FAULTS
from tests.rig import require_rig

Cells = dict[tuple[str, str], Cell]


@pytest.fixture(scope="session")
def cells(request: pytest.FixtureRequest) -> Cells:
    """The cells that tests of this session look at, run side by side."""
    require_rig()
    wanted: list[tuple[str, str]] = [
        item.callspec.params["at"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        if item.originalname == test_a_step_meets_a_fault.__name__
    ]
    return run_cells(wanted)


def nearby_outcomes(step: str, kind: str) -> set[str]:
    """Outcomes that the document has for this fault at this step, or at one beside it.

    Packets are cut where the device likes: a fault may meet what comes just before or after,
    or a packet without the byte that was to be flipped, and then nothing has happened. That all
    numbers are right is asked of every outcome.
    """
    told = document.read()
    steps = list(dict.fromkeys(name for name, _ in told))
    place = steps.index(step)
    near = steps[max(0, place - 1) : place + 2]
    return {"ok"}.union(*(document.allowed(told, name, kind) for name in near))


@pytest.mark.parametrize("at", names(), ids="-".join)
def test_a_step_meets_a_fault(cells: Cells, at: tuple[str, str]) -> None:
    cell = cells[at]
    wrong = (*cell.problems, *cell.slow)
    assert not wrong, "\n".join((*wrong, f"outcome: {cell.outcome}", cell.message))
    expected = nearby_outcomes(*at)
    assert document.outcome_class(cell.outcome) in expected, (
        f"{cell.outcome} ({cell.message}); when that is right, run `python -m tests.faults`"
    )


def test_the_document_lists_every_cell() -> None:
    assert list(document.read()) == [(name, kind) for name in document.STEPS for kind in FAULTS]
    assert len(names()) == len(set(names())) >= 120
    assert document.PATH.read_text(encoding="utf-8").startswith(document.HEAD)
