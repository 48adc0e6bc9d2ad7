"""Replay: a history of 2,000 events, to one client and to 50."""

from __future__ import annotations

from bench.loading import Loaded, load, undisturbed
from bench.machine import until_quiet
from bench.requests import JSON, resubscribe
from bench.rounds import Bench, Outcome, at_least
from bench.servers import Server, product, redis
from bench.tasks import backbone, fill, open_task, run_async

EVENTS = 2000
_GOALS = {1: 250_000, 50: 400_000}


def run(bench: Bench) -> Outcome:
    """Measure replays."""
    outcome = Outcome()
    found: dict[int, list[float]] = {clients: [] for clients in _GOALS}
    with (
        redis(bench.folder) as store,
        product("bench.agents:HoldingAgent", store, bench.folder) as server,
    ):
        run_async(_prepare(store))
        for _ in range(3):
            _replay(server, 1)
        for _ in bench.each_round():
            for clients, rates in found.items():
                until_quiet([server.process])
                loaded = undisturbed(lambda n=clients: _replay(server, n), bench.deadline)
                rates.append(loaded.events_a_second)
    for clients, rates in found.items():
        whom = "one client" if clients == 1 else f"{clients} clients at once"
        work = f"replay of {EVENTS:,} events to {whom}"
        outcome.rows.append(at_least(work, _GOALS[clients], rates, "events/s"))
        outcome.details[work] = rates
    return outcome


async def _prepare(store: Server) -> None:
    async with backbone(store) as manager:
        grant = await open_task(manager, "holding", "replayed")
        await fill(manager, grant, EVENTS)


def _replay(server: Server, clients: int) -> Loaded:
    """Let clients ask for the whole story, each some times."""
    return load(
        server.process,
        {
            "mode": "ask",
            "port": server.port,
            "header": [JSON, "A2A-Version: 0.1"],
            "body": resubscribe("replayed"),
            "conns": clients,
            "total": clients * (20 if clients == 1 else 2),
            "until": EVENTS,
            "seconds": 60,
        },
    )
