"""Frames of the first dialect: events and resets as they go over a stream."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from a2a_streaming import sse
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.task import Json
from a2a_streaming.wire import jsonrpc, legacy
from a2a_streaming.wire.jsonrpc import RequestId


class LegacyFrames:
    """Makes the frames of one task in one stream.

    Args:
        task_id: The task, if the stream tells of several: its positions are then `<task>@<position>`.
        envelope: The request's id, if each event goes in a JSON-RPC response of its own, in a tuple;
            None for bare events.
    """

    def __init__(
        self, *, task_id: str | None = None, envelope: tuple[RequestId] | None = None
    ) -> None:
        self._tag = f"{task_id}@".encode() if task_id is not None else b""
        self._heads = {
            kind: sse.head(event=kind.encode(), tag=self._tag) for kind in ("status", "artifact")
        }
        self._enveloped = envelope is not None
        self.mark = jsonrpc.mark(envelope[0]) if envelope else b""
        """What stands between the pieces of an event's frame."""
        self.joins = True
        """Frames that follow one another are a stream's bytes."""

    @property
    def key(self) -> Hashable:
        """What the pieces depend on beside the events."""
        return self._tag, self._enveloped

    def event(self, event: Event, final: bool) -> Sequence[bytes]:
        """Return an event's frame, in pieces.

        Args:
            event: The event.
            final: Whether the stream ends with it.
        """
        kind, told = legacy.tell_event(event, final=final)
        return self._frame(kind, told, event.position)

    def reset(self, task: Json, reason: str | None, position: Position) -> bytes:
        """Return a reset's frame.

        Args:
            task: The task as it is now (A2A 1.0 JSON).
            reason: Why the watcher's position can't be continued.
            position: The last event that is in the task.
        """
        told = legacy.tell_reset(task, reason or "")
        return self.mark.join(self._frame("status", told, position))

    def _frame(self, kind: str, told: bytes, position: Position) -> Sequence[bytes]:
        if self._enveloped:
            return sse.json_frame(self._heads[kind], position, *jsonrpc.enveloped(told))
        return sse.json_frame(self._heads[kind], position, told)
