"""A short fault run; `make chaos` runs long ones."""

from __future__ import annotations

import pytest

from chaos.cell import Size
from chaos.deaf import latencies
from chaos.mutants import MUTANTS, SOURCE, Mutant
from chaos.rounds import fault_run


@pytest.mark.timeout(180)  # it starts a handful of processes, on whatever machine
async def test_nothing_that_must_hold_breaks_whatever_else_does() -> None:
    report = await fault_run(
        "short run", 2, faults=25, seconds=12, size=Size.small(lease=2.0), pace=150
    )
    print(report.as_text())
    assert not report.findings
    assert report.deliveries > 1000


@pytest.mark.parametrize("deaf", [False, True])
async def test_events_arrive_even_if_pubsub_never_delivers_one(deaf: bool) -> None:
    measured = await latencies(20, deaf=deaf, pause=0.01)
    assert len(measured) == 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_bug_has_its_place(mutant: Mutant) -> None:
    for edit in mutant.edits:
        text = (SOURCE / "a2a_streaming" / edit.file).read_text()
        assert text.count(edit.right) == 1
