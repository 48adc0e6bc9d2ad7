"""Replicas that are waited for: what was acknowledged is there, and what isn't there wasn't acknowledged."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.backbone.rights import user
from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.cli.stores import store_url
from a2a_streaming.errors import StoreUnavailable, Unconfirmed
from a2a_streaming.metrics import UNCONFIRMED
from a2a_streaming.settings import Settings
from chaos.proxy import Proxy
from conftest import Served, serving
from servers import Server, replicated, wanted
from tasks import connected, offer
from tasks import until as eventually

pytestmark = pytest.mark.one_server("it has a primary and a replica of its own")
V1 = {"A2A-Version": "1.0"}
HOOK = "http://127.0.0.1:9/hook"


class Asking(Agent):
    """Asks once more, whatever it is told."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        await run.input_required(f"And what after {run.text}?")


@pytest.fixture(scope="module")
def binary() -> Path:
    """The servers' program."""
    return wanted().binary


@pytest.fixture(scope="module")
def pair(binary: Path) -> Iterator[tuple[Server, Server]]:
    """A primary and its replica."""
    with replicated(binary) as servers:
        yield servers


@pytest.fixture
def store(pair: tuple[Server, Server]) -> Server:
    """The primary."""
    return pair[0]


@pytest.fixture
def replica(pair: tuple[Server, Server]) -> Server:
    """The replica."""
    return pair[1]


@pytest.fixture
def redis_url(store: Server) -> str:
    """The primary's address, for a user who may do what all roles may, and no more."""
    told = user("all", "all", password="right")  # noqa: S106
    store.do("ACL", "SETUSER", *re.findall(r"\([^)]*\)|\S+", told)[1:])
    return f"unix://all:right@{store.socket}"


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    """A server that acknowledges what the replica has."""
    private = {"push_private": True, "redis_replicas": 1, "redis_replicas_ms": 100}
    app = create_app(Asking(), settings=settings.model_copy(update=private))
    async with serving(app) as running:
        yield running


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """A server that stands still, as one whose machine has gone away."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


async def posted(http: httpx2.AsyncClient, served: Served, method: str, params: Any) -> Any:
    """The response to a request."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return await http.post(served.url, json=body, headers=V1)


def saying(message_id: str, **more: Any) -> Any:
    """A message, as parameters."""
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": "a"}], **more}
    return {"message": said}


async def asked_back(http: httpx2.AsyncClient, served: Served) -> str:
    """A task that waits for its customer's answer."""
    told = (await posted(http, served, "SendMessage", saying("m1"))).json()
    task = told["result"]["task"]
    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    return task["id"]


async def test_what_the_replica_may_lack_is_answered_503_and_accepted_once_when_it_is_sent_again(
    http: httpx2.AsyncClient, served: Served, replica: Server, store: Server
) -> None:
    task = await asked_back(http, served)
    hook = {"taskId": task, "id": "h1", "url": HOOK}
    requests = [
        ("SendMessage", saying("m2", taskId=task)),
        ("SendStreamingMessage", saying("m3", taskId=task)),
        ("SendMessage", saying("m4")),
        ("CreateTaskPushNotificationConfig", hook),
        ("DeleteTaskPushNotificationConfig", {"taskId": task, "id": "h1"}),
        ("CancelTask", {"id": task}),
    ]
    late = UNCONFIRMED.labels("late")._value
    before = late.get()
    with stopped(replica):
        refused = [await posted(http, served, *one) for one in requests[:-1]]
    assert [one.status_code for one in refused] == [503] * len(refused)
    assert {one.headers["Retry-After"] for one in refused} == {"2"}
    assert "Send it again" in refused[0].text
    assert late.get() == before + len(refused)
    for one in requests[:-2]:
        assert (await posted(http, served, *one)).status_code == 200
    meta = f"task:{{{task}}}:meta"
    assert {b"m:m2", b"m:m3"} <= set(replica.do("HKEYS", meta))
    assert b"hook:h1" in replica.do("HKEYS", f"task:{{{task}}}:push")
    assert (await posted(http, served, *requests[-2])).status_code == 200
    assert b"hook:h1" not in replica.do("HKEYS", f"task:{{{task}}}:push")
    told = (await posted(http, served, "GetTask", {"id": task})).json()["result"]
    assert [one["messageId"] for one in told["history"] if one["role"] == "ROLE_USER"] == [
        *("m1", "m2", "m3")
    ]
    with stopped(replica):
        assert (await posted(http, served, *requests[-1])).status_code == 503
    ended = (await posted(http, served, *requests[-1])).json()
    assert "already ended as canceled" in str(ended)


