"""What operators see over HTTP, of two processes of which one is killed; what they do; and who may."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import ANYBODY, Caller, Role
from a2a_streaming.errors import Forbidden
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.ops import Operations
from a2a_streaming.ops.overview import Overview
from a2a_streaming.ops.topic import OperationsTopic
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Scripted, echo
from auth.signing_in import Asking
from conftest import serving
from keyholders import key_for
from processes import started
from tasks import connected, log_of, now_ms, until

APP = "apps.overseen:OverseenAgent"


@dataclass
class Ops:
    """The operators' API of one process."""

    http: httpx2.AsyncClient
    url: str
    headers: dict[str, str]

    async def get(self, path: str, status: int = 200, **asked: Any) -> Any:
        answer = await self.http.get(
            f"{self.url}/ops/api/{path}", params=asked, headers=self.headers
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **told: Any) -> Any:
        url = f"{self.url}/ops/api/{path}"
        answer = await self.http.post(url, json=told, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def send(self, task: str, text: str, **more: Any) -> None:
        """Begin a task, and don't wait for it."""
        said = {"role": "user", "parts": [{"type": "text", "text": text}]}
        params = {"id": task, "message": said, **more}
        body = {"jsonrpc": "2.0", "id": "1", "method": "tasks/sendSubscribe", "params": params}
        async with self.http.stream("POST", f"{self.url}/", json=body, headers=self.headers) as got:
            async for _ in got.aiter_lines():
                return

    async def until(self, task: str, state: str) -> Any:
        """Wait until a task is in a state."""

        async def is_there() -> Any:
            told = await self.get(f"tasks/{task}")
            return told if told["meta"]["state"] == state else None

        return await until(is_there)


@asynccontextmanager
async def operating(
    settings: Settings, http: httpx2.AsyncClient, agent: Any, **changed: Any
) -> AsyncIterator[tuple[Ops, Node]]:
    """A process of the test's own."""
    node = Node([agent], settings.model_copy(update=changed))
    async with serving(node_app(node, {"": agent}, more=Operations(node).routes())) as served:
        yield Ops(http, served.url, {}), node


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"beat_seconds": 0.2})


def two(redis_url: str, tmp_path: Path) -> Any:
    """A front and a worker, in processes of their own."""
    told: dict[str, Any] = {
        "A2A_REDIS_URL": redis_url,
        "A2A_BEAT_SECONDS": "0.2",
        "A2A_LEASE_SECONDS": "2",
        "A2A_SILENT_SECONDS": "1",
    }
    front = started("serve", APP, "--role", "front", data_dir=tmp_path / "front", **told)
    worker = started("serve", APP, "--role", "worker", data_dir=tmp_path / "worker", **told)
    return front, worker


async def truth(manager: RedisManager, raw: redis.asyncio.Redis) -> Counter[str]:
    """How many tasks are in which state, by their logs."""
    states: Counter[str] = Counter()
    async for key in raw.scan_iter(match="task:{*}:stream", count=1000):
        task = key.decode().removeprefix("task:{").removesuffix("}:stream")
        last = [event.state for event in await log_of(manager, task) if event.state is not None]
        states[State(last[-1]).label] += 1
    return states


