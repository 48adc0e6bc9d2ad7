"""Streams that join a task while it runs: at several moments, side by side, and at other addresses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from a2a_reliability import judging
from a2a_reliability.asking import Kit
from a2a_reliability.connection import Server
from a2a_reliability.events import Snapshot
from a2a_reliability.findings import (
    Check,
    Finding,
    Findings,
    Scenario,
    failed,
    judged,
    not_applicable,
)
from a2a_reliability.scenarios.beginning import Joined, begun, watching

CURRENT = Check(
    "subscribe-tells-the-task",
    "SubscribeToTask tells the task first, as it stands, with all that was told before",
    "3.1.6",
)
REST = Check(
    "subscribe-tells-the-rest",
    "Then it tells all that follows: no gap, nothing twice, and it closes at the end",
    "3.1.6, 3.5.2",
)
TOGETHER = Check(
    "streams-agree", "Streams of one task tell the same events in the same order", "3.5.2"
)
ELSEWHERE = Check(
    "other-address-agrees",
    "Another address of the same agent (--also) tells the task, and all that follows, too",
    "3.1.6, 3.5.2",
)
_JOINS = 4


async def play(kit: Kit, findings: Findings) -> None:
    """Join a task at several moments."""
    joins, told = await _joined(kit, [kit.server] * _JOINS)
    findings[CURRENT.name] = current(kit, told, joins)
    findings[REST.name] = rest(told, joins)


async def play_together(kit: Kit, findings: Findings) -> None:
    """Have three streams at once."""
    async with (
        begun(kit) as first,
        watching(kit.server, first) as one,
        watching(kit.server, first) as two,
    ):
        for stream in (first, one.stream, two.stream):
            await stream.until_over()
        findings[TOGETHER.name] = rest(first.told, [one, two])


async def play_elsewhere(kit: Kit, findings: Findings) -> None:
    """Join a task at other addresses."""
    if not kit.others:
        findings[ELSEWHERE.name] = not_applicable("no other address is given (--also)")
        return
    joins, told = await _joined(kit, [other for other in kit.others for _ in range(2)])
    found = [current(kit, told, joins), rest(told, joins)]
    findings[ELSEWHERE.name] = next((one for one in found if one.result == "failed"), found[-1])


async def _joined(kit: Kit, servers: Sequence[Server]) -> tuple[list[Joined], judging.Story]:
    """Join one task at these servers, one after the other; return the joins, and what the first stream told."""
    joins: list[Joined] = []
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(begun(kit))
        for number, server in enumerate(servers):
            await first.until(2 + number * kit.order.chunks // (len(servers) + 1))
            if first.over:
                break
            joins.append(await stack.enter_async_context(watching(server, first)))
        for stream in (first, *(one.stream for one in joins)):
            await stream.until_over()
        return joins, first.told


def current(kit: Kit, told: judging.Story, joins: Sequence[Joined]) -> Finding:
    """Judge the first events of streams that joined."""
    faults: list[judging.Fault | None] = []
    for join in joins:
        event = join.stream.told[0] if join.stream.frames else None
        if isinstance(event, Snapshot):
            faults.append(judging.is_current(told, event, join.seen))
        elif kit.version == "0.3":
            return not_applicable("0.3 doesn't ask for the task")
        else:
            faults.append(judging.begins(join.stream.told))
    return judged(*faults, well=f"{len(joins)} streams") if joins else _too_short()


def rest(told: judging.Story, joins: Sequence[Joined]) -> Finding:
    """Judge what streams that joined were told, from their first event to the end."""
    faults = [
        fault
        for join in joins
        for fault in (
            judging.follows(told, join.stream.told),
            judging.ends(join.stream.told, closed=join.stream.closed),
        )
    ]
    return judged(*faults, well=f"{len(joins)} streams") if joins else _too_short()


def _too_short() -> Finding:
    return failed("the task ended before anybody could join; ask for a longer one")


SCENARIOS = (
    Scenario((CURRENT, REST), play),
    Scenario((TOGETHER,), play_together),
    Scenario((ELSEWHERE,), play_elsewhere),
)
