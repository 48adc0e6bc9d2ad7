"""The oracle: what watchers of a task were told must be one story (I1 to I3, I5).

It knows no log. Each event that somebody was told has one place, behind one other event, for everybody: epochs are never
handed out twice, so this holds through failovers, too. What is told again as it was told before costs two look-ups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chaos.telling import Marker, Said, said

_LARGE = 200_000
_ENOUGH = 8
"""Snapshots of a task that are kept, to be folded."""


@dataclass(frozen=True)
class Violation:
    """What must not be.

    Args:
        invariant: Which invariant it breaks: I1 to I12.
        task: The task.
        what: What was seen.
    """

    invariant: str
    task: str
    what: str

    def alike(self, other: Violation) -> bool:
        """Whether another one tells of the same."""
        return (self.invariant, self.task) == (other.invariant, other.task)

    def __str__(self) -> str:
        return f"{self.invariant} {self.task}: {self.what}"


class Place(NamedTuple):
    """An event's place: behind which it stands, who wrote it, and which end it tells of, if any."""

    previous: bytes | None
    marker: Marker | None
    end: str


_NOWHERE = Place(b"", None, "")


class Snapshot(NamedTuple):
    """A task as somebody was told it whole."""

    position: bytes
    dialect: str
    task: dict[str, Any]


@dataclass
class Story:
    """One task, as all its watchers were told of it.

    Args:
        task: The task.
        object_: Is told what must not be.
        news: Is told each event, when somebody is told it first.
    """

    task: str
    object_: Callable[[Violation], None]
    news: Callable[[Place], None] | None = None
    places: dict[bytes, Place] = field(default_factory=dict[bytes, Place])
    told: dict[str, dict[bytes, tuple[int, bytes | None]]] = field(
        default_factory=dict[str, dict[bytes, tuple[int, bytes | None]]]
    )
    """By dialect and position: the data's hash, and the position before it."""
    snapshots: list[Snapshot] = field(default_factory=list[Snapshot])
    busy: bool = True
    """Whether its agent has always something to say, until its end."""
    end: str = ""
    """The end that somebody was told; empty before."""

    def bad(self, invariant: str, what: str) -> None:
        """Object."""
        self.object_(Violation(invariant, self.task, what))


class Path:
    """One watcher's way through a story.

    Args:
        name: The watcher.
        story: The story.
        dialect: In which dialect it is told.
        position: With which position it begins; None for none.
    """

    __slots__ = (
        "_told",
        "asked",
        "begins",
        "deliveries",
        "dialect",
        "invented",
        "name",
        "over",
        "position",
        "resets",
        "skips",
        "story",
        "waits",
    )

    def __init__(
        self, name: str, story: Story, dialect: str, position: bytes | None = None
    ) -> None:
        self.name = name
        self.story = story
        self.dialect = dialect
        self.position = position
        self.asked = position
        """The position that it invented; nothing may follow on it but a reset."""
        self.invented = position is not None
        """Whether it came with a position that it hadn't been told."""
        self.begins = position is None
        """Whether it was told nothing yet, and asked for no more than the story."""
        self.deliveries = 0
        self.skips = False
        """Whether it follows a message's turn: once, between the task as it was and the turn, events may be left out."""
        self.resets: list[tuple[str, bytes]] = []
        self.over = False
        """Whether it was told the end."""
        self.waits = False
        """Whether it was told last that the task waits for its customer."""
        self._told = story.told.setdefault(dialect, {})

    def hear(self, position: bytes, data: bytes) -> None:
        """Take what it is told, and judge it."""
        self.deliveries += 1
        known = self._told.get(position)
        if known is not None and known[1] == self.position and known[0] == hash(data):
            self.position = position
            self.begins = False
            if self.story.places[position].end:
                self.over = True
            return
        self._look(position, data)

    def _look(self, position: bytes, data: bytes) -> None:
        try:
            told = said(data)
            offset = offset_of(position)
        except ValueError:
            self.story.bad(
                "I1", f"{self.name} was told what can't be read: {position!r} {data!r:.300}"
            )
            return
        self.waits = told.state in ("input-required", "auth-required")
        if told.reset is not None or (self.begins and told.task is not None):
            if told.reset is not None:
                self.resets.append((told.reset, position))
            if told.task is not None and len(data) < _LARGE and len(self.story.snapshots) < _ENOUGH:
                self.story.snapshots.append(Snapshot(position, self.dialect, told.task))
            self.position, self.asked, self.begins = position, None, False
            self.over = told.ends
            return
        if self.skips and self.story.places.get(position, _NOWHERE).previous != self.position:
            self.skips = False
            self.position, self.over = position, told.ends
            return
        self.skips = False
        self._judge(position, offset, told)
        normal = hash(data.replace(b'"final":true', b'"final":false'))
        first, _ = self._told.setdefault(position, (normal, self.position))
        if first != normal:
            self.story.bad("I3", f"{self.name} was told other words at {position!r} than others")
        self.position, self.begins = position, False
        self.over = told.ends

    def _judge(self, position: bytes, offset: int, told: Said) -> None:
        story, before = self.story, self.position
        known = story.places.get(position)
        if self.asked is not None and self.asked not in story.places:
            story.bad("I1", f"{self.name} goes on from {before!r}, where nothing stands")
        if known is not None:
            if known.previous != before:
                again = "again " if before is not None and offset <= offset_of(before) else ""
                what = f"was told {position!r} {again}after {before!r}, others after {known.previous!r}"
                story.bad("I2" if again else "I1", f"{self.name} {what}")
            if known.marker != told.marker and None not in (known.marker, told.marker):
                story.bad(
                    "I3", f"{self.name} was told {told.marker} at {position!r}, not {known.marker}"
                )
            return
        if offset != (offset_of(before) if before is not None else 0) + 1:
            story.bad("I1", f"{self.name} was told {position!r} after {before!r}")
        if before is not None and before in story.places and story.places[before].end:
            story.bad("I5", f"{self.name} was told {position!r} after the end at {before!r}")
        place = story.places[position] = Place(before, told.marker, told.state if told.ends else "")
        story.end = story.end or place.end
        if story.news is not None:
            story.news(place)


def offset_of(position: bytes) -> int:
    """Return a position's offset.

    Raises:
        ValueError: It is no position.
    """
    epoch, dash, offset = position.partition(b"-")
    if not dash or not epoch.isdigit() or not offset.isdigit():
        raise ValueError(f"no position: {position!r}")
    return int(offset)