async def test_two_processes_are_seen_with_what_they_do_and_one_that_is_killed_is_gone(
    http: httpx2.AsyncClient,
    settings: Settings,
    raw: redis.asyncio.Redis,
    redis_url: str,
    tmp_path: Path,
) -> None:
    one, other = two(redis_url, tmp_path)
    with one as front, other as worker:
        ops = Ops(http, front.url, {})
        texts = ["done", "ask", "fail", "hang"]
        for n in range(40):
            await ops.send(f"t{n}", texts[n % 4])
        for n in range(40):
            await ops.until(f"t{n}", ["completed", "input-required", "failed", "working"][n % 4])

        async def is_told() -> Any:
            told = await ops.get("summary")
            counted = told["tenMinutes"]["duration"]["count"] == 20
            # Each process says it at its own beat, and Redis whenever it is asked.
            running = sum(node["runs"] for node in told["nodes"]) == 10
            there = counted and running and told["states"].get("working") == 10
            return told if there else None

        told = await until(is_told)
        roles = {node["role"]: node for node in told["nodes"]}
        assert set(roles) == {"front", "worker"}
        assert roles["worker"]["runs"] == 10
        assert roles["worker"]["agents"] == ["overseen"]
        assert roles["worker"]["pid"] == worker.process.pid
        assert not roles["worker"]["draining"]
        async with connected(settings) as manager:
            assert told["states"] == await truth(manager, raw) == told["agents"]["overseen"]
        assert told["tenMinutes"]["firstEvent"]["count"] == 40
        assert (
            0 < told["tenMinutes"]["firstEvent"]["p50"] <= told["tenMinutes"]["firstEvent"]["p99"]
        )
        series = told["series"]
        assert sum(series["tasks"]) * series["stepMs"] / 1000 <= 40
        assert {len(points) for key, points in series.items() if isinstance(points, list)} == {300}
        [queue] = told["queues"]
        assert (queue["agent"], queue["waiting"], queue["oldestMs"]) == ("overseen", 0, None)
        assert queue["pending"] == 10

        assert worker.ended(signal.SIGKILL) == -signal.SIGKILL
        await ops.send("later", "done")

        async def is_gone() -> Any:
            told = await ops.get("summary")
            return told if [node["role"] for node in told["nodes"]] == ["front"] else None

        told = await until(is_gone)
        [queue] = told["queues"]
        assert queue["waiting"] == 1
        assert queue["oldestMs"] > 0
        assert told["tenMinutes"]["duration"]["count"] == 20  # what it did is still told

        async def are_silent() -> Any:
            found = await ops.get("tasks", silent="true")
            return found if len(found["tasks"]) == 11 else None

        silent = await until(are_silent)
        assert {task["state"] for task in silent["tasks"]} == {"working", "submitted"}
        assert all(task["silentMs"] >= 1000 for task in silent["tasks"])

        async def are_counted() -> bool:
            return (await ops.get("summary"))["silent"] == 11

        await until(are_counted)


