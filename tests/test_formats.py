"""Logs as earlier versions wrote them are told as they were then, and go on; those of newer versions say what to do.

`formats/v<n>` holds what a version stored for a task, and what it told of it. These files are never written anew.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Run
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import NewerFormat, SetupError
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Scripted
from conftest import serving
from streams import called, message, states
from tasks import accepted, connected, log_of

FORMATS = Path(__file__).parent / "formats"
STORED = {path: json.loads(path.read_text()) for path in sorted(FORMATS.glob("v*/*.json"))}
V1 = {"A2A-Version": "1.0"}
KEPT_MS = 3_600_000


async def answer(run: Run) -> None:
    """What this version's agent says to an old task's customer."""
    await run.complete(f"You said {run.text}")


async def store(raw: redis.asyncio.Redis, manager: RedisManager, path: Path) -> dict[str, Any]:
    """Put a task into Redis as an earlier version has left it."""
    stored: dict[str, Any] = STORED[path]
    task, kept = stored["task"]["id"], stored["keys"]
    meta, stream, snapshot, inbox, steps, _ = manager.keys.task(task)
    await raw.hset(meta, mapping=kept["meta"])
    for entry, event in kept["stream"]:
        await raw.xadd(stream, {"e": event}, id=entry)
    if kept["snapshot"]:
        await raw.set(snapshot, kept["snapshot"])
    for entry in kept["inbox"]:
        await raw.rpush(inbox, entry)
    if kept["steps"]:
        await raw.hset(steps, mapping=kept["steps"])
    for key in (meta, stream, snapshot, inbox, steps):
        await raw.pexpire(key, KEPT_MS)
    return stored


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[str, Node]]:
    """This version's server."""
    agent = Scripted(answer)
    node = Node([agent], settings)
    async with serving(node_app(node, {"": agent})) as running:
        yield running.url, node


def test_there_are_logs_of_every_format() -> None:
    assert {path.parent.name for path in STORED} == {f"v{n}" for n in range(1, FORMAT_VERSION + 1)}


async def test_tasks_of_earlier_formats_are_told_as_they_were_in_every_dialect(
    settings: Settings, raw: redis.asyncio.Redis, http: httpx2.AsyncClient
) -> None:
    async with served(settings) as (url, node):
        for path in STORED:
            stored = await store(raw, node.manager, path)
            task = stored["task"]["id"]
            snapshot = await node.manager.snapshots.get(task)
            assert snapshot is not None
            assert snapshot.task == stored["task"], path.name
            assert str(snapshot.position) == stored["position"]

            told = await called(http, f"{url}/", "tasks/resubscribe", task)
            if stored["frames"] is None:  # its beginning had been trimmed
                assert [one.id for one in told] == [stored["position"]]
                assert told[0].data["metadata"]["reset"]["reason"] == "trimmed"
            else:
                got = [[one.id, one.event, one.data] for one in told]
                assert got == stored["frames"], path.name

            now = await http.get(f"{url}/v1/tasks/{task}", headers=V1)
            assert now.json()["status"] == stored["task"]["status"]
            old = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": task}}
            same = (await http.post(f"{url}/rpc/0.3", json=old)).json()["result"]
            assert len(same.get("artifacts", [])) == len(stored["task"].get("artifacts", []))

            # From every position that it had: the rest of the story, and no reset.
            ids = [entry for entry, _ in stored["keys"]["stream"]]
            for place, after in enumerate(ids[:-1]):  # at its end a task that waits stays silent
                rest = await called(http, f"{url}/", "tasks/resubscribe", task, after=after)
                assert [one.id for one in rest] == ids[place + 1 :]


async def test_a_task_of_an_earlier_format_goes_on(
    settings: Settings, raw: redis.asyncio.Redis, http: httpx2.AsyncClient
) -> None:
    async with served(settings) as (url, node):
        for path in STORED:
            stored = await store(raw, node.manager, path)
            task = stored["task"]["id"]
            if State(stored["task"]["status"]["state"]) is not State.INPUT_REQUIRED:
                continue
            told = await called(http, f"{url}/", "tasks/sendSubscribe", task, message("that one"))
            assert states(told)[-1] == "completed"
            whole = await log_of(node.manager, task)
            assert [str(e.position) for e in whole][: len(stored["keys"]["stream"])] == [
                entry for entry, _ in stored["keys"]["stream"]
            ]


async def newer(raw: redis.asyncio.Redis, manager: RedisManager) -> None:
    """A task to which a newer version has written."""
    await accepted(manager)
    entries: Any = await raw.xrange("task:{t1}:stream")
    [(entry, fields)] = entries
    event = json.loads(fields[b"e"])
    event["task"]["metadata"] = {"a2a_streaming": {"v": FORMAT_VERSION + 1}}
    await raw.delete("task:{t1}:stream", "task:{t1}")
    await raw.xadd("task:{t1}:stream", {"e": json.dumps(event)}, id=entry)
    await raw.pexpire("task:{t1}:stream", KEPT_MS)


async def test_a_task_of_a_newer_format_is_left_to_who_can_read_it(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        await newer(raw, manager)
        with pytest.raises(NewerFormat, match=f"format {FORMAT_VERSION + 1}.*Update"):
            await manager.snapshots.get("t1")
        for _ in range(settings.max_attempts + 1):
            with pytest.raises(NewerFormat):
                await manager.log.lease("t1", "w1")
        # No attempt is spent, and nobody has the lease: whoever reads it goes on at once.
        assert await raw.hmget("task:{t1}:meta", "attempts", "holder") == [b"0", None]
        await raw.delete("task:{t1}:stream")
        await accepted(manager, "t2")
        assert isinstance(await manager.log.lease("t2", "w1"), Grant)


async def test_clients_of_a_task_of_a_newer_format_are_told_to_come_back(
    settings: Settings, raw: redis.asyncio.Redis, http: httpx2.AsyncClient
) -> None:
    async with served(settings) as (url, node):
        await newer(raw, node.manager)
        await raw.hset("task:{t1}:meta", "agent", "scripted")
        answer = await http.get(f"{url}/v1/tasks/t1", headers=V1)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Update the process" in answer.text


async def test_a_version_that_is_too_old_for_what_is_in_redis_says_what_to_do(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async def start(**changed: Any) -> None:
        node = Node([Scripted(answer)], settings.model_copy(update=changed), role="front")
        try:
            await node.start()
        finally:
            await node.aclose()

    await start()
    assert await raw.get("format") == str(FORMAT_VERSION).encode()
    assert await raw.ttl("format") > 0
    await raw.set("format", FORMAT_VERSION + 1, ex=100)
    with pytest.raises(SetupError, match=r"Install the version.*A2A_KEY_PREFIX.*backup"):
        await start()
    await start(key_prefix="beside:")
    await raw.set("format", FORMAT_VERSION - 1, ex=100)
    await start()
    assert await raw.get("format") == str(FORMAT_VERSION).encode()
