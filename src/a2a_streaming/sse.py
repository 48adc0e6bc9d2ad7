"""Server-Sent Events: frames out, and a decoder for frames in.

What is sent follows three rules beside the standard (WHATWG HTML, section 9.2), so that every client
survives it: `retry:` stands inside the first event's block; a heartbeat is one comment line without a
blank line after it; no block lacks `data:`. Older A2A clients turn a block without data into an
empty event, and fail on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from a2a_streaming.position import Position

HEARTBEAT = b": \n"
"""A comment line; keeps proxies from closing a silent stream."""


def frame(data: bytes, *, event: str | None = None, id: str | None = None) -> bytes:  # noqa: A002 - the field's name
    """Return one event as it goes over the wire.

    Args:
        data: The payload; each of its lines becomes a `data:` line.
        event: The event's type; `message` for the receiver if None.
        id: What the client sends back as `Last-Event-ID`. Without newline or NUL.
    """
    head = b""
    if event is not None:
        head += b"event: %s\n" % event.encode()
    if id is not None:
        head += b"id: %s\n" % id.encode()
    if b"\n" in data or b"\r" in data:
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return head + b"".join(b"data: %s\n" % line for line in lines) + b"\n"
    return b"%sdata: %s\n\n" % (head, data)


def head(*, event: bytes | None = None, tag: bytes = b"") -> bytes:
    """Return how frames of JSON begin; see `json_frame`.

    Args:
        event: As for `frame`.
        tag: What stands before the position in their ids.
    """
    return (b"event: %b\n" % event if event is not None else b"") + b"id: " + tag


def json_frame(
    head: bytes, position: Position, before: bytes, behind: bytes | None = None
) -> Sequence[bytes]:
    """Return the same as `frame` for JSON on one line, as every event is; in two pieces, if the JSON is.

    Args:
        head: How it begins.
        position: Where the event stands, which is its id.
        before: The JSON, or what stands before a place in it that each watcher's stream fills in another way.
        behind: What stands behind that place, if there is one.
    """
    epoch, offset = position
    if behind is None:
        return (b"%b%d-%d\ndata: %b\n\n" % (head, epoch, offset, before),)
    return b"%b%d-%d\ndata: %b" % (head, epoch, offset, before), behind + b"\n\n"


def together(frames: Iterable[Sequence[bytes]]) -> Sequence[bytes]:
    """Return the pieces of frames that follow one another.

    Args:
        frames: The pieces of each.
    """
    pieces: list[bytes] = []
    whole: list[bytes] = []
    for first, *rest in frames:
        whole.append(first)
        for piece in rest:
            pieces.append(b"".join(whole))
            whole = [piece]
    return *pieces, b"".join(whole)


def with_retry(first: bytes, milliseconds: int) -> bytes:
    """Put a `retry:` line into a stream's first frame.

    Args:
        first: The frame.
        milliseconds: How long a client waits before it reconnects.
    """
    return b"retry: %d\n%s" % (milliseconds, first)


@dataclass(frozen=True, slots=True)
class Message:
    """One event as a client reads it.

    Args:
        event: Its type.
        data: Its payload, lines joined by newlines.
        id: The last id that the stream gave, in this event or before it; empty if none.
    """

    event: str
    data: str
    id: str


class Decoder:
    """Reads a stream of bytes, cut anywhere, into messages (WHATWG HTML, section 9.2.6).

    An event that the end of the stream cuts off is dropped, as the standard asks.

    Args:
        last_id: The id that the client already has.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry: int | None = None
        """Milliseconds before a reconnect, as the server last asked; None if it never did."""
        self._rest = b""
        self._first = True
        self._returned = False
        self._event = ""
        self._data: list[str] = []
        self._id = last_id

    def feed(self, chunk: bytes) -> list[Message]:
        """Take bytes in, and return the messages that they complete."""
        self._rest += chunk
        if self._first:
            if len(self._rest) < 3 and b"\xef\xbb\xbf".startswith(self._rest):
                return []
            self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if self._returned and self._rest:  # the chunk before ended in a carriage return
            self._rest = self._rest.removeprefix(b"\n")
            self._returned = False
        messages: list[Message] = []
        start = 0
        while (end := self._line_end(start)) is not None:
            line, start = self._rest[start : end[0]], end[1]
            if not line:
                self._dispatch(messages)
            else:
                self._field(line)
        self._rest = self._rest[start:]
        return messages

    def _line_end(self, start: int) -> tuple[int, int] | None:
        """Return where the line ends and where the next begins; None if it may go on."""
        feed = self._rest.find(b"\n", start)
        carriage = self._rest.find(b"\r", start, feed if feed >= 0 else len(self._rest))
        if carriage < 0:
            return (feed, feed + 1) if feed >= 0 else None
        if carriage + 1 == len(self._rest):
            self._returned = True  # a newline that may still come belongs to it; don't wait for it
            return carriage, carriage + 1
        return carriage, carriage + (2 if self._rest[carriage + 1] == 0x0A else 1)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value.decode("utf-8", "replace"))
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) < 20:
            self.retry = int(value)

    def _dispatch(self, messages: list[Message]) -> None:
        self.last_id = self._id
        if self._data:
            messages.append(Message(self._event or "message", "\n".join(self._data), self._id))
        self._event, self._data = "", []