async def test_a_process_that_drains_says_so_and_one_that_ends_is_gone_at_once(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with (
        operating(settings, http, Scripted(echo), beat_seconds=60.0) as (_, node),
        operating(settings, http, Scripted(echo), beat_seconds=60.0) as (_, other),
    ):

        async def nodes() -> dict[str, bool]:
            return {one["name"]: one["draining"] for one in await node.manager.nodes.alive()}

        async def both() -> bool:
            return len(await nodes()) == 2

        await until(both)
        await other.drain()

        async def says_so() -> bool:
            return (await nodes())[other.name]

        await until(says_so)
        await other.aclose()
        assert await nodes() == {node.name: False}


async def pages_of(ops: Ops, **asked: Any) -> list[list[str]]:
    """The table's pages: the tasks' ids."""
    found: list[list[str]] = []
    token = ""
    while True:
        page = await ops.get("tasks", token=token, **asked)
        found.append([task["id"] for task in page["tasks"]])
        if page["next"] is None:
            return found
        token = page["next"]


async def test_the_table_finds_tasks_by_what_is_known_of_them_page_by_page(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with operating(settings, http, Scripted(echo)) as (ops, _):
        for n in range(12):
            await ops.send(f"t{n}", f"hello {n}", sessionId=f"s{n % 3}")
        for n in range(12):
            await ops.until(f"t{n}", "completed")

        async def pages(**asked: Any) -> list[list[str]]:
            return await pages_of(ops, **asked)

        async def ids(**asked: Any) -> list[str]:
            return [task for page in await pages(**asked) for task in page]

        everything = {f"t{n}" for n in range(12)}
        [whole] = await pages()
        assert set(whole) == everything
        by_fives = await pages(size=5)
        assert [len(page) for page in by_fives] == [5, 5, 2]
        assert [task for page in by_fives for task in page] == whole
        assert set(await ids(context="s1")) == {f"t{n}" for n in (1, 4, 7, 10)}
        assert set(await ids(state="completed", agent="scripted", size=4)) == everything
        assert await ids(state="working") == []
        assert await ids(q="hello 7") == ["t7"]
        assert await ids(owner="nobody") == []
        row = (await ops.get("tasks", q="T3"))["tasks"][0]
        assert row["text"] == "hello 3"
        assert row["events"] == 2
        assert row["created"] <= row["changed"]
        assert row["silentMs"] is None
        for wrong in ({"state": "lost"}, {"size": "0"}, {"token": "x"}, {"silent": "long"}):
            await ops.get("tasks", 400, **wrong)


async def test_the_table_finds_tasks_by_their_age(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with operating(settings, http, Scripted(echo)) as (ops, _):
        for n in range(6):
            await ops.send(f"t{n}", f"hello {n}", sessionId=f"s{n % 3}")
        for n in range(6):
            await ops.until(f"t{n}", "completed")

        async def ids(**asked: Any) -> list[str]:
            return [task for page in await pages_of(ops, **asked) for task in page]

        everything = {f"t{n}" for n in range(6)}
        # By age: t0 was accepted and changed an hour ago, t1 accepted then and changed now.
        ago = await now_ms(raw) - 3_600_000
        for task in ("t0", "t1"):
            await raw.hset(f"task:{{{task}}}:meta", "created", str(ago))
        for one in ("agent:scripted", "state:scripted:completed", "owner:", "context:s0"):
            await raw.zadd(f"index:{one}", {"t0": ago}, xx=True)
        for size in (1, 50):
            assert await ids(unchanged=1800, size=size) == ["t0"]
            assert set(await ids(older=1800, size=size)) == {"t0", "t1"}
            assert set(await ids(changed=1800, size=size)) == everything - {"t0"}
            assert set(await ids(newer=1800, size=size)) == everything - {"t0", "t1"}
        assert await ids(older=1800, changed=1800, state="completed") == ["t1"]
        assert await ids(unchanged=1800, context="s0") == ["t0"]
        for wrong in ({"older": "long"}, {"newer": "-1"}, {"changed": "nan"}, {"unchanged": "1e9"}):
            await ops.get("tasks", 400, **wrong)


async def test_of_one_task_all_is_told_and_its_log_page_by_page(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with operating(settings, http, Scripted(_looks)) as (ops, node):
        await ops.send("t1", "look")
        told = await ops.until("t1", "completed")
        assert told["task"]["id"] == "t1"
        assert told["meta"]["lease"] is None
        assert told["meta"]["inbox"] == 0
        assert [step["name"] for step in told["steps"] if step["kind"] == "step"] == ["look"]
        assert told["parent"] is None
        assert told["children"] == []
        assert len(told["meta"]["epochs"]) == 2
        async with await node.service("scripted").watch("t1", caller=ANYBODY):

            async def is_watched() -> Any:
                return (await ops.get("tasks/t1"))["watchers"]

            assert await until(is_watched) == [{"node": node.name, "count": 1}]
        log = await log_of(node.manager, "t1")
        found: list[Any] = []
        after = ""
        while True:
            page = await ops.get("tasks/t1/events", size=2, after=after)
            found += page["events"]
            if page["next"] is None:
                break
            after = page["next"]
        assert [(one["position"], one["event"]) for one in found] == [
            (str(event.position), json.loads(event.data)) for event in log
        ]
        assert found[0]["at"] is not None
        exported = await http.get(f"{ops.url}/ops/api/tasks/t1/events.jsonl")
        assert [json.loads(line) for line in exported.text.splitlines()] == found
        assert "t1.jsonl" in exported.headers["content-disposition"]
        await ops.get("tasks/t1/events", 400, after="somewhere")
        await ops.get("tasks/nothing", 404)
        await ops.get("tasks/nothing/events.jsonl", 404)


async def _looks(run: Any) -> None:
    await run.step("look", lambda: {"found": 1})
    await run.attach("label", "one")
    await run.complete("done")


async def test_operators_try_again_cancel_and_hand_over_what_runs_in_another_process(
    http: httpx2.AsyncClient, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    one, other = two(redis_url, tmp_path)
    with one as front, other as worker:
        ops = Ops(http, front.url, {})
        for task in ("again", "stop", "hand", "frozen"):
            await ops.send(task, "hang")
            await ops.until(task, "working")
        done = await ops.post("tasks/again/retry", reason="it hangs")
        assert done == {"task": "again", "does": "retry", "outcome": "revoked"}
        assert (await ops.until("again", "completed"))["meta"]["attempts"] == 0
        assert (await ops.post("tasks/stop/cancel"))["outcome"] == "canceled"
        assert (await ops.post("tasks/hand/escalate", reason="too slow"))["outcome"] == "asked"
        handed = await ops.until("hand", "input-required")
        assert handed["task"]["status"]["message"]["parts"] == [{"text": "handed over: too slow"}]
        assert handed["task"]["metadata"]["escalated"]["reason"] == "too slow"
        worker.process.send_signal(signal.SIGSTOP)  # it hangs, and renews no lease
        told: dict[str, Any] = {"A2A_REDIS_URL": redis_url, "A2A_LEASE_SECONDS": "2"}
        with started("serve", APP, data_dir=tmp_path / "next", **told):
            await ops.post("tasks/frozen/escalate", reason="frozen")
            await ops.until("frozen", "input-required")
        await ops.post("tasks/again/retry", 400)
        await ops.post("tasks/again/escalate", 400)
        await ops.post("tasks/again/cancel", 400)
        await ops.post("tasks/nothing/retry", 404)
        await ops.post("tasks/hand/retry", 400, reason=7)
        entries: Any = await raw.xrange("audit")
        noted = [entry for _, entry in entries]
        assert (b"escalate", b"too slow") in {(e[b"does"], e.get(b"reason")) for e in noted}


async def test_only_operators_may_and_what_they_do_is_audited(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    changed = settings.model_copy(update={"auth_keys": True})
    async with operating(changed, http, Asking()) as (ops, node):
        await node.ready()
        keys = {role: await key_for(node, f"{role}-1", role) for role in Role}
        await ops.get("summary", 401)
        for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE):
            ops.headers = {"X-API-Key": keys[role]}
            await ops.get("summary", 403)
            await ops.post("tasks/t1/retry", 403)
        ops.headers = {"X-API-Key": keys[Role.CUSTOMER]}
        await ops.send("t1", "go")
        stored = Caller("customer-1").stored_id("t1")
        ops.headers = {"X-API-Key": keys[Role.OPERATOR]}
        assert (await ops.until(stored, "completed"))["task"]["id"] == stored
        assert [task["id"] for task in (await ops.get("tasks"))["tasks"]] == [stored]
        for _ in range(3):  # a page looks again and again
            await ops.get("tasks")
            await ops.get(f"tasks/{stored}")
            await ops.get(f"tasks/{stored}/events")
        await ops.post(f"tasks/{stored}/retry", 400, reason="again")
        entries: Any = await raw.xrange("audit")
        noted = [entry for _, entry in entries]
        does = [entry[b"does"].decode() for entry in noted if entry[b"actor"] == b"operator-1"]
        assert sorted(does) == ["get", "history", "list", "retry"]
        # Each who looks is noted.
        ops.headers = {"X-API-Key": await key_for(node, "operator-2", Role.OPERATOR)}
        await ops.get(f"tasks/{stored}")
        entries = await raw.xrevrange("audit", count=1)
        [(_, last)] = entries
        assert (last[b"actor"], last[b"does"]) == (b"operator-2", b"get")


async def test_the_topic_is_told_to_operators_alone_and_anew_when_something_changes(
    http: httpx2.AsyncClient, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with operating(settings, http, Scripted(echo)) as (ops, node):
        await node.ready()
        topic = OperationsTopic(Overview(node), node.settings)
        topic.admit(ANYBODY)
        with pytest.raises(Forbidden):
            topic.admit(Caller("ann"))
        version, told = await topic.next(ANYBODY, None)
        assert {"at", "nodes", "queues", "states", "agents", "rates", "silent"} < told.keys()
        await ops.send("t1", "hello")
        while told["states"].get("completed") != 1:
            before = version
            version, told = await topic.next(ANYBODY, version)
            assert version != before
