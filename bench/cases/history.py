"""History: what an event costs to write and to tell, when 100 went before it and when 100,000 did."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.task import Json
from bench.loading import Loaded, load, undisturbed
from bench.machine import until_quiet
from bench.requests import JSON, V1, subscribe
from bench.rounds import Bench, Outcome, Picture, Row, alternated
from bench.servers import Server, product, redis
from bench.tasks import WORDS, append_template, backbone, chunk, fill, open_task, run_async

_FEW, _MANY = 100, 100_000
_WATCHERS = 100
_ROUNDS = 3
_PERIOD = 0.36
"""A task whose events are three times as heavy as what they leave in it has a snapshot each so many of its length: what
is measured covers one."""
_SETTINGS = {"history_maxlen": 500_000}
"""So that the history is as long as it is said to be."""


def run(bench: Bench) -> Outcome:
    """Measure the cost of an event at several lengths of the history."""
    outcome = Outcome()
    lengths = [_FEW, 3_000] if bench.quick else [_FEW, 1_000, 10_000, _MANY]
    written: dict[int, list[float]] = {n: [] for n in lengths}
    told: dict[int, list[float]] = {n: [] for n in lengths}
    for number in bench.each_round(_ROUNDS):
        with (
            redis(bench.folder) as store,
            product("bench.agents:HoldingAgent", store, bench.folder) as server,
        ):
            for name in alternated([str(n) for n in lengths], number):
                length = int(name)
                count = bench.scaled(max(8_000, int(length * _PERIOD)), 1_000)
                written[length].append(_write(store, length, count))
                told[length].append(_tell(bench, store, server, length))
    most = lengths[-1]
    for what, found in (("written", written), ("told to 100 watchers", told)):
        few, many = statistics.median(found[_FEW]), statistics.median(found[most])
        outcome.rows.append(
            Row(
                f"an event {what}, after {most:,} against after {_FEW}",
                "≤ 1.1 ×",
                f"{many:.1f} : {few:.1f} µs of CPU",
                many / few,
                many / few <= 1.1,
            )
        )
    outcome.pictures["history"] = Picture(
        "Cost of an event against the length of its history",
        "events before it",
        "µs of CPU",
        {
            name: [(n, statistics.median(found[n])) for n in lengths]
            for name, found in (("written", written), ("told to 100 watchers", told))
        },
    )
    outcome.details = {"written, µs": written, "told, µs": told}
    return outcome


def _write(store: Server, length: int, count: int) -> float:
    """Return the CPU of writing an event, the process's and Redis', in microseconds.

    A short history is written on many tasks, so that it stays as short as it is said to be.
    """
    tasks = max(1, count * 2 // length) if length < count else 1
    each = count // tasks

    async def measure() -> float:
        async with backbone(store, **_SETTINGS) as manager:
            jobs: list[tuple[LogWriter, list[Json]]] = []
            for number in range(tasks):
                grant = await open_task(manager, "bench", f"long-{length}-{number}")
                writer = await fill(manager, grant, length)
                jobs.append((writer, [chunk(grant, f"{n:012d} {WORDS}") for n in range(each)]))
            until_quiet([store.process], 2)
            before = time.process_time() + store.process.cpu()
            for writer, events in jobs:
                for event in events:
                    await writer.append(event)
            spent = time.process_time() + store.process.cpu() - before
            await manager._store.call("FLUSHALL")
        return spent * 1e6 / (tasks * each)

    return run_async(measure())


def _tell(bench: Bench, store: Server, server: Server, length: int) -> float:
    """Return the server's CPU of telling an event to all watchers, in microseconds."""
    count = bench.scaled(1500, 300)

    def once() -> Loaded:
        task = f"told-{length}-{time.monotonic_ns()}"
        template = bench.folder / f"{task}.template"
        grant = run_async(_prepare(store, task, length, template))
        until_quiet([server.process, store.process])
        try:
            return load(
                server.process,
                {
                    "port": server.port,
                    "header": [JSON, V1, f"Last-Event-ID: {grant.base}"],
                    "body": subscribe(task),
                    "ready": "head",
                    "conns": _WATCHERS,
                    "to": str(store.port),
                    "template": template,
                    "base": grant.base.offset,
                    "count": count,
                    "window": 1,
                    "seconds": 60,
                },
            )
        finally:
            template.unlink()

    return undisturbed(once, bench.deadline).told["server_s"] * 1e6 / count


async def _prepare(store: Server, task: str, length: int, template: Path) -> Grant:
    """Write a history, and take the lease anew, so that a template can begin with its first call."""
    async with backbone(store, **_SETTINGS) as manager:
        grant = await open_task(manager, "holding", task)
        await fill(manager, grant, length)
        await manager.log.release(grant)
        again = await manager.log.lease(task, "bench-again")
        if not isinstance(again, Grant):
            raise RuntimeError(f"no lease on {task}: {again}")
        await append_template(manager, again, template)
        return again
