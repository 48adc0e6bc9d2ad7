"""Positions of every sort, each of which must be answered rightly: by the rest of the story, or by a reset that says why."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path as File

from chaos.asking import WAYS, Way
from chaos.cell import Cell, Size
from chaos.jobs import OWNERS, Job
from chaos.lines import ask
from chaos.report import Report
from chaos.responses import Frames
from chaos.stories import Path, Place, Violation, offset_of
from chaos.telling import said
from chaos.verdicts import Entry, read_log

_TASKS = 12
_AT_ONCE = 24
_MALFORMED = ("none", "1-2-3", "-", "1.5-2", "0x10-1", "1-", "-7", "9" * 40 + "-1", "%00-1")


@dataclass(frozen=True)
class Known:
    """A task that has ended, and its log."""

    job: Job
    log: list[Entry]

    @property
    def trimmed(self) -> list[bytes]:
        """Positions that were told, sorted or not."""
        return [*self.job.story.places]


async def positions_run(
    seed: int, *, count: int, size: Size, tell: Callable[[str], object] = str
) -> Report:
    """Ask from so many positions, in every dialect.

    Args:
        seed: Draws them.
        count: How many.
        size: The cell's.
        tell: Is told how it goes.
    """
    report = Report("positions", seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="a2a-positions-") as directory:
        cell = Cell(report, File(directory), size, A2A_HISTORY_MAXLEN="200")
        async with cell.running():
            known = await _tasks(cell)
            numbers = iter(range(count))
            chance = random.Random(seed)

            async def take() -> None:
                for number in numbers:
                    await _one(cell, known, chance)
                    if number % 10_000 == 9_999:
                        tell(f"{number + 1} positions, {time.monotonic() - began:.0f} s")

            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(take())
            report.complaints = cell.fleet.complaints()
    report.seconds = time.monotonic() - began
    return report


async def _tasks(cell: Cell) -> list[Known]:
    """Tasks of which some have lost the begin of their history, and what their logs are."""
    load = cell.load
    for number in range(_TASKS):
        events = 40 if number % 2 else 1200
        load.begin("burst", {"do": "burst", "events": events, "artifacts": 1, "pause": 0.0})
    while any(job.alive for job in load.jobs):
        await asyncio.sleep(0.05)
    async with cell.store.client as client:
        known = [Known(job, await read_log(client, job.stored)) for job in load.jobs]
    for one in known:  # what nobody was told yet stands there, too
        for before, entry in pairwise(one.log):
            place = Place(
                before.position, None, said(entry.data).state if entry is one.log[-1] else ""
            )
            one.job.story.places.setdefault(entry.position, place)
        first = one.log[0].position
        if offset_of(first) == 1:
            one.job.story.places.setdefault(first, Place(None, None, ""))
    return known


async def _one(cell: Cell, known: list[Known], chance: random.Random) -> None:
    one, other = chance.sample(known, 2)
    kinds = ["valid", "future", "forked", "foreign", "malformed", "another owner's"]
    gone = [p for p in one.trimmed if offset_of(p) < offset_of(one.log[0].position) - 1]
    kind = chance.choice([*kinds, "trimmed"] if gone else kinds)
    place, last = chance.choice(one.log[-100:]).position, one.log[-1].position
    position, reasons = {
        "valid": lambda: (place, set[str]()),
        "another owner's": lambda: (place, set[str]()),
        "trimmed": lambda: (chance.choice(gone), {"trimmed"}),
        "future": lambda: (_moved(last, 0, chance.randint(1, 10**9)), {"future"}),
        "forked": lambda: (_moved(place, chance.choice((-1, 1, 10**6)), 0), {"forked"}),
        "foreign": lambda: (chance.choice(other.log).position, {"forked", "future", "trimmed"}),
        "malformed": lambda: (chance.choice(_MALFORMED).encode(), {"malformed"}),
    }[kind]()
    cell.report.figures[f"positions: {kind}"] += 1
    await _judge(cell, one, chance.choice(WAYS), kind, position, reasons)


def _moved(position: bytes, epochs: int, offsets: int) -> bytes:
    epoch, _, offset = position.partition(b"-")
    return b"%d-%d" % (int(epoch) + epochs, int(offset) + offsets)


async def _judge(
    cell: Cell, one: Known, way: Way, kind: str, position: bytes, reasons: set[str]
) -> None:
    job, doors = one.job, cell.fleet.doors()
    foreign = kind == "another owner's"
    owner = next(name for name in OWNERS if (name != job.owner) == foreign)
    task = job.stored if foreign else job.task
    asked = way.watch(task, position.decode(), cell.tokens[owner])
    answer = await ask(random.choice(doors), asked, 20)
    what = f"{kind} {position!r} by {way.name}"
    if foreign:
        if not answer.says_missing:
            told = f"{what} was answered {answer.status} {answer.body!r:.300}"
            cell.bad(Violation("I10", job.story.task, told))
        return
    path = Path(what, job.story, way.dialect, position)
    for place, data in Frames().feed(answer.body):
        path.hear(place, data)
    cell.report.deliveries += path.deliveries
    if answer.status == 204:
        path.over = True
    told = {reason for reason, _ in path.resets}
    if kind == "trimmed" and not told:
        reasons = set()  # the front remembers more than Redis
    if answer.status not in (200, 204) or not told <= reasons or bool(told) != bool(reasons):
        told = f"{what} was answered {answer.status} {told} {answer.body!r:.300}"
        cell.bad(Violation("I1", job.story.task, told))
    elif path.position != one.log[-1].position:
        cell.bad(Violation("I1", job.story.task, f"{what} ended at {path.position!r}"))
