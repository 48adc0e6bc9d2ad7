"""The load: tasks of all sorts, sent and watched in every dialect, drawn by the seed."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from a2a_streaming.caller import Caller
from chaos.asking import WAYS, Way, send
from chaos.hooks import Receivers
from chaos.stories import Path, Place, Story, Violation
from chaos.watchers import Crowd, Watcher

OWNERS = ("alice", "bob")
OPERATOR = "olga"
_PLANS: dict[str, tuple[float, dict[str, Any]]] = {
    "stream": (40, {"do": "stream", "events": (20, 200), "pause": (0.005, 0.05), "size": (0, 300)}),
    "burst": (20, {"do": "burst", "events": (50, 400), "artifacts": (1, 4), "pause": (0.0, 0.3)}),
    "pay": (12, {"do": "pay", "amount": (100, 99_999)}),
    "ask": (8, {"do": "ask"}),
    "raise": (2, {"do": "raise", "events": (0, 20)}),
    "late": (2, {"do": "late"}),
}
SPECIAL: dict[str, dict[str, Any]] = {
    "agent raises": {"do": "raise", "events": (0, 20)},
    "agent hangs": {"do": "hang"},
    "agent emits after its end": {"do": "late"},
    "agent emits 10,000 a second": {"do": "burst", "events": (2000, 4000), "pause": (0.0, 0.0)},
    "agent emits 1 MB at a time": {
        "do": "burst", "events": (2, 5), "pause": (0.0, 0.0), "size": (1_000_000, 1_000_000)
    },
    "agent blocks its loop": {"do": "block", "pause": (0.5, 3.0)},
}  # fmt: skip
"""What an agent does badly, by the fault's name."""
_AGAIN = 100
"""Tenths of a second after which an answer is sent again that may be lost."""
_SENDS = ("0.1", "0.1", "0.3", "1.0", "1.0 REST")
_BY_DIALECT = {way.dialect: way for way in reversed(WAYS)}


@dataclass
class Job:
    """One task under test.

    Args:
        number: Which of the run's.
        kind: What sort of task.
        plan: What its agent is told to do.
        owner: Whose it is.
        story: What its watchers were told.
    """

    number: int
    kind: str
    plan: dict[str, Any]
    owner: str
    story: Story
    task: str = ""
    """Its id, as its owner knows it; empty until somebody was told."""
    watchers: list[Watcher] = field(default_factory=list[Watcher])
    hook: str = ""
    """Its webhook, and whether that is told each event."""
    hook_each: bool = False
    opening: bytes = b""
    """The request that began it."""
    accepted: bool = False
    touched: bool = False
    """Whether Redis may have lost something of it."""
    operators: list[Watcher] = field(default_factory=list[Watcher])
    """Those of its watchers who are operators."""
    ended_at: float = 0.0
    pid: int = 0
    """The process that it was last heard from."""
    alive: bool = True
    """Whether it is still going on."""

    @property
    def stored(self) -> str:
        """The id under which it is stored."""
        return Caller(self.owner).stored_id(self.task)

    @property
    def done(self) -> bool:
        """Whether nobody waits for anything any more."""
        return all(watcher.done for watcher in self.watchers)

    @property
    def waits(self) -> bool:
        """Whether somebody was told last that it waits for its customer."""
        return any(watcher.path.waits for watcher in self.watchers)


