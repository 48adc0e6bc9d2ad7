"""Memory: what a task takes in Redis, against what its agent has said."""

from __future__ import annotations

import uuid
from typing import Any

from bench.loading import load
from bench.machine import until_quiet
from bench.requests import JSON, send_subscribe
from bench.rounds import Bench, Outcome, Row
from bench.servers import Server, product, redis
from bench.tasks import backbone, run_async

_SIZES = (10, 110)


def run(bench: Bench) -> Outcome:
    """Measure tasks of two sizes, ended, with all that the product keeps of them."""
    outcome = Outcome()
    tasks = bench.scaled(200, 50)
    found = {size: _measure(bench, size, tasks) for size in _SIZES}
    small, large = (found[size] for size in _SIZES)
    events = large["events"] - small["events"]
    per_event = (large["bytes"] - small["bytes"]) / events
    per_task = small["bytes"] - per_event * small["events"]
    payload = (large["payload"] - small["payload"]) / events
    for size, told in found.items():
        allowed = 1.3 * told["payload"] + 1024
        outcome.rows.append(
            Row(
                f"memory of a task of {told['events']:.0f} events in Redis",
                "≤ 1.3 × payload + 1 KiB",
                f"{told['bytes'] / 1024:.1f} KiB, payload {told['payload'] / 1024:.1f} KiB",
                told["bytes"] / allowed,
                told["bytes"] <= allowed,
            )
        )
        outcome.details[f"{size} chunks"] = told
    outcome.rows.append(
        Row("memory of an event in Redis", "", f"{per_event:.0f} B, payload {payload:.0f} B")
    )
    outcome.rows.append(
        Row("memory of a task in Redis, beside its events", "", f"{per_task:.0f} B")
    )
    return outcome


def _measure(bench: Bench, size: int, tasks: int) -> dict[str, float]:
    with (
        redis(bench.folder, fsync="off") as store,
        product("bench.agents:ChunkingAgent", store, bench.folder) as server,
    ):
        _stream(server, size, 20)  # what is there once isn't a task's
        run_async(_forget_tasks(store))
        until_quiet([server.process])
        before = run_async(_used(store))
        _stream(server, size, tasks)
        until_quiet([server.process])
        used = run_async(_used(store)) - before
        payload, snapshots, events = run_async(_stored(store))
    return {
        "bytes": used / tasks,
        "payload": payload / tasks,
        "snapshot": snapshots / tasks,
        "events": events / tasks,
    }


def _stream(server: Server, size: int, tasks: int) -> None:
    load(
        server.process,
        {
            "mode": "ask",
            "port": server.port,
            "header": JSON,
            "body": send_subscribe(f"m-{uuid.uuid4().hex[:8]}-{{n}}", str(size)),
            "conns": 10,
            "total": tasks,
            "until": "close",
            "seconds": 60,
        },
    )


async def _used(store: Server) -> int:
    """Return the bytes that Redis uses, without those of its connections."""
    async with backbone(store) as manager:
        told: bytes = await manager._store.call("INFO", "memory")
    parts = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
    return int(parts["used_memory"]) - int(parts["mem_clients_normal"])


async def _forget_tasks(store: Server) -> None:
    async with backbone(store) as manager:
        keys: list[bytes] = await manager._store.call("KEYS", "task:*")
        await manager._store.call("DEL", *keys)


async def _stored(store: Server) -> tuple[int, int, int]:
    """Return the bytes of all events and of all snapshots, and how many events there are."""
    payload = snapshots = events = 0
    async with backbone(store) as manager:
        keys: list[bytes] = await manager._store.call("KEYS", "task:*:stream")
        for key in keys:
            entries: list[Any] = await manager._store.call("XRANGE", key, "-", "+")
            events += len(entries)
            payload += sum(len(data) for _, (_, data) in entries)
            snapshots += await manager._store.call("STRLEN", key.removesuffix(b":stream"))
    return payload, snapshots, events
