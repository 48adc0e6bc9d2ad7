"""Following several tasks over any number of connections, all of them on one at a time."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from a2a_streaming.client.answers import (
    NOT_FOUND,
    TERMINAL,
    ComeBack,
    RemoteError,
    StreamEvent,
    tagged_event_of,
)
from a2a_streaming.client.connection import ENDED_EARLY, Pause, read
from a2a_streaming.client.stream import StateOf

_log = logging.getLogger(__name__)

OpenSeveral = Callable[[Mapping[str, str]], AsyncGenerator[bytes]]
"""Opens one connection for tasks with their last positions, empty where nothing has come yet."""


async def follow_several(
    open_: OpenSeveral, state_of: StateOf, tasks: Mapping[str, str | None], patience: float
) -> AsyncGenerator[StreamEvent]:
    """Yield the events of several tasks, of each none missed, none twice, until all have ended.

    Args:
        open_: Opens one connection.
        state_of: Asks for a task's state.
        tasks: The tasks, each with the last position known; None for its beginning.
        patience: Seconds without any progress of any of them after which to give up.

    Raises:
        RemoteError: The agent refuses.
        AgentUnreachable: Something other than an agent answers.
        StreamLost: The patience is over.
    """
    pause = Pause(patience)
    left = {task: position or "" for task, position in tasks.items()}
    over = False  # whether all that are left had ended before the last connection was opened
    refused = False
    while left:
        silent = True
        retry_after = 0.0
        try:
            if refused:
                await _leave_out_gone(state_of, left)
                refused = False
                continue
            async with (
                aclosing(open_(left)) as chunks,
                aclosing(read(chunks, pause, tagged_event_of, linger=None)) as events,
            ):
                async for event in events:
                    silent = over = False
                    _take(left, event)
                    yield event
                    if not left:
                        return
            if silent and over:
                return
            over = silent and await _all_ended(state_of, left)
            if over:
                continue  # what they may still have to tell, the next connection brings
            reason = ENDED_EARLY
        except RemoteError as error:
            if error.code != NOT_FOUND or not pause.progressed:
                raise
            reason, refused = str(error), True  # it knew them all before: one has been forgotten
        except ComeBack as error:
            reason, retry_after = str(error), error.after
        await pause.wait(", ".join(left), "", reason, retry_after)


def _take(left: dict[str, str], event: StreamEvent) -> None:
    """Note how far a task has been told."""
    if event.final:
        left.pop(event.task, None)
    elif event.task in left:
        left[event.task] = event.position


async def _all_ended(state_of: StateOf, left: Mapping[str, str]) -> bool:
    """Say whether nothing can follow, of any task, on what has been seen of it."""
    for task, position in left.items():
        if not position or await _state(state_of, task) not in (None, *TERMINAL):
            return False
    return True


async def _leave_out_gone(state_of: StateOf, left: dict[str, str]) -> None:
    for task in list(left):
        if await _state(state_of, task) is None:
            _log.info("task %s is gone; the others are followed on", task)
            del left[task]


async def _state(state_of: StateOf, task: str) -> str | None:
    """Return a task's state; None if there is no such task any more."""
    try:
        return await state_of(task)
    except RemoteError as error:
        if error.code != NOT_FOUND:
            raise
        return None
