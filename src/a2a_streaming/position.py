"""Where an event stands in its task's log: `<epoch>-<offset>`.

The position is the Redis Stream entry ID and the SSE `id:`. The offset is dense (1, 2, 3, …) through
all epochs; the epoch is the fencing token of the run that wrote the event. Readers compare epochs for
equality, never for age, so there is no order on positions: two logs that differ, differ in positions,
and only a log can say which of two positions it holds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from a2a_streaming.errors import InvalidPosition

_PATTERN = re.compile(r"([1-9][0-9]{0,19})-([1-9][0-9]{0,19})")
_MAX = 2**64 - 1  # a Redis Stream ID is two unsigned 64-bit numbers


class Position(NamedTuple):
    """Where an event stands in its task's log.

    Args:
        epoch: Fencing token of the run that wrote the event, 1 to 2**64 - 1.
        offset: Number of the event in the log, from 1.
    """

    epoch: int
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    def precedes(self, other: Position) -> bool:
        """Say whether `other` is numbered right after this position, whatever its epoch."""
        return other.offset == self.offset + 1

    @classmethod
    def parse(cls, text: str | bytes) -> Position:
        """Read a position as it stands in a stream entry's ID or in `Last-Event-ID`.

        Args:
            text: `<epoch>-<offset>`, both decimal, without signs, spaces or leading zeros.

        Raises:
            InvalidPosition: The text is anything else.
        """
        if isinstance(text, bytes):
            text = text.decode("ascii", "replace")
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise InvalidPosition(text)
        epoch, offset = int(match[1]), int(match[2])
        if epoch > _MAX or offset > _MAX:
            raise InvalidPosition(text)
        return cls(epoch, offset)

    @classmethod
    def of_entry(cls, entry_id: bytes) -> Position:
        """Return the position that a stream entry's ID is; Redis has seen to its form.

        Args:
            entry_id: The ID, as Redis tells it.

        Raises:
            ValueError: It is none.
        """
        epoch, offset = entry_id.split(b"-")
        return cls(int(epoch), int(offset))
