"""Faults of clients, of webhooks' receivers, and of agents."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from chaos.asking import WAYS, cancel, get, request, rpc, send
from chaos.cell import Cell
from chaos.jobs import OWNERS, SPECIAL, Job
from chaos.lines import ask
from chaos.schedule import Fault
from chaos.stories import Path, Violation
from chaos.watchers import Watcher


def job_of(cell: Cell, fault: Fault) -> Job | None:
    going = cell.load.going()
    return going[fault.whom(len(going))] if going else None


def _watchers(cell: Cell, fault: Fault) -> list[Watcher]:
    here = [watcher for watcher in cell.crowd.here if not watcher.done]
    return here and random.Random(fault.who).sample(here, max(1, int(fault.much * len(here) / 2)))


async def vanish(cell: Cell, fault: Fault) -> None:
    """Some watchers go, and never come back."""
    for watcher in _watchers(cell, fault)[:5]:
        if watcher.path.deliveries:
            watcher.leave()


async def stall(cell: Cell, fault: Fault) -> None:
    """Some watchers read nothing for a while."""
    for watcher in _watchers(cell, fault)[:8]:
        watcher.stall(fault.between(0.2, 6))


async def cut_at_a_byte(cell: Cell, fault: Fault) -> None:
    """Some watchers' connections break, each at some byte."""
    chance = random.Random(fault.much)
    for watcher in _watchers(cell, fault):
        watcher.cut(chance.randint(1, 1500))


async def herd(cell: Cell, fault: Fault) -> None:
    """All watchers of a task are cut, and come back at once."""
    if job := job_of(cell, fault):
        for watcher in job.watchers:
            watcher.cut()


async def send_twice(cell: Cell, fault: Fault) -> None:
    """A task's first message is sent again, by somebody who then watches, too."""
    job = job_of(cell, fault)
    if job is None:
        return
    dialect = job.watchers[0].path.dialect
    way = next(way for way in WAYS if way.dialect == dialect)
    path = Path(f"{dialect} sends twice", job.story, dialect)
    job.watchers.append(
        Watcher(cell.crowd, path, way, job.task, cell.tokens[job.owner], job.opening)
    )


async def come_late(cell: Cell, fault: Fault) -> None:
    """A watcher comes when the task goes on already; some as operators."""
    if job := job_of(cell, fault):
        cell.load.join(
            job, WAYS[int(fault.much * len(WAYS))], as_operator=fault.much * 100 % 1 > 0.8
        )


async def come_with_a_position(cell: Cell, fault: Fault) -> None:
    """A watcher comes with a position: a real one, or one that is trimmed, future, forked, foreign or none."""
    if job := job_of(cell, fault):
        places = sorted(job.story.places, key=lambda position: int(position.partition(b"-")[2]))
        if not places:
            return
        last = places[-1].decode()
        epoch, _, offset = last.partition("-")
        chosen = (
            places[int(fault.who * 1000) % len(places)].decode(),
            f"{epoch}-{int(offset) + 1_000_000}",
            f"{int(epoch) - 1}-{offset}",
            "1700000000000000-1",
            "no position",
            f"{epoch}-{offset}-{offset}",
        )[int(fault.much * 6)]
        way = WAYS[int(fault.much * 1000) % len(WAYS)]
        cell.load.join(job, way, chosen)


async def cancel_task(cell: Cell, fault: Fault) -> None:
    """A task is canceled, wherever it is."""
    job = job_of(cell, fault)
    doors = cell.fleet.doors()
    if job is not None and doors and job.kind != "held":
        answer = await ask(doors[0], cancel(job.task, cell.tokens[job.owner]), 5)
        if not (answer.status == 200 and answer.code in (0, -32002)) and not (
            answer.says_later or (answer.says_missing and job.touched)
        ):
            what = f"canceling it was answered {answer.status} {answer.body!r:.300}"
            cell.bad(Violation("answers", job.story.task, what))


async def intrude(cell: Cell, fault: Fault) -> None:
    """Somebody else asks for a task, watches it, cancels it and writes to it."""
    job = job_of(cell, fault)
    doors = cell.fleet.doors()
    if job is None or not doors:
        return
    other = next(name for name in OWNERS if name != job.owner)
    token, task = cell.tokens[other], job.stored
    tries = {
        "get": get(task, token),
        "get in 0.1": request("POST", "/", token, rpc("tasks/get", {"id": task}), version="0.1"),
        "cancel": cancel(task, token),
        "write to": send("1.0", f"intruder-{fault.who}", "hello", token, key=task),
        **{f"watch by {way.name}": way.watch(task, None, token) for way in WAYS},
    }
    for what, asked in tries.items():
        answer = await ask(doors[fault.whom(len(doors))], asked, 5)
        cell.report.figures["intruders turned away"] += answer.says_missing
        if not (answer.says_missing or answer.says_later):
            told = f"{other} may {what} it: {answer.status} {answer.body!r:.300}"
            cell.bad(Violation("I10", job.story.task, told))


async def trouble_hooks(cell: Cell, fault: Fault) -> None:
    """Webhooks' receivers fail, hang and lose their answers for a while."""
    cell.receivers.trouble = fault.between(0.1, 0.9)
    cell.soon(2.0, lambda: setattr(cell.receivers, "trouble", 0.0))


def misbehaves(kind: str) -> Callable[[Cell, Fault], Awaitable[None]]:
    async def happens(cell: Cell, fault: Fault) -> None:
        if sum(job.kind == kind and job.alive for job in cell.load.jobs) < 3:
            cell.load.begin(kind, SPECIAL[kind])

    return happens
