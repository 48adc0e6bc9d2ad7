"""Idle watchers: what each costs in the process's memory while nothing happens."""

from __future__ import annotations

from bench.loading import Loaded, load
from bench.requests import EACH_ITS_OWN, JSON, V1, subscribe
from bench.rounds import Bench, Outcome, at_most
from bench.servers import Server, product, redis
from bench.tasks import backbone, open_task, run_async


def run(bench: Bench) -> Outcome:
    """Measure memory: all watchers of one task, and ten of each of many."""
    outcome = Outcome()
    wanted = bench.scaled(10_000, 1_000)
    watchers = min(wanted, bench.files - 500)
    if watchers < wanted:
        outcome.notes.append(f"idle: only {bench.files} open files are allowed here.")
    for tasks in (1, watchers // 10):
        with (
            redis(bench.folder) as store,
            product("bench.agents:HoldingAgent", store, bench.folder) as server,
        ):
            run_async(_prepare(store, tasks))
            _hold(server, 100, tasks, 0.2)  # what is loaded at the first request isn't a watcher's
            loaded = _hold(server, watchers, tasks, bench.scaled(2, 1))
        told = loaded.told
        each = (told["rss_kb"] - told["rss_before_kb"]) / watchers
        of = "one task" if tasks == 1 else f"{tasks:,} tasks"
        work = f"idle watcher, {watchers:,} of {of} on one process"
        outcome.rows.append(at_most(work, 12, [each], "KiB", 1))
        outcome.details[work] = dict(told)
    return outcome


async def _prepare(store: Server, tasks: int) -> None:
    async with backbone(store) as manager:
        for number in range(tasks):
            await open_task(manager, "holding", f"idle-{number}")


def _hold(server: Server, watchers: int, tasks: int, seconds: float) -> Loaded:
    return load(
        server.process,
        {
            "port": server.port,
            "header": [JSON, V1],
            "body": subscribe("idle-{t}", EACH_ITS_OWN),
            "tasks": tasks,
            "conns": watchers,
            "hold": seconds,
            "seconds": 120,
        },
    )
