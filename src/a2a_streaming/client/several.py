"""Following several tasks over any number of connections, all of them on one at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing

import httpx2

from a2a_streaming.client.answers import (
    NOT_FOUND,
    TERMINAL,
    ComeBack,
    RemoteError,
    StreamEvent,
    tagged_event_of,
)
from a2a_streaming.client.connection import ENDED_EARLY, Pause, read, reason_of
from a2a_streaming.client.stream import StateOf

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
    known = False  # whether the server knew all the tasks, once
    over = False  # whether all that are left had ended before the last connection was opened
    while left:
        silent = True
        retry_after = 0.0
        try:
            async with (
                aclosing(open_(left)) as chunks,
                aclosing(read(chunks, pause, tagged_event_of)) as events,
            ):
                async for event in events:
                    known, silent, over = True, False, False
                    left[event.task] = event.position
                    if event.final:
                        del left[event.task]
                    yield event
                    if not left:
                        return
            known = True
            if silent and over:
                return
            over = silent and await _all_ended(state_of, left)
            if over:
                continue  # they have nothing more to tell than what the next connection brings
            reason = ENDED_EARLY
        except RemoteError as error:
            gone = await _gone(state_of, left) if known and error.code == NOT_FOUND else ()
            if not gone:
                raise
            ...
        except ComeBack as error:
            reason, retry_after = str(error), error.after
        except (httpx2.RequestError, TimeoutError) as error:
            reason = reason_of(error)
        await pause.wait(", ".join(left), "", reason, retry_after)
