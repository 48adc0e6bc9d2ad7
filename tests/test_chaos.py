"""Short fault runs; `make chaos` runs long ones."""

from __future__ import annotations

import pytest

from chaos.deaf import latencies
from chaos.mutants import MUTANTS, SOURCE, Mutant
from chaos.streams import stream_run


@pytest.mark.parametrize("seed", [3, 8, 21])
async def test_every_watcher_sees_one_story_whatever_breaks(seed: int) -> None:
    report = await stream_run(seed, faults=45, seconds=40)
    print("\n".join(report.timeline))
    assert report.violations == []
    assert report.deliveries > 100


@pytest.mark.parametrize("deaf", [False, True])
async def test_events_arrive_even_if_pubsub_never_delivers_one(deaf: bool) -> None:
    measured = await latencies(20, deaf=deaf, pause=0.01)
    assert len(measured) == 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_bug_has_its_place(mutant: Mutant) -> None:
    text = (SOURCE / "a2a_streaming" / mutant.file).read_text()
    assert text.count(mutant.right) == 1
