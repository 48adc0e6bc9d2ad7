"""Scenes: what is played on a set-up of real processes, and what was counted and used meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from bench.capacity.costs import Amounts

SAID = 4096
"""Letters of an event of a task that no worker works on."""
NUMBER = 7
"""Letters before each event's text: its number."""


@dataclass(frozen=True)
class Scene:
    """What is played.

    Args:
        name: What it is called.
        about: What it is.
        tasks: Tasks that are there all the time.
        runs: Whether a worker works on them, and tells of it.
        pause: Seconds between two events of each.
        size: Letters of an event's text.
        said: Events that tasks that no worker works on have, of 4 KiB each.
        watchers: Who watches them, in all.
        opens: Streams a second that are opened on one of these tasks, and closed.
        firsts: The same, each on a task that nobody watches.
        begun: Tasks a second that begin, with a watcher, and end.
        chunks: Events that each of those tells, one every fifth of a second.
        seconds: How long it is measured.
    """

    name: str
    about: str = ""
    tasks: int = 0
    runs: bool = True
    pause: float = 1.0
    size: int = 60
    said: int = 0
    watchers: int = 0
    opens: float = 0
    firsts: float = 0
    begun: float = 0
    chunks: int = 0
    seconds: float = 10

    def text(self, events: float) -> float:
        """Return the bytes of text of one of the tasks that are there all the time.

        Args:
            events: Events of all of them so far.
        """
        if not self.runs:
            return float(self.said * SAID)
        return (self.size + NUMBER) * events / max(1, self.tasks)

    def faster(self, factor: float) -> Scene:
        """Return the same with so many times as much that happens."""
        return replace(
            self,
            pause=self.pause / factor,
            opens=self.opens * factor,
            firsts=self.firsts * factor,
            begun=self.begun * factor,
        )

    def hearing(self, fronts: int) -> list[int]:
        """Return for each task how many fronts hear it: the watchers' numbers go round both tasks and fronts."""
        heard: list[set[int]] = [set() for _ in range(self.tasks)]
        for number in range(self.watchers):
            heard[number % self.tasks].add(number % fronts)
        return [len(one) for one in heard]


CHUNK_PAUSE = 0.2


@dataclass(frozen=True)
class Counted:
    """What was counted while a scene was played.

    Args:
        seconds: For how long.
        events: Events of the scene's own tasks.
        event_bytes: Bytes of one of them.
        begun: Tasks that began and ended.
        begun_events: Their events.
        begun_bytes: Bytes of one of those.
        opens: Streams that were opened on watched tasks.
        firsts: Streams that were opened on others.
        opened_bytes: Bytes of text that such a stream begins with.
    """

    seconds: float
    events: int = 0
    event_bytes: float = 0
    begun: int = 0
    begun_events: int = 0
    begun_bytes: float = 0
    opens: int = 0
    firsts: int = 0
    opened_bytes: float = 0

    def amounts(self, scene: Scene, fronts: int, workers: int, primaries: int) -> Amounts:
        """Return the amounts that this comes to.

        Args:
            scene: What was played.
            fronts: On how many fronts.
            workers: On how many workers.
            primaries: On how many primaries.
        """
        heard = scene.hearing(fronts)
        told = self.events / self.seconds
        begun, said = self.begun / self.seconds, self.begun_events / self.seconds
        lasting = begun * scene.chunks * CHUNK_PAUSE
        each = 1 / max(1, scene.tasks)
        kib, said_kib = self.event_bytes / 1024, said * self.begun_bytes / 1024
        hearings = told * sum(heard) * each
        deliveries = told * scene.watchers * each
        processes = fronts + workers
        return Amounts(
            fronts=fronts,
            workers=workers,
            primaries=primaries,
            members=primaries if primaries > 1 else 0,
            processes=processes,
            tasks=begun,
            runs=(scene.tasks if scene.runs else 0) + lasting,
            events=told + said,
            event_kib=told * kib + said_kib,
            hearings=hearings + said + fronts * (primaries - 1),  # and their probes
            hearing_kib=hearings * kib + said_kib,
            deliveries=deliveries + said,
            delivery_kib=deliveries * kib + said_kib,
            watchers=scene.watchers + lasting,
            feeds=sum(heard) + lasting,
            opens=self.opens / self.seconds,
            firsts=self.firsts / self.seconds,
            opened_kib=(self.opens + self.firsts) / self.seconds * self.opened_bytes / 1024,
        )


@dataclass(frozen=True)
class Observed:
    """What came of a scene.

    Args:
        amounts: What was counted, a second.
        used: What was used of each resource, in the units of `Costs.use`.
        held: By how many bytes each kind of process had grown when the scene was set up.
        grown: And when it was over.
        counted: What was counted.
        foreign: The share of the machine that others have used.
    """

    amounts: Amounts
    used: Mapping[str, float]
    held: Mapping[str, float]
    grown: Mapping[str, float]
    counted: Counted
    foreign: float = 0

    def less(self, other: Observed, share: float = 1.0) -> tuple[Amounts, dict[str, float]]:
        """Return what this has more than a share of another, in amounts and in use."""
        ours, theirs = asdict(self.amounts), asdict(other.amounts)
        amounts = Amounts(**{name: ours[name] - share * theirs[name] for name in ours})
        names = self.used.keys() & other.used.keys()
        return amounts, {name: self.used[name] - share * other.used[name] for name in names}