async def test_a_failover_keeps_what_was_acknowledged_and_what_it_loses_is_told(
    settings: Settings, binary: Path
) -> None:
    with replicated(binary) as (first, second):
        async with (
            Proxy(str(first.socket)) as proxy,
            connected(
                settings,
                redis_url=f"redis://127.0.0.1:{proxy.port}",
                redis_replicas=1,
                redis_replicas_ms=200,
            ) as manager,
        ):
            kept, lost = offer(message_id="kept"), offer(message_id="lost")
            assert (await manager.inbox.accept(kept)).code == "CREATED"
            await manager.inbox.confirm(kept)
            await manager.webhooks.put(Webhook("t1", "h1", {"url": HOOK}, "1.0"))
            # From here on the other one lacks what comes, and then it is the primary.
            second.do("REPLICAOF", "NO", "ONE")
            assert (await manager.inbox.accept(lost)).code == "ACCEPTED"
            proxy.target = str(second.socket)
            proxy.cut()
            first.do("REPLICAOF", "127.0.0.1", second.port)
            counted = UNCONFIRMED.labels("lost")._value
            before = counted.get()
            with pytest.raises(Unconfirmed):
                await manager.inbox.confirm(lost)
            assert counted.get() == before + 1
            assert [one.id for one in await manager.webhooks.of_task("t1")] == ["h1"]
            assert (await manager.inbox.accept(kept)).code == "JOINED"
            assert (await manager.inbox.accept(lost)).code == "ACCEPTED"

            async def is_confirmed() -> bool:
                try:
                    await manager.inbox.confirm(lost)
                except Unconfirmed:
                    return False
                return True

            await eventually(is_confirmed)  # once the old one follows the new one
            assert first.do("HEXISTS", manager.keys.meta("t1"), "m:lost")


async def test_who_comes_while_the_replica_is_waited_for_shares_the_next_wait(
    settings: Settings, store: Server, replica: Server
) -> None:
    async with connected(settings, redis_replicas=1, redis_replicas_ms=5000) as manager:
        offers = [offer(f"t{n}") for n in range(100)]
        for one in offers:
            await manager.inbox.accept(one)
        store.do("CONFIG", "RESETSTAT")
        await asyncio.gather(*(manager.inbox.confirm(one) for one in offers))
        assert all(replica.do("EXISTS", manager.keys.meta(one.task_id)) for one in offers)
        assert waits(store) <= 3


async def test_whoever_waits_no_more_takes_nobody_with_them(
    settings: Settings, replica: Server
) -> None:
    async with connected(settings, redis_replicas=1, redis_replicas_ms=5000) as manager:
        one, other = offer("t1"), offer("t2")
        await manager.inbox.accept(one)
        await manager.inbox.accept(other)
        with stopped(replica):
            leaves = asyncio.create_task(manager.inbox.confirm(one))
            stays = asyncio.create_task(manager.inbox.confirm(other))
            await asyncio.sleep(0)
            leaves.cancel()
        await stays
        with stopped(replica):
            waits_on = asyncio.create_task(manager.inbox.confirm(one))
            await asyncio.sleep(0)
            await manager.aclose()
            with pytest.raises(Unconfirmed):
                await waits_on


async def test_nothing_is_waited_for_unless_it_is_asked_for(
    settings: Settings, store: Server, replica: Server
) -> None:
    store.do("CONFIG", "RESETSTAT")
    async with connected(settings) as manager:
        with stopped(replica):
            await manager.inbox.accept(offer())
            await manager.inbox.confirm(offer())
            await manager.webhooks.put(Webhook("t1", "h1", {"url": HOOK}, "1.0"))
        assert waits(store) == 0


async def test_replicas_can_t_be_asked_of_the_embedded_store(settings: Settings) -> None:
    alone = settings.model_copy(update={"redis_url": "", "redis_replicas": 1})
    with pytest.raises(StoreUnavailable, match="no replicas"):
        async with store_url(alone):
            pass


def waits(store: Server) -> int:
    """How often WAIT was called."""
    stats = store.do("INFO", "commandstats")
    text = stats.decode() if isinstance(stats, bytes) else str(stats)
    found = re.search(r"cmdstat_wait['\"]?:\D*calls\D*(\d+)", text)
    return int(found[1]) if found else 0
