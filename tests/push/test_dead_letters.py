"""Webhooks that are given up are kept, listed and replayed: then they are told all that they weren't, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from a2a_streaming.caller import Caller, Role
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.ops import Operations
from a2a_streaming.settings import Settings
from agents import Scripted, echo
from conftest import serving
from keyholders import key_for
from processes import ran
from push.pushing import ends, hook, hooked, pushing, says, until_settled
from receivers import receiving
from tasks import connected, lifetimes, until

QUICK: dict[str, Any] = {
    "push_private": True,
    "push_retry_first_seconds": 0.01,
    "push_retry_longest_seconds": 0.05,
    "push_retry_seconds": 0.05,
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=QUICK)


@asynccontextmanager
async def operating(settings: Settings, **changed: Any) -> AsyncIterator[tuple[str, Node]]:
    """A process with the operators' API."""
    agent = Scripted(echo)
    node = Node([agent], settings.model_copy(update=changed))
    async with serving(node_app(node, {"": agent}, more=Operations(node).routes())) as served:
        yield f"{served.url}/ops/api/dead-letters", node


async def test_what_a_receiver_missed_in_an_outage_is_told_in_order_when_it_is_replayed(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with (
        operating(settings) as (url, node),
        receiving() as receiver,
        receiving() as other,
    ):
        manager = node.manager
        writer = await hooked(manager, "t1", receiver, other)
        await says(writer, "one")
        await receiver.until(2)
        receiver.failing = 1_000_000
        await says(writer, "two")

        async def letters() -> Any:
            return (await http.get(url)).json()["letters"]

        [letter] = await until(letters)
        await says(writer, "three")
        await ends(writer)
        await other.until(5)
        await until_settled(raw)
        [letter] = await letters()
        assert (letter["task"], letter["webhook"], letter["url"]) == ("t1", "hook0", receiver.url)
        assert letter["reason"] == "HTTP 503"
        assert letter["tries"] > 1
        assert letter["waiting"] == 3
        assert letter["told"].endswith("-2")
        assert receiver.offsets == [1, 2]
        assert [one.id for one in await manager.webhooks.of_task("t1")] == ["hook1"]
        await lifetimes(raw)
        tried = receiver.tried[2][0]
        receiver.failing = 0
        answer = await http.post(f"{url}/t1/hook0/replay")
        assert answer.json() == {"replayed": 1}
        await receiver.until(5)
        assert receiver.offsets == [1, 2, 3, 4, 5]
        assert receiver.ids[2] == tried  # the same event has the same id
        assert await letters() == []
        assert (await http.post(f"{url}/t1/hook0/replay")).status_code == 404
        assert other.offsets == [1, 2, 3, 4, 5]


async def test_a_receivers_letters_are_replayed_together_and_others_stay(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with receiving() as one, receiving() as other, operating(settings) as (url, node):
        one.failing = other.failing = 1_000_000
        for n in range(5):
            await ends(await hooked(node.manager, f"t{n}", one if n % 2 else other))

        async def told(**asked: Any) -> Any:
            return (await http.get(url, params=asked)).json()

        async def are_there() -> bool:
            return len((await told())["letters"]) == 5

        await until(are_there)
        pages: list[list[str]] = []
        token = ""
        while True:
            page = await told(size=2, token=token)
            pages.append([letter["task"] for letter in page["letters"]])
            if page["next"] is None:
                break
            token = page["next"]
        assert sorted(task for page in pages for task in page) == ["t0", "t1", "t2", "t3", "t4"]
        assert max(map(len, pages)) == 2
        receiver = one.url.removesuffix("/hook")
        assert len((await told(receiver=receiver))["letters"]) == 2
        one.failing = 0
        answer = await http.post(f"{url}/replay", json={"receiver": receiver})
        assert answer.json() == {"replayed": 2, "next": None}
        await one.until(4)
        assert {letter["task"] for letter in (await told())["letters"]} == {"t0", "t2", "t4"}
        assert (await http.get(url, params={"token": "nowhere"})).status_code == 400
        assert (await http.get(url, params={"size": "0"})).status_code == 400
        assert (await http.post(f"{url}/replay", json={"receiver": 1})).status_code == 400


async def test_a_webhook_that_its_client_deletes_or_sets_again_is_its_clients(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager, receiving() as receiver, receiving() as moved:
        receiver.failing, receiver.status = 1_000_000, 410  # it says itself that it is gone
        writer = await hooked(manager, "t1", receiver)
        await ends(await hooked(manager, "t2", receiver))
        async with pushing(manager):

            async def are_there() -> bool:
                found, _ = await manager.letters.page("", 10)
                return len(found) == 2

            await until(are_there)
            assert len(receiver.tried) == 2
            await manager.webhooks.delete("t2", "hook0")
            [letter], _ = await manager.letters.page("", 10)
            assert letter.webhook.task_id == "t1"
            await says(writer, "one")
            await hook(manager, "t1", moved)
            assert await manager.letters.replay(letter)
            assert not await manager.letters.replay(letter)
            await ends(writer)
            await until_settled(raw)
        assert sorted(set(moved.offsets)) == [1, 2, 3]
        assert moved.offsets[-1] == 3
        assert len(receiver.tried) == 2
        assert await manager.letters.page("", 10) == ([], "")


async def test_letters_whose_time_is_over_are_forgotten(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager, receiving() as receiver, pushing(manager):
        receiver.failing, receiver.status = 2, 410
        for task in ("t1", "t2"):
            await hooked(manager, task, receiver)

        async def are_there() -> Any:
            found, _ = await manager.letters.page("", 10)
            return found if len(found) == 2 else None

        [old, _] = await until(are_there)
        name, key = f"{old.webhook.task_id} hook0", f"task:{{{old.webhook.task_id}}}:push"
        before = old.at - (settings.push_dead_ttl + 60) * 1000
        await raw.zadd("index:dead", {name: before})
        letter = json.loads(old.raw)
        letter["failing"]["until"] = before
        await raw.hset(key, "dead:hook0", json.dumps(letter))
        [left], _ = await manager.letters.page("", 10)
        assert left.webhook.task_id != old.webhook.task_id
        assert await manager.letters.get(old.webhook.task_id, "hook0") is None
        assert await raw.zcard("index:dead") == 1


async def test_letters_are_for_operators_are_audited_and_tell_no_secrets(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with operating(settings, auth_keys=True) as (url, node), receiving() as receiver:
        keys = {role: await key_for(node, f"{role}-1", role) for role in Role}
        receiver.failing, receiver.status = 1, 410
        config = {
            "url": receiver.url,
            "token": "sesame",
            "authentication": {"scheme": "Bearer", "credentials": "hush"},
        }
        base = url.removesuffix("/ops/api/dead-letters")
        said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
        params = {"message": said, "configuration": {"taskPushNotificationConfig": config}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
        headers = {"X-API-Key": keys[Role.CUSTOMER]}
        sent = (await http.post(f"{base}/rpc/1.0", json=body, headers=headers)).json()
        task = Caller("customer-1").stored_id(sent["result"]["task"]["id"])
        for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE):
            assert (await http.get(url, headers={"X-API-Key": keys[role]})).status_code == 403
        operator = {"X-API-Key": keys[Role.OPERATOR]}

        async def is_there() -> Any:
            answer = await http.get(url, headers=operator)
            return answer if answer.json()["letters"] else None

        listed = await until(is_there)
        assert listed.json()["letters"][0]["owner"] == "customer-1"
        assert "sesame" not in listed.text
        assert "hush" not in listed.text
        replayed = await http.post(f"{url}/replay", json={}, headers=operator)
        assert replayed.json()["replayed"] == 1
        await receiver.until(2)
        assert receiver.taken[0][1]["authorization"] == "Bearer hush"
        entries: Any = await raw.xrange("audit")
        noted = [entry for _, entry in entries if entry[b"actor"] == b"operator-1"]
        assert {entry[b"does"] for entry in noted} == {b"list dead letters", b"replay a webhook"}
        assert noted[-1][b"task"].decode() == task


async def test_the_command_line_lists_and_replays(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    async with receiving() as receiver, operating(settings) as (url, node):
        receiver.failing, receiver.status = 2, 410
        for task in ("t1", "t2"):
            await ends(await hooked(node.manager, task, receiver))
        base = url.removesuffix("/ops/api/dead-letters")

        async def command(*arguments: str) -> tuple[int, str]:
            done = await asyncio.to_thread(ran, "dead-letters", *arguments, A2A_URL=base)
            return done.returncode, done.stdout + done.stderr

        async def are_there() -> bool:
            return len((await node.manager.letters.page("", 10))[0]) == 2

        await until(are_there)
        code, told = await command("list", "--json")
        assert code == 0, told
        lines = told.splitlines()
        assert {json.loads(line)["task"] for line in lines} == {"t1", "t2"}
        code, told = await command("list")
        assert "t1/hook0" in told
        assert "HTTP 410" in told
        assert await command("replay", "t1/hook0", "--all") == (0, "2 replayed\n")
        await receiver.until(4)
        code, told = await command("replay", "t1/hook0")
        assert code == 1
        assert "t1/hook0" in told
