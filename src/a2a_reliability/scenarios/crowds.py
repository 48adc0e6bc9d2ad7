"""Many at once, slow readers, silence, and messages that are sent twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from a2a_reliability import judging
from a2a_reliability.asking import Kit
from a2a_reliability.errors import Refused
from a2a_reliability.findings import (
    Check,
    Findings,
    Scenario,
    failed,
    judged,
    not_applicable,
    passed,
)
from a2a_reliability.scenarios.beginning import Joined, begun, watching
from a2a_reliability.scenarios.joining import rest

HERD = Check(
    "herd", "Many streams that join at once each tell the task, and all that follows", "3.5.2"
)
SLOW = Check(
    "slow-reader",
    "A stream whose client reads nothing until the task has ended tells all of it nevertheless",
    "3.5.2",
)
TWICE = Check(
    "same-message-runs-once",
    "A message that is sent twice, with the same messageId, begins one task",  # 3.3.1: MAY
)
ALIVE = Check("signs-of-life", "While nothing happens, the stream shows that the server is alive")
_HERD_TIME = 3
"""A herd takes its time to come: its task takes so many times as long."""
_SLOW_CHUNKS, _SLOW_SIZE = 200, 32_768
"""More than the buffers between two processes take by themselves."""


async def play_herd(kit: Kit, findings: Findings) -> None:
    """Join a task many times at once."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(begun(kit, pause=_HERD_TIME * kit.order.pause))
        await first.until(3)
        entered = await asyncio.gather(
            *(stack.enter_async_context(watching(kit.server, first)) for _ in range(kit.herd)),
            return_exceptions=True,
        )
        await first.until_over()
        joins: list[Joined] = []
        refused: list[BaseException] = []
        for one in entered:
            if isinstance(one, Joined):
                joins.append(one)
            else:
                refused.append(one)
        for join in joins:
            await join.stream.until_over()
    if refused:
        many = f"{len(refused)} of {kit.herd} streams couldn't be opened: {refused[0]}"
        findings[HERD.name] = failed(many)
    else:
        findings[HERD.name] = rest(first.told, joins)


async def play_slow(kit: Kit, findings: Findings) -> None:
    """Read nothing while much is told."""
    if not kit.order.ticks:
        findings[SLOW.name] = not_applicable("the agent doesn't tick")
        return
    reading = asyncio.Event()
    async with (
        begun(kit, chunks=_SLOW_CHUNKS, pause=kit.order.pause / 10, size=_SLOW_SIZE) as first,
        kit.server.stream("subscribe", {"id": first.task_id}, reading=reading) as slow,
    ):
        await first.until_over()
        counted = judging.counts(first.told, _SLOW_CHUNKS)
        reading.set()
        await slow.until_over()
        findings[SLOW.name] = judged(
            judging.follows(first.told, slow.told),
            judging.ends(slow.told, closed=slow.closed),
            counted,
            well=f"{slow.received / 1e6:.1f} MB",
        )


async def play_twice(kit: Kit, findings: Findings) -> None:
    """Send a message again while its task runs."""
    params = kit.order.params(kit.version, chunks=kit.order.chunks, pause=kit.order.pause)
    async with kit.server.stream("stream", params) as first:
        await first.until(3)
        try:
            async with kit.server.stream("stream", params) as again:
                same = again.task_id == first.task_id
        except Refused as error:
            findings[TWICE.name] = passed(f"the second one is refused: {error}")
            return
    findings[TWICE.name] = passed("it joins") if same else failed("it begins another task")


async def play_silence(kit: Kit, findings: Findings) -> None:
    """Wait in silence for a sign of life."""
    if not kit.idle or not kit.order.ticks:
        findings[ALIVE.name] = not_applicable("--idle gives no seconds of silence")
        return
    async with begun(kit, chunks=2, pause=kit.idle + 1) as first:
        await first.until(2)
        before = first.comments
        await asyncio.sleep(kit.idle)
        signs = first.comments - before
    within = f"{kit.idle:g} s"
    findings[ALIVE.name] = (
        passed(f"{signs} in {within}") if signs else failed(f"nothing came in {within}")
    )


SCENARIOS = (
    Scenario((HERD,), play_herd),
    Scenario((SLOW,), play_slow),
    Scenario((TWICE,), play_twice),
    Scenario((ALIVE,), play_silence),
)
