"""Where the streams of 1.0 and 0.3 begin and end, whatever transport carries them."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_streaming.caller import Caller
from a2a_streaming.errors import TaskNotFound, UnsupportedOperation
from a2a_streaming.reading import Frames, TaskReader, read_position
from a2a_streaming.sending import Sent
from a2a_streaming.service import TaskService
from a2a_streaming.session import StreamSession
from a2a_streaming.task import answered_by_message, state_of
from a2a_streaming.wire.dialects import Dialect


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream that is about to be read.

    Args:
        session: The session; `read` enters it.
        turn: The id of the message with which the story begins; None to begin with what comes first.
        to_the_end: Whether a turn's end is not the stream's end.
        held: Whether the task's first event waits for the second one, which may be a message alone.
    """

    session: StreamSession
    turn: str | None = None
    to_the_end: bool = False
    held: bool = False

    async def read(self, frames: Frames) -> TaskReader:
        """Enter the session, and return what reads it; the caller closes it.

        Args:
            frames: Makes the frames.
        """
        await self.session.__aenter__()
        return TaskReader(
            self.session,
            frames=frames,
            turn=self.turn,
            to_the_end=self.to_the_end,
            held=self.held,
        )


class Openings:
    """Opens streams for one request.

    Args:
        service: The agent's tasks.
        dialect: The dialect that the request came in.
        caller: Who asks.
    """

    def __init__(self, service: TaskService, dialect: Dialect, caller: Caller) -> None:
        self._service = service
        self._dialect = dialect
        self._caller = caller

    def of_turn(self, sent: Sent, position: str | None) -> Opening:
        """Open the stream of a message that was just sent, to its turn's end.

        Args:
            sent: What became of the message.
            position: What its sender has seen of the task, as in `Last-Event-ID`.
        """
        after, malformed = read_position(position)
        follows = sent.turn is not None and after is None and not malformed
        session = self._service.watch_stored(
            sent.task_id, after=after, malformed=malformed, from_snapshot=follows
        )
        return Opening(
            session,
            sent.turn if follows else None,
            held=self._service.may_answer_with_message,
        )

    async def of_task(self, task_id: str, position: str | None) -> Opening:
        """Open the stream of a task that there is.

        Args:
            task_id: The task.
            position: What the watcher has seen of it, as in `Last-Event-ID`.

        Raises:
            TaskNotFound: There is no such task of this caller and agent.
            UnsupportedOperation: It has ended, which 1.0 doesn't stream (specification 1.0, section 3.1.6).
            Unavailable: Redis is away.
        """
        after, malformed = read_position(position)
        fresh = after is None and not malformed
        v1 = self._dialect is Dialect.V1
        session = await self._service.watch(
            task_id, caller=self._caller, after=after, malformed=malformed, from_snapshot=fresh
        )
        if (fresh and v1) or self._service.may_answer_with_message:
            snapshot = await self._service.standing(session, task_id)
            if answered_by_message(snapshot.task):
                raise TaskNotFound(task_id)
            session.begin_with(snapshot)
            if fresh and v1 and state_of(snapshot.task).terminal:
                raise UnsupportedOperation(
                    f"Task {task_id!r} has ended; there is nothing to subscribe to. Get it instead, or send "
                    "Last-Event-ID for what you have missed."
                )
        return Opening(session, to_the_end=v1)
