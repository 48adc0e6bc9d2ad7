"""Frames of the stream that pages read: events of any tasks in 1.0, resets, what is gone, and topics."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import orjson

from a2a_streaming import sse
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.task import Json
from a2a_streaming.wire.modern import tell_task


class PageFrames:
    """Makes the frames of one task; their ids are `<task>@<position>`.

    Args:
        task_id: The task, by the id that the page knows it by.
    """

    def __init__(self, task_id: str) -> None:
        # The id is the only thing in a frame that is this watcher's own: the rest is shared by all pages.
        self.mark = f"{task_id}@".encode()
        """What stands between the pieces of an event's frame."""
        self.joins = True
        """Frames that follow one another are a stream's bytes."""

    @property
    def key(self) -> Hashable:
        """What the pieces depend on beside the events."""
        return "page"

    def event(self, event: Event, final: bool) -> Sequence[bytes]:  # noqa: ARG002 - the state says it
        """Return an event's frame, in pieces: 1.0's JSON, as the log has it."""
        epoch, offset = event.position
        head = b"event: %b\nid: " % event.kind.encode()
        return head, b"%d-%d\ndata: %b\n\n" % (epoch, offset, event.data)

    def reset(self, task: Json, reason: str | None, position: Position) -> bytes:
        """Return the frame of a task as it is now.

        Args:
            task: The task (A2A 1.0 JSON).
            reason: Why the page's position can't be continued; None if it asked to begin so.
            position: The last event that is in the task.
        """
        told = orjson.dumps({"reason": reason, "task": tell_task(task)})
        return sse.frame(told, event="reset", id=f"{self.mark.decode()}{position}")


def gone(task_id: str) -> bytes:
    """Return the frame that says that a task isn't there, or isn't the caller's."""
    return sse.frame(orjson.dumps({"task": task_id}), event="gone")


def topic(name: str, version: str, said: Json) -> bytes:
    """Return the frame that says how a topic stands."""
    return sse.frame(orjson.dumps({"version": version, "data": said}), event=name)
