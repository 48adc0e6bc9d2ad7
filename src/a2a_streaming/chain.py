"""A chain of lines: each commits to the one before, so that what was changed or taken out shows; pure.

A line is `{"hash":"…","previous":"…","entry":{…}}`. Its hash is SHA-256, in hexadecimal, of the hash before it (64
zeros for the first line), a line feed, and the bytes of its entry as they stand in the line. The last entry says
how many lines stand before it, so a file that was cut off has no end. Whoever changes a file can make a new chain for
it: so the last hash, the head, is told apart from the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from a2a_streaming.errors import ChainBroken

START = "0" * 64
"""What the first line commits to."""
_END = "end"
_LINE = re.compile(
    rb'\{"hash":"([0-9a-f]{64})","previous":"([0-9a-f]{64})","entry":(\{.*\})\}\r?\n?'
)


class Chain:
    """Writes one.

    `head` is the last line's hash, `count` the number of lines so far.
    """

    def __init__(self) -> None:
        self.head = START
        self.count = 0

    def line(self, entry: bytes) -> bytes:
        """Return the next line.

        Args:
            entry: What it says: a JSON object in one line.
        """
        previous, self.head = self.head, _hash(self.head, entry)
        self.count += 1
        return b'{"hash":"%b","previous":"%b","entry":%b}\n' % (
            self.head.encode(),
            previous.encode(),
            entry,
        )

    def end(self) -> bytes:
        """Return the last line; afterwards `head` is what to tell apart from the file."""
        return self.line(orjson.dumps({"kind": _END, "lines": self.count}))


class Verified(NamedTuple):
    """A chain that holds.

    Args:
        lines: How many lines it has, the last one included.
        head: Its last hash.
        entries: What the lines say, in order, without the end; none if they weren't to be kept.
    """

    lines: int
    head: str
    entries: list[Any]


def verify(lines: Iterable[bytes], *, head: str = "", keep: bool = True) -> Verified:
    """Check a chain from its first line to its end.

    Args:
        lines: Its lines.
        head: The last hash, as it was told apart from the file; empty if it isn't known.
        keep: Whether to return what the lines say.

    Raises:
        ChainBroken: Something was changed, taken out, put in or cut off; the message says at which line.
    """
    chain = Chain()
    entries: list[Any] = []
    ended = False
    for number, line in enumerate(lines, 1):
        if ended:
            raise ChainBroken(number, "it stands behind the end")
        said = _check(chain, number, line)
        ended = said.get("kind") == _END
        if not ended and keep:
            entries.append(said)
        elif ended and said.get("lines") != number - 1:
            raise ChainBroken(number, f"it says that {said.get('lines')} lines stand before it")
    if not ended:
        raise ChainBroken(chain.count, "the end is missing behind it: the file was cut off")
    if head and head.lower() != chain.head:
        raise ChainBroken(chain.count, f"its hash isn't the head that was told, {head[:64]}")
    return Verified(chain.count, chain.head, entries)


def _check(chain: Chain, number: int, line: bytes) -> dict[str, Any]:
    """Check the next line of a chain, and return what it says."""
    if (match := _LINE.fullmatch(line)) is None:
        raise ChainBroken(number, "it is no line of a chain")
    told, previous, entry = match.groups()
    if previous.decode() != chain.head:
        raise ChainBroken(number, "it doesn't follow on the line before it")
    chain.line(entry)
    if told.decode() != chain.head:
        raise ChainBroken(number, "it was changed")
    try:
        said: Any = orjson.loads(entry)
    except orjson.JSONDecodeError as error:
        raise ChainBroken(number, "its entry is no JSON") from error
    return said


def _hash(previous: str, entry: bytes) -> str:
    return hashlib.sha256(previous.encode() + b"\n" + entry).hexdigest()