class Load:
    """Keeps so many tasks going, until it is told to stop.

    Args:
        seed: Draws the tasks.
        crowd: Watches them.
        tokens: By owner, who they are.
        receivers: Their webhooks.
        bad: Is told what must not be.
        news: Is told of each event that a job's watchers are told first.
        width: How many tasks go on at once.
        fan: How many watchers a task has at most.
    """

    def __init__(
        self,
        seed: int,
        crowd: Crowd,
        tokens: dict[str, str],
        receivers: Receivers,
        bad: Callable[[Violation], None],
        news: Callable[[Job, Place], None],
        *,
        width: int,
        fan: int,
    ) -> None:
        self._seed = seed
        self._crowd = crowd
        self.tokens = tokens
        self._receivers = receivers
        self._bad = bad
        self._news = news
        self._width = width
        self._fan = fan
        self.jobs: list[Job] = []
        """All that haven't been judged yet."""
        self.events = 0
        """Events that somebody was told."""
        self._count = 0
        self._lives: set[asyncio.Task[None]] = set()
        self._stopped = True
        self.repeats = 0
        """Answers that were sent again, because Redis may have lost them."""
        self.held = asyncio.Event()
        """Set when tasks that wait for their customers on purpose get their answers."""

    def going(self) -> list[Job]:
        """The jobs that have begun and not ended."""
        return [job for job in self.jobs if job.accepted and not job.story.end and job.alive]

    def start(self) -> None:
        """Keep tasks going."""
        self._stopped = False
        self.held.clear()
        self.begin("held", {"do": "ask"}, hold=True)
        self._fill()

    def stop(self) -> None:
        """Begin no further ones."""
        self._stopped = True

    async def aclose(self) -> None:
        """Let go of all."""
        self.stop()
        for life in [*self._lives]:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    def _fill(self) -> None:
        while not self._stopped and sum(job.alive for job in self.jobs) < self._width + 1:
            chance = random.Random(f"{self._seed}/{self._count}")
            kinds = [*_PLANS]
            kind = chance.choices(kinds, weights=[_PLANS[k][0] for k in kinds])[0]
            self.begin(kind, _PLANS[kind][1])

    def begin(self, kind: str, plan: dict[str, Any], *, hold: bool = False) -> Job:
        """Begin a task.

        Args:
            kind: What it is called.
            plan: What its agent does; ranges are drawn from.
            hold: Whether it is answered only when `held` is set.
        """
        chance = random.Random(f"{self._seed}/{self._count}")
        number, self._count = self._count, self._count + 1
        drawn: dict[str, Any] = {
            name: _drawn(chance, value) if isinstance(value, tuple) else value
            for name, value in plan.items()
        }
        name = f"{kind.rsplit(maxsplit=1)[-1]}-{self._seed}-{number}"
        job = Job(number, kind, drawn, chance.choice(OWNERS), Story(name, self._bad))
        job.story.busy = drawn["do"] in ("stream", "burst")
        job.story.news = partial(self._heard, job)
        if chance.random() < 0.3 and drawn["do"] != "burst":  # each event is a request
            job.hook = self._receivers.url(name)
        self.jobs.append(job)
        life = asyncio.create_task(self._live(job, chance, hold=hold))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return job

    def _heard(self, job: Job, place: Place) -> None:
        self.events += 1
        if place.end:
            job.ended_at = time.monotonic()
        self._news(job, place)

    async def _live(self, job: Job, chance: random.Random, *, hold: bool) -> None:
        try:
            name, token = job.story.task, self.tokens[job.owner]
            dialect = chance.choice(_SENDS)
            job.hook_each = dialect.startswith("1.0")
            job.task = name if dialect == "0.1" else ""
            opening = job.opening = send(dialect, name, json.dumps(job.plan), token, job.hook)
            path = Path(f"{dialect} sender", job.story, dialect)
            sender = Watcher(self._crowd, path, _BY_DIALECT[dialect], job.task, token, opening)
            begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            sender.began = begun.set_result
            job.watchers.append(sender)
            late = [
                (chance.choice(WAYS), chance.random()) for _ in range(chance.randint(1, self._fan))
            ]
            job.task = await begun
            job.accepted = True
            for way, moment in late:
                if moment > 0.7:  # some come when it goes on already
                    await asyncio.sleep((moment - 0.7) / len(late))
                self.join(job, way)
            if job.plan["do"] == "ask":
                await self._answer(job, hold=hold)
            while not job.done:
                await asyncio.sleep(0.05)
        finally:
            job.alive = False
        self._fill()

    async def _answer(self, job: Job, *, hold: bool) -> None:
        while not job.waits and not job.done:
            await asyncio.sleep(0.05)
        if hold:
            await self.held.wait()
        while not job.done:
            token = self.tokens[job.owner]
            opening = send("1.0", job.story.task, "go on", token, key=job.task)
            path = Path("1.0 answerer", job.story, "1.0")
            path.skips = True
            job.watchers.append(
                Watcher(self._crowd, path, _BY_DIALECT["1.0"], job.task, token, opening)
            )
            for _ in range(_AGAIN):
                await asyncio.sleep(0.1)
                if job.done:
                    return
            if not (job.touched and job.waits):
                return
            # A failover may lose an answer that was accepted, and nothing else: no event tells of it. As customers
            # who wait too long do, this one sends it again; in 1.0 that can't make it two.
            self.repeats += 1

    def join(
        self, job: Job, way: Way, position: str | None = None, *, as_operator: bool = False
    ) -> Watcher:
        """Have one more watch a task.

        Args:
            job: The task.
            way: How.
            position: The position with which it comes.
            as_operator: Whether it is an operator, and knows the task by the id that it is stored under.
        """
        begins = position.encode() if position is not None else None
        path = Path(f"{way.name} {len(job.watchers)}", job.story, way.dialect, begins)
        who, task = (OPERATOR, job.stored) if as_operator else (job.owner, job.task)
        watcher = Watcher(self._crowd, path, way, task, self.tokens[who])
        if as_operator:
            job.operators.append(watcher)
        job.watchers.append(watcher)
        return watcher


def _drawn(chance: random.Random, bounds: tuple[float, float]) -> float:
    if isinstance(bounds[0], int):
        return chance.randint(int(bounds[0]), int(bounds[1]))
    return round(chance.uniform(*bounds), 4)
