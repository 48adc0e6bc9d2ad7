"""Commands for Redis as bytes, and templates of them with places for numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

NUMBER = 899_999_999_991
"""Stands for the number of an event, or of a call."""
OFFSET = 899_999_999_992
"""Stands for the log's last offset before the event."""
TEXT_NUMBER = 899_999_999_993
"""Stands for the event's number in its text."""
TIME = 8_999_999_999_999_999_994
"""Stands for the time of publishing, in ns."""

_KINDS = {NUMBER: "n", OFFSET: "o", TEXT_NUMBER: "s", TIME: "t"}

TEXT = f"seq={TEXT_NUMBER} ts={TIME} and some words of an answer, as they come from a model: token by token, one after another"
"""The text of an event that the load generator checks and times."""


def packed(command: Sequence[str | bytes | float]) -> bytes:
    """Return a command as it goes over the wire (RESP)."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


def places(text: bytes, kinds: Mapping[int, str] = _KINDS) -> list[tuple[int, int, str]]:
    """Find the places for numbers.

    Args:
        text: Bytes in which stand-ins stand.
        kinds: What each stand-in stands for.

    Returns:
        For each, where it begins, its width, and its kind.
    """
    found: list[tuple[int, int, str]] = []
    for number, kind in kinds.items():
        written = str(number).encode()
        at = text.find(written)
        while at >= 0:
            found.append((at, len(written), kind))
            at = text.find(written, at + len(written))
    return sorted(found)


def write_template(path: Path, text: bytes) -> Path:
    """Write a template for the load generator.

    Args:
        path: Where to.
        text: Bytes in which stand-ins stand.
    """
    head = " ".join(f"{at}:{width}:{kind}" for at, width, kind in places(text))
    path.write_bytes(head.encode() + b"\n" + text)
    return path


def http_post(path: str, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        len(body),
        body,
    )
