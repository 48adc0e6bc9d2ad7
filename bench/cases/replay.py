"""Replay: a history of 2,000 events, to one client and to 50; and such that this process never read before."""

from __future__ import annotations

from collections.abc import Sequence

from bench.loading import Loaded, load, undisturbed
from bench.machine import until_quiet
from bench.requests import JSON, resubscribe
from bench.rounds import Bench, Outcome, at_least
from bench.servers import Server, product, redis
from bench.tasks import backbone, fill, open_task, run_async

EVENTS = 2000
_FRESH = 10
"""Histories of a round that nobody read before."""
_GOALS = {1: 250_000, 50: 400_000}


def run(bench: Bench) -> Outcome:
    """Measure replays."""
    outcome = Outcome()
    found: dict[int, list[float]] = {clients: [] for clients in _GOALS}
    fresh: list[float] = []
    with (
        redis(bench.folder) as store,
        product("bench.agents:HoldingAgent", store, bench.folder) as server,
    ):
        run_async(_prepare(store, ["replayed"]))
        for _ in range(3):
            _replay(server, 1)
        for number in bench.each_round():
            run_async(_prepare(store, [f"fresh-{number}-{n}" for n in range(_FRESH)]))
            until_quiet([server.process])
            fresh.append(_replay(server, 1, f"fresh-{number}-{{n}}", _FRESH).events_a_second)
            for clients, rates in found.items():
                until_quiet([server.process])
                loaded = undisturbed(lambda n=clients: _replay(server, n), bench.deadline)
                rates.append(loaded.events_a_second)
    for clients, rates in found.items():
        whom = "one client" if clients == 1 else f"{clients} clients at once"
        work = f"replay of {EVENTS:,} events to {whom}"
        outcome.rows.append(at_least(work, _GOALS[clients], rates, "events/s"))
        outcome.details[work] = rates
    work = f"replay of {EVENTS:,} events that this process never read, to one client"
    outcome.rows.append(at_least(work, _GOALS[1], fresh, "events/s"))
    outcome.details[work] = fresh
    return outcome


async def _prepare(store: Server, tasks: Sequence[str]) -> None:
    async with backbone(store) as manager:
        for task in tasks:
            await fill(manager, await open_task(manager, "holding", task), EVENTS)


def _replay(
    server: Server, clients: int, task: str = "replayed", total: int | None = None
) -> Loaded:
    """Let clients ask for whole stories, each some times."""
    return load(
        server.process,
        {
            "mode": "ask",
            "port": server.port,
            "header": [JSON, "A2A-Version: 0.1"],
            "body": resubscribe(task),
            "conns": clients,
            "total": total or clients * (20 if clients == 1 else 2),
            "until": EVENTS,
            "seconds": 60,
        },
    )
