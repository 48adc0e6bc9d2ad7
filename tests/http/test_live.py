"""What comes live is told alike under our own server, straight to the connections, and under any other one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.http.server import config
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from conftest import Served, serving
from streams import message, request
from tasks import until

SERVERS = pytest.mark.parametrize("ours", [True, False], ids=["our server", "any server"])


class Dictated(Agent):
    """Writes what a test dictates, each as an event of its own."""

    card = agent_card("dictated")

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | None] = asyncio.Queue()

    async def run(self, run: Run) -> None:
        while (word := await self.words.get()) is not None:
            await run.working(word)
        await run.complete("done")


@asynccontextmanager
async def dictating(
    settings: Settings, *, ours: bool
) -> AsyncIterator[tuple[Dictated, Any, Served]]:
    """Serve a task that waits for words."""
    agent = Dictated()
    app = create_app(agent, settings=settings)
    async with serving(app, config=config if ours else None) as served:
        yield agent, app.state.node, served


class Watcher:
    """Reads one stream, frame by frame."""

    def __init__(self, response: httpx2.Response) -> None:
        self._chunks = response.aiter_raw()
        self._decoder = Decoder()
        self.ids: list[str] = []
        self.text = ""

    async def until(self, words: str) -> None:
        """Read until the stream has said these words; to its end if it never does."""
        while words not in self.text:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                return
            self.text += chunk.decode()
            self.ids += [told.id for told in self._decoder.feed(chunk)]


async def watcher(
    stack: AsyncExitStack, http: httpx2.AsyncClient, url: str, body: dict[str, Any], version: str
) -> Watcher:
    """Open a stream."""
    headers = {"A2A-Version": version}
    opened = http.stream("POST", f"{url}/", json=body, headers=headers)
    return Watcher(await stack.enter_async_context(opened))


async def sender(stack: AsyncExitStack, http: httpx2.AsyncClient, url: str) -> Watcher:
    """Begin the task, and watch it; its first event is there."""
    body = request("tasks/sendSubscribe", "t1", message("go"))
    first = await watcher(stack, http, url, body, "0.1")
    await first.until("submitted")
    return first


def subscribing(number: int, method: str) -> dict[str, Any]:
    """A request of its own for a stream."""
    return {"jsonrpc": "2.0", "id": f"r{number}", "method": method, "params": {"id": "t1"}}


async def live(node: Any, task: str = "t1") -> int:
    """How many watchers are told at once."""
    feed = node._feeds._feeds.get(task)
    return 0 if feed is None else sum(len(a.sinks) for a in feed.audiences._audiences.values())


@SERVERS
async def test_watchers_of_every_dialect_are_told_the_same_story_as_it_comes(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    async with dictating(settings, ours=ours) as (agent, node, served), AsyncExitStack() as stack:
        first = await sender(stack, http, served.url)
        others = [
            await watcher(stack, http, served.url, subscribing(number, method), version)
            for number in range(3)
            for method, version in (
                ("SubscribeToTask", "1.0"),
                ("tasks/resubscribe", "0.3"),
                ("tasks/resubscribe", "0.1"),
            )
        ]
        for one in others:
            await one.until("data:")
        if ours:

            async def all_live() -> bool:
                return await live(node) == 10

            await until(all_live)
        for word in ("one", "two", "three"):
            agent.words.put_nowait(word)
            for one in (first, *others):
                await one.until(word)
        agent.words.put_nowait(None)
        for one in (first, *others):
            await one.until("never said")  # to the end
            assert one.ids == first.ids[-len(one.ids) :]
            assert [int(i.partition("-")[2]) for i in one.ids[-4:]] == [2, 3, 4, 5]
        assert await live(node) == 0


@SERVERS
async def test_who_stops_reading_in_the_middle_misses_nothing_and_holds_up_nobody(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    async with dictating(settings, ours=ours) as (agent, _, served), AsyncExitStack() as stack:
        first = await sender(stack, http, served.url)
        slow = await watcher(stack, http, served.url, subscribing(1, "SubscribeToTask"), "1.0")
        await slow.until("data:")
        for number in range(200):
            agent.words.put_nowait(f"{number} ".ljust(30_000, "-"))
        agent.words.put_nowait("that was a lot")
        await first.until("that was a lot")
        agent.words.put_nowait(None)
        await first.until("never said")
        await slow.until("never said")
        assert slow.ids == first.ids
        assert len(slow.ids) == 203


@SERVERS
async def test_an_event_too_large_to_be_written_to_all_at_once_is_told_all_the_same(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    async with dictating(settings, ours=ours) as (agent, _, served), AsyncExitStack() as stack:
        first = await sender(stack, http, served.url)
        for word in ("small", "x" * 300_000, "small again"):
            agent.words.put_nowait(word)
            await first.until(word)
        agent.words.put_nowait(None)
        await first.until("never said")
        assert [int(i.partition("-")[2]) for i in first.ids] == [1, 2, 3, 4, 5]


@SERVERS
async def test_a_live_stream_that_is_silent_sends_comments(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    beating = settings.model_copy(update={"heartbeat_seconds": 0.05})
    async with dictating(beating, ours=ours) as (agent, _, served), AsyncExitStack() as stack:
        first = await sender(stack, http, served.url)
        await first.until(": \n: \n")
        agent.words.put_nowait("after the silence")
        await first.until("after the silence")
        agent.words.put_nowait(None)
        await first.until("never said")
        for block in re.sub(r"^: \n", "", first.text, flags=re.MULTILINE).split("\n\n")[:-1]:
            [told] = re.findall(r"^data: (.*)$", block, re.MULTILINE)
            json.loads(told)


async def test_who_leaves_is_told_nothing_more(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with dictating(settings, ours=True) as (agent, node, served):
        async with AsyncExitStack() as stack:
            await sender(stack, http, served.url)

            async def is_live() -> bool:
                return await live(node) == 1

            await until(is_live)

        async def is_gone() -> bool:
            return not node._feeds._feeds["t1"].watchers

        await until(is_gone)
        agent.words.put_nowait(None)


async def test_a_drain_ends_live_streams_for_their_clients_to_come_back(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with dictating(settings, ours=True) as (_, node, served), AsyncExitStack() as stack:
        first = await sender(stack, http, served.url)
        await node.drain()
        await first.until("never said")  # ends clean
        assert '"final":true' not in first.text
