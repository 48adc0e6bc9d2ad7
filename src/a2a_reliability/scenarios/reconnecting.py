"""Connections that break, and clients that come back."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack

from a2a_reliability import judging
from a2a_reliability.asking import Kit
from a2a_reliability.connection import Stream
from a2a_reliability.errors import Refused
from a2a_reliability.events import Snapshot
from a2a_reliability.findings import (
    Check,
    Findings,
    Scenario,
    failed,
    judged,
    not_applicable,
)
from a2a_reliability.scenarios.beginning import begun, watching

CUT = Check(
    "cut-anywhere",
    "Streams that are cut after any byte and opened again tell the task, and what follows, each time",
    "3.1.6, 3.5.2",
)
LEAVING = Check(
    "leaving-changes-nothing",
    "The client that began a task closes its stream: the task goes on, and other streams see all of it",
    "3.5.2",
)
POSITION = Check(
    "resume-by-position", "With Last-Event-ID a stream goes on exactly after that event"
)
AFTER = Check(
    "resume-after-the-end", "With Last-Event-ID the rest of a task that has ended is told, too"
)
_LEFT = 3
"""After how many events the first client leaves."""


async def play_cut(kit: Kit, findings: Findings) -> None:
    """Cut a task's streams after some bytes, again and again, until it ends."""
    stories: list[tuple[int, Stream]] = []
    async with begun(kit) as first:
        await first.until(2)
        task = {"id": first.task_id}
        try:
            while not first.over:
                seen, cut = len(first.frames), kit.random.randint(1, 2000)
                async with kit.server.stream("subscribe", task, cut=cut) as stream:
                    stories.append((seen, stream))
                    await stream.until_over()
        except Refused as error:
            if error.name != "UnsupportedOperation":  # else it has ended meanwhile
                raise
        await first.until_over()
    faults: list[judging.Fault | None] = []
    for seen, stream in stories:
        told = stream.told
        if told and isinstance(told[0], Snapshot):
            faults.append(judging.is_current(first.told, told[0], seen))
        faults.append(judging.follows(first.told, told, whole=stream.closed))
    findings[CUT.name] = judged(*faults, well=f"cut {len(stories)} times")


async def play_leaving(kit: Kit, findings: Findings) -> None:
    """Leave the task that one has begun, while another watches."""
    async with AsyncExitStack() as leaving:
        first = await leaving.enter_async_context(begun(kit))
        await first.until(2)
        async with watching(kit.server, first) as other:
            await first.until(_LEFT)
            await leaving.aclose()
            await other.stream.until_over()
            told = other.stream.told
            task = await kit.server.get(first.task_id)
            findings[LEAVING.name] = judged(
                judging.ends(told, closed=other.stream.closed),
                judging.comes_to(told, task),
                judging.ticked(task, kit.order.chunks) if kit.order.ticks else None,
            )


async def play_positions(kit: Kit, findings: Findings) -> None:
    """Go on after several of a task's events."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(begun(kit))
        if not first.frames[0].id:
            findings.update(dict.fromkeys((POSITION.name, AFTER.name), _NO_IDS))
            return
        resumed: list[tuple[int, Stream]] = []
        for read in (1, 3, 3 + kit.order.chunks // 2):
            await first.until(read)
            if not first.over:
                resumed.append((read, await stack.enter_async_context(_after(kit, first, read))))
        for stream in (first, *(stream for _, stream in resumed)):
            await stream.until_over()
        faults = [
            judging.continues(first.told[n:], stream.told, known=first.told)
            for n, stream in resumed
        ]
        findings[POSITION.name] = judged(*faults, well=f"{len(resumed)} streams")
        middle = len(first.frames) // 2
        try:
            late = await stack.enter_async_context(_after(kit, first, middle))
            await late.until_over()
        except Refused as error:
            findings[AFTER.name] = failed(str(error))
        else:
            findings[AFTER.name] = judged(judging.continues(first.told[middle:], late.told))


def _after(kit: Kit, first: Stream, read: int) -> AbstractAsyncContextManager[Stream]:
    params = {"id": first.task_id}
    return kit.server.stream("subscribe", params, after=first.frames[read - 1].id)


_NO_IDS = not_applicable("the server gives its events no ids")
SCENARIOS = (
    Scenario((CUT,), play_cut),
    Scenario((LEAVING,), play_leaving),
    Scenario((POSITION, AFTER), play_positions),
)
