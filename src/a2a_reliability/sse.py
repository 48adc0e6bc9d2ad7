"""Server-Sent Events as they come: bytes in, frames out (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A frame with data.

    Args:
        data: Its data lines, joined by line feeds.
        id: The last id that the stream has named; empty without one.
    """

    data: str
    id: str


class Decoder:
    """Reads one connection; whatever the cuts between chunks are.

    `comments` counts lines that say only that the server is alive.
    """

    def __init__(self) -> None:
        self.comments = 0
        self._rest = b""
        self._after_return = False
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the frames that are complete with these bytes."""
        if self._after_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_return = False
        *lines, self._rest = self._lines(self._rest + chunk)
        done = [self._take(line.decode(errors="replace")) for line in lines]
        return [message for message in done if message is not None]

    def _lines(self, read: bytes) -> list[bytes]:
        self._after_return = read.endswith(b"\r")
        return read.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")

    def _take(self, line: str) -> Message | None:
        if not line:
            data, self._data = self._data, []
            return Message("\n".join(data), self._id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments += 1
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None
