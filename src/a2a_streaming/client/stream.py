"""Following a task over any number of connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from a2a_streaming.client.answers import TERMINAL, ComeBack, StreamEvent, event_of
from a2a_streaming.client.connection import ENDED_EARLY, Pause, answers, read
from a2a_streaming.task import Json

Open = Callable[[Json | None, str], AsyncGenerator[bytes]]
"""Opens one connection: it sends the message, or resubscribes after the position if that is None. Raises as
`read` does."""
StateOf = Callable[[str], Awaitable[str]]
"""Asks for a task's state; raises as `read` does."""


async def follow(
    open_: Open,
    state_of: StateOf,
    task_id: str,
    message: Json | None,
    after: str | None,
    patience: float,
) -> AsyncGenerator[StreamEvent]:
    """Yield a task's events, none missed, none twice.

    Args:
        open_: Opens one connection.
        state_of: Asks for the task's state.
        task_id: The task.
        message: The parameters of the message to send first; None to resubscribe.
        after: The last position known; None for the task's beginning.
        patience: Seconds without any progress after which to give up.

    Raises:
        RemoteError: The agent refuses.
        AgentUnreachable: Something other than an agent answers.
        StreamLost: The patience is over.
    """
    pause = Pause(patience)
    position = after or ""
    unanswered = message is not None and after is not None
    over = False  # whether the task had ended before the last connection was opened
    last: StreamEvent | None = None
    while True:
        silent = message is None and position != ""
        lost = unanswered  # whether a follow-up may be on its way, and must not be sent again
        retry_after = 0.0
        try:
            async with (
                aclosing(open_(message, position)) as chunks,
                aclosing(
                    read(chunks, pause, lambda m: event_of(m, task_id), unanswered=unanswered)
                ) as events,
            ):
                async for event in events:
                    position = event.position or position
                    message, last, silent, over = None, event, False, False
                    unanswered = unanswered and not answers(event)
                    yield event
            if silent and over:
                return
            # Nothing came after a position: all was told before, or it is a cut. An ended task has
            # nothing more to tell than what the next connection brings.
            over = silent and await state_of(task_id) in TERMINAL
            if over:
                continue
            reason = ENDED_EARLY
        except ComeBack as error:
            reason, retry_after = str(error), error.after
            lost = lost and error.sent
        if last is not None and last.final:
            return
        if lost:
            message = None  # it may have arrived: look for what it brought about
        await pause.wait(task_id, position, reason, retry_after)
