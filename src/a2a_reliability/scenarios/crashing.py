"""The server is killed in mid-stream, by the user's command, and started anew.

The specification says nothing of it: what is found here informs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from a2a_reliability import judging
from a2a_reliability.asking import Crash, Kit
from a2a_reliability.connection import Frame, Stream
from a2a_reliability.errors import KitError, Refused
from a2a_reliability.events import TERMINAL, Snapshot, described
from a2a_reliability.findings import (
    Check,
    Finding,
    Findings,
    Scenario,
    failed,
    judged,
    not_applicable,
    passed,
)
from a2a_reliability.fold import states, ticks
from a2a_reliability.scenarios.beginning import begun, watching

KEPT = Check("crash-keeps-the-task", "After a crash and a restart GetTask finds the task")
ENDS = Check("crash-task-ends", "Within the bound the task reaches a terminal state")
WHOLE = Check(
    "crash-work-is-whole", "The task completes, and what it made has each chunk once, in order"
)
REST = Check(
    "crash-subscribe-tells-the-rest",
    "SubscribeToTask after the restart tells the task and the rest, to its end",
)
POSITION = Check(
    "crash-resume-by-position",
    "With Last-Event-ID from before the crash, what was told before and after comes to the task",
)
ELSEWHERE = Check(
    "crash-other-address-goes-on",
    "A stream at another address (--also) outlives the crash, and tells the task to its end",
)
CHECKS = (KEPT, ENDS, WHOLE, REST, POSITION, ELSEWHERE)


async def play(kit: Kit, findings: Findings) -> None:
    """Kill the server in mid-stream, start it, and see what is left."""
    if kit.crash is None:
        nobody = not_applicable("no --crash-command is given")
        findings.update({check.name: nobody for check in CHECKS})
        return
    crash = kit.crash
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(begun(kit))
        await first.until(2 + kit.order.chunks // 3)
        other: Stream | None = None
        if kit.others:
            join = await stack.enter_async_context(watching(kit.others[0], first))
            other = join.stream
        await crash.kill()
        told = list(first.frames)
        await crash.start()
        await kit.server.until_up(crash.bound)
        try:
            await kit.server.get(first.task_id)
        except Refused as error:
            findings[KEPT.name] = failed(str(error))
            lost = not_applicable("the task is lost")
            findings.update({check.name: lost for check in CHECKS[1:]})
            return
        findings[KEPT.name] = passed()
        after = told[-1].id
        joining = _followed(kit, crash, first, "")
        resuming = _followed(kit, crash, first, after) if after else _nothing()
        joined, resumed, ended = await asyncio.gather(joining, resuming, _ended(kit, crash, first))
        if isinstance(ended, Finding):
            findings[ENDS.name] = ended
            endless = failed("the task doesn't end")
            findings.update({check.name: endless for check in (WHOLE, REST)})
            findings[POSITION.name] = endless if after else _NO_IDS
            findings[ELSEWHERE.name] = endless if other else _NO_OTHER
            return
        findings[ENDS.name] = passed(f"as {ended.state}")
        findings[WHOLE.name] = _whole(kit, ended)
        findings[REST.name] = _rest(joined, ended)
        findings[POSITION.name] = _resumed(told, resumed, ended) if after else _NO_IDS
        findings[ELSEWHERE.name] = await _elsewhere(crash, other, ended)


async def _followed(kit: Kit, crash: Crash, first: Stream, after: str) -> Stream | KitError:
    """Read a task's stream to its end; or what was in the way."""
    params = {"id": first.task_id}
    try:
        async with kit.server.stream("subscribe", params, after=after) as stream:
            await stream.until_over(crash.bound)
            return stream
    except KitError as error:
        return error


async def _nothing() -> None:
    """Stand for a stream that can't be asked for."""


async def _ended(kit: Kit, crash: Crash, first: Stream) -> Snapshot | Finding:
    """Wait for the task's end."""
    try:
        async with asyncio.timeout(crash.bound):
            while (task := await kit.server.get(first.task_id)).state not in TERMINAL:  # noqa: ASYNC110 - a server tells GetTask's callers nothing by itself
                await asyncio.sleep(0.1)
    except TimeoutError:
        task = await kit.server.get(first.task_id)
        return failed(f"after {crash.bound:g} s it is {task.state}, with ticks {ticks(task)}")
    return task


def _whole(kit: Kit, task: Snapshot) -> Finding:
    if task.state != "completed":
        return failed(f"the task ends as {task.state} ({task.words or 'no words'})")
    if not kit.order.ticks:
        return not_applicable("the agent doesn't tick")
    return judged(judging.ticked(task, kit.order.chunks))


def _rest(joined: Stream | KitError, task: Snapshot) -> Finding:
    match joined:
        case Refused(name="UnsupportedOperation"):
            return not_applicable("the task had ended before anybody could subscribe")
        case KitError():
            return failed(str(joined))
        case _:
            told = joined.told
            anew = any(isinstance(one, Snapshot) for one in told[1:])
            return judged(
                judging.ends(told, closed=joined.closed),
                judging.comes_to(told, task),
                well="with a whole task in between" if anew else "",
            )


def _resumed(before: Sequence[Frame], resumed: Stream | KitError | None, task: Snapshot) -> Finding:
    known = states([one.event for one in before])
    if isinstance(resumed, KitError) or resumed is None or not known:
        return failed(str(resumed))
    again = [one for one in resumed.frames if one.id in {frame.id for frame in before}]
    if again:
        seen = [f"{one.id}: {described(one.event)}" for one in again[:3]]
        return failed(f"double: {len(again)} events are told again", *seen)
    return judged(
        judging.ends(resumed.told, closed=resumed.closed),
        judging.amounts_to(known[-1], resumed.told, task),
    )


async def _elsewhere(crash: Crash, other: Stream | None, task: Snapshot) -> Finding:
    if other is None:
        return _NO_OTHER
    try:
        await other.until_over(crash.bound)
    except KitError as error:
        return failed(f"the stream there doesn't end: {error}")
    return judged(judging.ends(other.told, closed=other.closed), judging.comes_to(other.told, task))


_NO_IDS = not_applicable("the server gives its events no ids")
_NO_OTHER = not_applicable("no other address is given (--also)")
SCENARIOS = (Scenario(CHECKS, play),)
