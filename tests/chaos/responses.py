"""HTTP responses and streams' frames, read from bytes that are cut anywhere; cheap, for there are many."""

from __future__ import annotations

from collections.abc import Iterator


class Response:
    """One HTTP/1.1 response, as it comes in."""

    def __init__(self) -> None:
        self.status = 0
        """0 until the head is there."""
        self.headers: dict[str, str] = {}
        self.ended = False
        """Whether its body is complete."""
        self._rest = b""
        self._left = 0
        self._chunked = False

    @property
    def streams(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def feed(self, data: bytes) -> bytes:
        """Take bytes in; returns what they hold of the body."""
        if not self.status:
            head, found, data = (self._rest + data).partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return b""
            self._rest = b""
            self._read_head(head.decode("latin-1"))
        return self._dechunked(data) if self._chunked else self._plain(data)

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self._chunked = self.headers.get("transfer-encoding", "") == "chunked"
        length = self.headers.get("content-length")
        if self.status in (204, 304):
            length = "0"
        self._left = int(length) if length is not None else -1
        self.ended = not self._chunked and self._left == 0

    def _plain(self, data: bytes) -> bytes:
        if self._left >= 0:
            data = data[: self._left]
            self._left -= len(data)
            self.ended = self._left == 0
        return data

    def _dechunked(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        if self.ended:
            return b""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, size = 0, len(data)
        while at < size:
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
                continue
            if self._left > 0:  # the line's end behind a chunk
                taken = min(self._left, size - at)
                self._left -= taken
                at += taken
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._rest = data[at:]
                break
            length = int(data[at:end], 16)
            at = end + 2
            if not length:
                self.ended = True
                break
            self._left = length + 2
        return b"".join(pieces)


class Frames:
    """A stream's frames: each one's position and data."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, body: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Take a body's bytes in; gives the frames that they complete."""
        *frames, self._rest = (self._rest + body).split(b"\n\n")
        for frame in frames:
            start = frame.find(b"id: ")
            end = frame.find(b"\n", start)
            if start < 0 or end < 0 or frame[end : end + 7] != b"\ndata: ":
                yield b"", frame
            else:
                yield frame[start + 4 : end], frame[end + 7 :]
