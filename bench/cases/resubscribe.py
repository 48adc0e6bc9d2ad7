"""The first event of a task that goes on: without authentication, with an API key, with a JWT."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.issuer import issuer
from bench.loading import Loaded, load, undisturbed
from bench.machine import ROOT, environment, until_quiet
from bench.requests import JSON, begin, resubscribe
from bench.rounds import Bench, Outcome, Row, alternated, at_most, spread
from bench.servers import Server, product, redis
from bench.tasks import backbone, fill, open_task, run_async

_EVENTS = 20
_UNWATCHED = "no authentication, of a task that nobody here has watched"
_LIMITS = {"A2A_LIMIT_RATE": "1000000/second", "A2A_LIMIT_STREAMS": "100000"}
"""Limits are kept, and aren't what is measured."""


@dataclass(frozen=True)
class Door:
    """A server, what a caller shows to it, and a task of theirs that stays open.

    Args:
        server: The server.
        headers: What the caller shows.
        task: The task.
    """

    server: Server
    headers: Sequence[str]
    task: str

    @classmethod
    def opened(cls, server: Server, *headers: str) -> Door:
        """Begin a task."""
        return cls(server, headers, begin(server, "resumed", str(_EVENTS), *headers))

    def resume(self, total: int, task: str = "") -> Loaded:
        """Ask for the whole story so many times, one after another, each on a connection of its own.

        Args:
            total: How many times.
            task: Another task than that of the door.
        """
        return load(
            self.server.process,
            {
                "mode": "ask",
                "port": self.server.port,
                "path": "/rpc/0.1",
                "header": [JSON, *self.headers],
                "body": resubscribe(task or self.task),
                "total": total,
                "until": "first",
                "seconds": 60,
            },
        )


def run(bench: Bench) -> Outcome:
    """Measure first events."""
    outcome = Outcome()
    agent = "bench.agents:HoldingAgent"
    with redis(bench.folder) as store, issuer() as signs:
        # Prefixes of keys tell the three installations apart on one Redis.
        keys = {"A2A_AUTH_KEYS": "true", "A2A_KEY_PREFIX": "keys-", **_LIMITS}
        tokens = {**signs.settings, "A2A_KEY_PREFIX": "jwt-", **_LIMITS}
        with (
            product(agent, store, bench.folder) as plain,
            product(agent, store, bench.folder, settings=keys) as keyed,
            product(agent, store, bench.folder, settings=tokens) as signed,
        ):
            token = signs.token("customer-1")
            doors = {
                "no authentication": Door.opened(plain),
                "API key": Door.opened(keyed, f"X-API-Key: {_make_key(store, keys)}"),
                "JWT": Door.opened(signed, f"Authorization: Bearer {token}"),
            }
            time.sleep(0.5)  # the agents say what they have to say
            count = bench.scaled(1500, 300)
            run_async(_prepare(store, count))
            found = _measure(bench, doors, count)
    for name, more in (("no authentication", 0.0), (_UNWATCHED, 0.0), ("API key", 0.1)):
        for quantile, goal in (("p50", 0.25), ("p99", 0.5)):
            work = f"first event of a resubscribe, {name}, {quantile}"
            values = [one.ms("first", quantile) for one in found[name]]
            outcome.rows.append(at_most(work, goal + more, values, "ms"))
    for quantile in ("p50", "p99"):
        told = spread([one.ms("first", quantile) for one in found["JWT"]], lambda v: f"{v:.2f}")
        outcome.rows.append(Row(f"first event of a resubscribe, JWT, {quantile}", "", f"{told} ms"))
    outcome.details = {name: [dict(one.told) for one in runs] for name, runs in found.items()}
    return outcome


async def _prepare(store: Server, count: int) -> None:
    """Begin tasks that nobody watches, each with as long a story as the others."""
    async with backbone(store) as manager:
        for number in range(count):
            await fill(manager, await open_task(manager, "holding", f"resumed-{number}"), _EVENTS)


def _measure(bench: Bench, doors: Mapping[str, Door], count: int) -> dict[str, list[Loaded]]:
    found: dict[str, list[Loaded]] = {name: [] for name in (*doors, _UNWATCHED)}
    processes = [door.server.process for door in doors.values()]
    for door in doors.values():
        door.resume(200)
    for number in bench.each_round():
        for name in alternated(list(found), number):
            until_quiet(processes)
            door = doors.get(name, doors["no authentication"])
            task = "resumed-{n}" if name == _UNWATCHED else ""
            found[name].append(
                undisturbed(lambda d=door, t=task: d.resume(count, t), bench.deadline)
            )
    return found


def _make_key(store: Server, settings: Mapping[str, str]) -> str:
    """Make an API key as a user would."""
    made = subprocess.run(
        [sys.executable, "-m", "a2a_streaming", "keys", "create", "customer-1"],
        env={**environment(), **settings, "A2A_REDIS_URL": f"redis://127.0.0.1:{store.port}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.splitlines()[0]
