"""One task from its start to its end, as its first stream tells it."""

from __future__ import annotations

import asyncio

from a2a_reliability import judging
from a2a_reliability.asking import Kit
from a2a_reliability.connection import Stream
from a2a_reliability.errors import KitError
from a2a_reliability.events import Snapshot
from a2a_reliability.findings import Check, Findings, Scenario, failed, judged, not_applicable
from a2a_reliability.scenarios.beginning import begun

FIRST = Check(
    "begins-with-the-task",
    "A message's stream begins with the task, and only updates of it follow",
    "3.1.2",
)
ORDER = Check("in-order", "Every chunk comes once, in order", "3.5.2")
END = Check("ends-once", "One terminal state, nothing after it, and the stream closes", "3.1.2")
FOLD = Check(
    "comes-to-the-task", "What the stream told comes to what GetTask tells at the end", "3.1.3, 4.2"
)
MEANWHILE = Check(
    "get-task-is-current",
    "GetTask, asked while the stream runs, tells the task as it stands, with all that was told before",
    "3.1.3",
)


async def play(kit: Kit, findings: Findings) -> None:
    """Read one stream to its end, and ask for the task meanwhile."""
    asked: list[tuple[int, Snapshot]] = []
    async with begun(kit) as stream:
        findings[FIRST.name] = judged(judging.begins(stream.told))
        asking = asyncio.create_task(_ask(kit, stream, asked))
        try:
            await stream.until_over()
        finally:
            asking.cancel()
            [stopped] = await asyncio.gather(asking, return_exceptions=True)
        told = stream.told
        findings[FIRST.name] = judged(judging.begins(told))
        findings[ORDER.name] = (
            judged(judging.counts(told, kit.order.chunks), well=f"{len(told)} events")
            if kit.order.ticks
            else not_applicable("the agent doesn't tick")
        )
        findings[END.name] = judged(judging.ends(told, closed=stream.closed))
        findings[FOLD.name] = judged(judging.comes_to(told, await kit.server.get(stream.task_id)))
    if isinstance(stopped, KitError):
        findings[MEANWHILE.name] = failed(str(stopped))
    else:
        faults = [judging.is_current(told, task, seen) for seen, task in asked]
        findings[MEANWHILE.name] = judged(*faults, well=f"asked {len(asked)} times")


async def _ask(kit: Kit, stream: Stream, asked: list[tuple[int, Snapshot]]) -> None:
    while True:
        seen = len(stream.frames)
        asked.append((seen, await kit.server.get(stream.task_id)))
        await asyncio.sleep(kit.order.pause / 2)


SCENARIOS = (Scenario((FIRST, ORDER, END, FOLD, MEANWHILE), play),)
