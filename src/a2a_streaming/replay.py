"""The merge of history and live events, without a seam; pure.

A `Tail` holds a contiguous run of a log's newest events. What comes in live is offered to it; each
event names the position that it follows on, so one of three things holds: it extends the tail, the
tail has it already, or there is a gap, and the log must be read. Offsets alone would not do: after a
lost tail, another run's 5 to 9 look like those already seen.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from a2a_streaming.event import Event
from a2a_streaming.position import Position


@dataclass(frozen=True, slots=True)
class Gap:
    """What was offered doesn't follow on the tail: read the log after `after`, if it still holds it.

    Args:
        after: The tail's end; None for the log's start.
        seen: The position that showed the gap.
    """

    after: Position | None
    seen: Position


class Page(list[Event]):
    """Events of a log on which others follow, read once and told to many.

    Args:
        events: The events, in order.
    """

    __slots__ = ("told",)

    def __init__(self, events: Iterable[Event]) -> None:
        super().__init__(events)
        self.told: dict[Hashable, Sequence[bytes]] = {}
        """What streams made of it, by what that depends on, so that it is made once a process."""


class Tail:
    """A contiguous run of a log's newest events, bounded in bytes.

    Args:
        start: The position before the tail's first event; None for the log's start.
        max_bytes: The most event bytes that it keeps; the newest event always stays.
    """

    def __init__(self, start: Position | None = None, *, max_bytes: int = 256 * 1024) -> None:
        self._start = start
        self._max_bytes = max_bytes
        self._events: list[Event] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def last(self) -> Position | None:
        """The position of the newest event; None while the log is empty."""
        return self._events[-1].position if self._events else self._start

    @property
    def newest(self) -> Event | None:
        """The newest event that the tail holds."""
        return self._events[-1] if self._events else None

    @property
    def mean_bytes(self) -> int:
        """The mean weight of the events that the tail holds, in bytes."""
        return self._bytes // len(self._events) if self._events else 0

    def __contains__(self, position: Position | None) -> bool:
        """Say whether the tail can be read from this position on."""
        return position == self._start or (
            position is not None and self._find(position) is not None
        )

    def offer(self, event: Event) -> Gap | bool:
        """Offer the tail an event.

        Returns:
            True if it was appended; False if the tail has it already; a Gap if it neither follows on
            the tail nor is in it.
        """
        last = self.last
        if event.previous == last and (last is None or last.precedes(event.position)):
            self._append(event)
            return True
        if self._find(event.position) is not None or event.position == self._start:
            return False
        return Gap(last, event.position)

    def after(self, position: Position | None, *, max_bytes: int = 2**63) -> Sequence[Event] | None:
        """Return events after a position; None if the tail doesn't reach back to it.

        Args:
            position: The position; None for the log's start.
            max_bytes: The most event bytes to return; one event is returned whatever it weighs.
        """
        if position == self._start:
            first = 0
        elif position is None or (place := self._find(position)) is None:
            return None
        else:
            first = place + 1
        end, size = first, 0
        while end < len(self._events):
            size += len(self._events[end].data)
            if size > max_bytes and end > first:
                break
            end += 1
        return self._events[first:end]

    def _find(self, position: Position) -> int | None:
        if not self._events:
            return None
        place = position.offset - self._events[0].position.offset
        if 0 <= place < len(self._events) and self._events[place].position == position:
            return place
        return None

    def _append(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.data)
        if self._bytes <= self._max_bytes or len(self._events) == 1:
            return
        # Drop down to three quarters at once: a list's head is dear to cut, so cut it seldom.
        drop, goal = 0, self._max_bytes * 3 // 4
        while self._bytes > goal and drop < len(self._events) - 1:
            self._bytes -= len(self._events[drop].data)
            drop += 1
        self._start = self._events[drop - 1].position
        del self._events[:drop]


def merge(tail: Tail, live: Iterable[Event]) -> tuple[list[Event], Gap | None]:
    """Merge live events into a tail.

    Args:
        tail: What is known of the log; it grows by what follows on it.
        live: Events as they came in, possibly doubled, with some missing, or from another log.

    Returns:
        The events that were new, in order; and the gap at which the merge stopped, if there was one.
    """
    fresh: list[Event] = []
    for event in live:
        offered = tail.offer(event)
        if isinstance(offered, Gap):
            return fresh, offered
        if offered:
            fresh.append(event)
    return fresh, None
