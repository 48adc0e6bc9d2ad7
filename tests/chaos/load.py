"""A load of customers: they ask for refunds and watch them, one after the other, and wait as long as they are told to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx2

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.event import Event
from chaos.books import Books
from chaos.customers import Customer
from chaos.fleet import until
from chaos.judging import judge_log, judge_lossy_stories, judge_stories, logs_of

PATIENCE = 120.0
"""Seconds after the last fault within which every task must have ended (I8)."""


class Patient(Customer):
    """A customer who waits before they come back as they were told to, and notes when their streams broke.

    Args:
        http: An HTTP client.
        fronts: The fronts that live now.
        task: The task.
        text: What to say; None for one who only watches.
        lossy: Whether a failover may lose what was accepted a moment before: who is told so sends it again.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        fronts: Callable[[], Sequence[str]],
        task: str,
        text: str | None,
        *,
        lossy: bool = False,
    ) -> None:
        super().__init__(http, fronts, task, text)
        self._lossy = lossy
        self.lost = 0
        """How often it was told that there is no such task, and began anew."""
        self.breaks: list[float] = []
        """When a stream ended before its task."""
        self.returns: list[float] = []
        """When it asked again."""
        self.failures: list[str] = []
        """Requests that came to nothing."""

    async def follow(self) -> None:
        """Watch to the end, over any number of connections."""
        while not self.over and len(self.refusals) < 20:
            before, self.doing = self.streams, "asking"
            if self.breaks:
                self.returns.append(time.monotonic())
            try:
                await self._connect(random.choice(self._fronts()))
            except httpx2.TransportError as error:
                if self.streams == before:
                    self.failures.append(f"{type(error).__name__} {error}")
            if self.over:
                return
            if self.streams > before:
                self.breaks.append(time.monotonic())
            if self._lossy and self.refusals and "-32001" in self.refusals[-1]:
                self.refusals.pop()
                self.lost += 1
                self.told.clear()
            self.doing = "waiting before it comes back"
            await asyncio.sleep((self.retry or 1000) / 1000)


class Load:
    """Customers, so many at a time.

    Args:
        seed: Draws how long their tasks take.
        books: The system of record's file.
        clients: How many at a time.
        longest: Seconds that a task takes at most.
        lossy: Whether ends of logs may be lost in failovers.
    """

    def __init__(
        self, seed: int, books: Path, *, clients: int, longest: float, lossy: bool = False
    ) -> None:
        self._lossy = lossy
        self._rng = random.Random(seed)
        self._books = Books(books)
        self._clients = clients
        self._longest = longest
        self._amounts: dict[str, int] = {}
        self._loads: list[asyncio.Task[None]] = []
        self._stopping = False
        self.customers: list[Patient] = []

    async def start(self, http: httpx2.AsyncClient, doors: Callable[[], Sequence[str]]) -> None:
        """Begin, and wait until all of the first have been told something."""
        self._loads = [
            asyncio.create_task(self._run(number, http, doors)) for number in range(self._clients)
        ]
        await until(lambda: bool(self.customers) and all(c.told for c in self.customers), 60)

    async def end(self) -> None:
        """Ask for nothing new, and wait until all has ended."""
        self._stopping = True
        await until(lambda: all(load.done() for load in self._loads), PATIENCE)

    async def aclose(self) -> None:
        """Stop, whatever is under way."""
        for load in self._loads:
            load.cancel()
        await asyncio.gather(*self._loads, return_exceptions=True)

    async def _run(
        self, number: int, http: httpx2.AsyncClient, doors: Callable[[], Sequence[str]]
    ) -> None:
        """One customer after the other; beside every fourth somebody else watches."""
        turn = 0
        while not self._stopping:
            task, amount = f"refund-{number}-{turn}", 100 + 7 * len(self._amounts)
            self._amounts[task] = amount
            seconds = self._rng.uniform(0.2, 1.0) * self._longest
            texts = [f"{seconds:.2f} {amount}", *([None] if number % 4 == 0 else [])]
            both = [Patient(http, doors, task, text, lossy=self._lossy) for text in texts]
            self.customers += both
            await asyncio.gather(*(one.follow() for one in both))
            turn += 1

    async def judge(self, manager: RedisManager) -> tuple[list[str], list[tuple[str, object]]]:
        """Return what must not have happened, and what the load came to."""
        logs = await logs_of(manager, self._amounts)
        payments = self._books.payments()
        paid_in_all = sum(map(len, payments.values()))
        bad: list[str] = []
        for task, events in logs.items():
            bad += judge_log(task, events)
            paid = [amount for amount, _ in payments.pop(task, [])]
            if paid != [self._amounts[task]]:
                bad.append(f"{task}: {self._amounts[task]} was to be paid once, paid were {paid}")
        bad += [f"{task}: paid though nobody asked: {paid}" for task, paid in payments.items()]
        judge = judge_lossy_stories if self._lossy else judge_stories
        bad += judge(logs, self.customers)
        bad += [f"{c.task}: a customer is {c.doing}" for c in self.customers if not c.over]
        bad += [f"{load.exception()!r}" for load in self._loads if load.done() and load.exception()]
        told = sum(len(customer.told) for customer in self.customers)
        taken_up = sum(len({e.position.epoch for e in log}) - 2 for log in logs.values())
        return bad, [
            ("tasks; payments", f"{len(logs)}; {paid_in_all}"),
            ("customers; events told", f"{len(self.customers)}; {told}"),
            ("turns that another process went on with", taken_up),
            ("resets", sum(customer.resets for customer in self.customers)),
            *self._losses(logs),
        ]

    def _losses(self, logs: Mapping[str, Sequence[Event]]) -> list[tuple[str, object]]:
        """Return how often a failover lost what customers had been told, and told them so."""
        if not self._lossy:
            return []
        ends = [c for c in self.customers if c.told and logs[c.task]]
        unheard = sum(c.told[-1].position != str(logs[c.task][-1].position) for c in ends)
        return [
            (
                "tasks that were lost right after they were accepted, sent again",
                sum(c.lost for c in self.customers),
            ),
            ("customers who were told an end that was lost", unheard),
        ]
