"""What ends a task, and what is refused then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from a2a_reliability import judging
from a2a_reliability.asking import Kit
from a2a_reliability.errors import Refused
from a2a_reliability.events import Json, Snapshot, StatusTold
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
from a2a_reliability.scenarios.beginning import begun, watching

CANCEL = Check(
    "cancel-ends-every-stream",
    "CancelTask while streams are open: each is told of it once and closes, and GetTask agrees",
    "3.1.5, 3.5.2",
)
SUBSCRIBE = Check(
    "ended-task-refuses-subscribers",
    "SubscribeToTask on a task that has ended is refused with UnsupportedOperationError",
    "3.1.6, 9.4.6",
)
SEND = Check(
    "ended-task-refuses-messages",
    "A message to a task that has ended is refused with UnsupportedOperationError",
    "3.1.2",
)
CANCEL_ENDED = Check(
    "ended-task-refuses-canceling",
    "CancelTask on a task that has completed is refused with TaskNotCancelableError",
    "3.1.5",
)
UNKNOWN = Check(
    "unknown-task",
    "GetTask, SubscribeToTask and CancelTask on a task that isn't there: TaskNotFoundError",
    "3.1.3, 3.1.5, 3.1.6",
)


async def play_cancel(kit: Kit, findings: Findings) -> None:
    """Cancel a task that two streams tell of."""
    async with begun(kit) as first:
        await first.until(2)
        async with watching(kit.server, first) as other:
            await first.until(4)
            try:
                answered = await kit.server.cancel(first.task_id)
            except Refused as error:
                if error.name in {"TaskNotCancelable", "UnsupportedOperation"}:
                    findings[CANCEL.name] = not_applicable(f"the agent can't be canceled: {error}")
                    return
                raise
            faults: list[judging.Fault | None] = []
            for stream in (first, other.stream):
                await stream.until_over()
                faults += [
                    _canceled(stream.told),
                    judging.ends(stream.told, closed=stream.closed),
                ]
            faults.append(judging.follows(first.told, other.stream.told))
            task = await kit.server.get(first.task_id)
            faults += [_canceled([answered]), judging.comes_to(first.told, task)]
            findings[CANCEL.name] = judged(*faults)


def _canceled(told: judging.Story) -> judging.Fault | None:
    states = [one.state for one in told if isinstance(one, Snapshot | StatusTold)]
    if states and states[-1] == "canceled":
        return None
    return judging.Fault("end", "the task doesn't end as canceled", (f"states: {states}",))


async def play_ended(kit: Kit, findings: Findings) -> None:
    """Ask a task for things after its end."""
    async with begun(kit, chunks=2, pause=0) as first:
        await first.until_over()
    task: Json = {"id": first.task_id}
    again = kit.order.params(kit.version, chunks=2, pause=0)
    again["message"]["taskId"] = first.task_id

    async def cancel() -> None:
        await kit.server.cancel(first.task_id)

    findings[CANCEL_ENDED.name] = await _refused("TaskNotCancelable", cancel)
    if kit.version == "0.3":
        silent = not_applicable("0.3 doesn't say")
        findings.update({SUBSCRIBE.name: silent, SEND.name: silent})
        return
    findings[SUBSCRIBE.name] = await _refused(
        "UnsupportedOperation", _reading(kit, "subscribe", task)
    )
    findings[SEND.name] = await _refused("UnsupportedOperation", _reading(kit, "stream", again))


async def play_unknown(kit: Kit, findings: Findings) -> None:
    """Ask for a task that isn't there."""
    nobody: Json = {"id": "00000000-0000-4000-8000-000000000000"}

    async def get() -> None:
        await kit.server.get(nobody["id"])

    async def cancel() -> None:
        await kit.server.cancel(nobody["id"])

    found = [
        await _refused("TaskNotFound", ask)
        for ask in (get, cancel, _reading(kit, "subscribe", nobody))
    ]
    findings[UNKNOWN.name] = next((one for one in found if one.result == "failed"), found[0])


def _reading(kit: Kit, operation: str, params: Json) -> Callable[[], Awaitable[None]]:
    async def read() -> None:
        asked = "subscribe" if operation == "subscribe" else "stream"
        async with kit.server.stream(asked, params) as stream:
            await stream.until_over()

    return read


async def _refused(name: str, ask: Callable[[], Awaitable[None]]) -> Finding:
    try:
        await ask()
    except Refused as error:
        return (
            passed() if error.name == name else failed(f"refused otherwise than by {name}: {error}")
        )
    return failed(f"it isn't refused; {name} was expected")


SCENARIOS = (
    Scenario((CANCEL,), play_cancel),
    Scenario((SUBSCRIBE, SEND, CANCEL_ENDED), play_ended),
    Scenario((UNKNOWN,), play_unknown),
)
