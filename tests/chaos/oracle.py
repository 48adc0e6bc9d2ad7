"""The oracle: knows every event that was ever written, and judges what each watcher saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_ENOUGH = 50


@dataclass
class Seen:
    """What one watcher saw of one task.

    Args:
        name: The watcher.
        task: The task.
    """

    name: str
    task: str
    position: str | None = None
    """The last position; what the watcher would send as `Last-Event-ID`."""
    stretch: list[str] = field(default_factory=list)
    """The positions since its last reset."""
    resets: list[str] = field(default_factory=list)
    deliveries: int = 0


class Oracle:
    """Checks I1 to I3 while the run goes on, and that everybody is at the log's end when it is quiet."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], Any] = {}
        self._follows: set[tuple[str, str | None, str]] = set()
        self._ends: dict[str, str] = {}
        self.violations: list[str] = []
        self.deliveries = 0

    @property
    def full(self) -> bool:
        """Whether so much is wrong that there is no use in going on."""
        return len(self.violations) >= _ENOUGH

    def wrote(self, task: str, previous: str | None, position: str) -> None:
        """Note that an event was written, and on which it follows."""
        self._follows.add((task, previous, position))
        self._ends[task] = position

    def log_ends(self, task: str, position: str) -> None:
        """Note where a log ends, now that it is quiet."""
        self._ends[task] = position

    def saw(self, seen: Seen, position: str, data: Any) -> None:
        """Judge an event that a watcher was told."""
        if self.full:
            return
        seen.deliveries += 1
        self.deliveries += 1
        reset = data.get("metadata", {}).get("reset")
        if reset is not None:
            seen.resets.append(reset["reason"])
            seen.stretch = [position]
            seen.position = position
            return
        if position in seen.stretch:
            self._bad(seen, f"was told {position} twice")
        if (seen.task, seen.position, position) not in self._follows:
            self._bad(seen, f"was told {position} after {seen.position}, which no log ever had")
        same = {k: v for k, v in data.items() if k != "final"}
        if self._written.setdefault((seen.task, position), same) != same:
            self._bad(seen, f"was told another event at {position} than others")
        seen.stretch.append(position)
        seen.position = position

    def at_end(self, seen: Seen) -> bool:
        """Whether a watcher has been told all."""
        return seen.position == self._ends.get(seen.task)

    def settle(self, seen: Seen) -> None:
        """Judge a watcher's view now that everything is quiet."""
        if not self.at_end(seen):
            self._bad(seen, f"stays at {seen.position}; the log ends at {self._ends[seen.task]}")

    def _bad(self, seen: Seen, what: str) -> None:
        self.violations.append(f"{seen.name} of {seen.task} {what}")
