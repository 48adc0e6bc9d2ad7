"""Servers with pages, and what reads their one stream, in tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.caller import Caller
from a2a_streaming.http.app import node_app
from a2a_streaming.http.server import config
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from a2a_streaming.task import Json
from a2a_streaming.topic import Topic
from a2a_streaming.web import Place, Web
from conftest import serving
from streams import message, request


class Dictated(Agent):
    """Writes what a test dictates, each as an event of its own."""

    card = agent_card("dictated")

    def __init__(self) -> None:
        self.words: dict[str, asyncio.Queue[str | None]] = {}

    def of(self, text: str) -> asyncio.Queue[str | None]:
        """What is dictated to the task whose customer said this."""
        return self.words.setdefault(text, asyncio.Queue())

    async def run(self, run: Run) -> None:
        words = self.of(run.text)
        while (word := await words.get()) is not None:
            await run.working(word)
        await run.complete(f"done for {run.owner or 'anybody'}")


class Asking(Agent):
    """Asks once; then it is done."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        if run.text == "go":
            await run.complete("done")
        else:
            await run.input_required("What else?")


class Counter(Topic):
    """A topic that is a number; a test counts.

    Args:
        weight: The bytes of what it says.
    """

    name = "counter"

    def __init__(self, weight: int = 0) -> None:
        self._weight = weight
        self.number = 0
        self.asked = 0
        self._changed = asyncio.Event()

    def count(self) -> None:
        """Count one more."""
        self.number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def admit(self, caller: Caller) -> None:
        """Everybody."""

    async def next(self, caller: Caller, seen: str | None) -> tuple[str, Json]:  # noqa: ARG002
        self.asked += 1
        while seen == str(self.number):
            await self._changed.wait()
        return str(self.number), {"number": self.number, "x": "x" * self._weight}


@dataclass(frozen=True)
class Told:
    """One frame of the stream."""

    event: str
    id: str
    data: dict[str, Any]

    @property
    def text(self) -> str:
        """What a status says."""
        said = self.data.get("statusUpdate", {}).get("status", {}).get("message", {})
        return "".join(part.get("text", "") for part in said.get("parts", []))


class Stream:
    """A page's stream, frame by frame."""

    def __init__(self, response: httpx2.Response) -> None:
        self._chunks = response.aiter_raw()
        self._decoder = Decoder()
        self._told: list[Told] = []

    async def next(self) -> Told | None:
        """The next frame; None at the end."""
        while not self._told:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                return None
            for one in self._decoder.feed(chunk):
                has_id = one.event in ("task", "status", "artifact", "message", "reset")
                told = Told(one.event, one.id if has_id else "", json.loads(one.data))
                self._told.append(told)
        return self._told.pop(0)

    async def rest(self) -> list[Told]:
        """All that is left, to the end."""
        told: list[Told] = []
        while (one := await self.next()) is not None:
            told.append(one)
        return told

    async def until(self, **texts: str) -> list[Told]:
        """Read until each of these tasks has said its text."""
        told: list[Told] = []
        open_texts = dict(texts)
        while open_texts:
            one = await self.next()
            assert one is not None, f"ended before {open_texts}"
            told.append(one)
            task = one.id.rpartition("@")[0]
            if open_texts.get(task) == one.text:
                del open_texts[task]
        return told


@dataclass(frozen=True)
class Site:
    """A server with pages."""

    url: str
    node: Node
    http: httpx2.AsyncClient

    async def begin(
        self, task: str, text: str = "hello", *, agent: str = "", **headers: str
    ) -> Any:
        """Send a message to a task, and don't wait for its turn."""
        body = request("tasks/send", task, message(text))
        return (await self.http.post(f"{self.url}{agent}/", json=body, headers=headers)).json()

    async def ask(self, body: Any, query: str = "", **headers: str) -> httpx2.Response:
        """Ask for the stream, and get a refusal, or a stream that ends."""
        return await self.http.post(f"{self.url}/web/events{query}", json=body, headers=headers)

    @asynccontextmanager
    async def stream(
        self,
        tasks: dict[str, str | None] | None = None,
        topics: dict[str, str | None] | None = None,
        query: str = "",
        **headers: str,
    ) -> AsyncIterator[Stream]:
        """Open the stream."""
        body = {"tasks": tasks or {}, "topics": topics or {}}
        async with self.http.stream(
            "POST", f"{self.url}/web/events{query}", json=body, headers=headers
        ) as response:
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Stream(response)


@asynccontextmanager
async def site(
    settings: Settings,
    http: httpx2.AsyncClient,
    agents: Sequence[Agent] = (),
    *,
    places: Sequence[Place] = (),
    topics: Sequence[Topic] = (),
    ours: bool = True,
    **changed: Any,
) -> AsyncIterator[Site]:
    """Serve agents, and pages beside them: the first agent at the root, all below `/agents`."""
    agents = agents or [Asking()]
    node = Node(list(agents), settings.model_copy(update={"send_seconds": 0.01, **changed}))
    web = Web(node, places, topics=topics)
    mounts = {"": agents[0]} | {f"/agents/{agent.name}": agent for agent in agents}
    app = node_app(node, mounts, more=web.routes(), page=web.home)
    async with serving(app, config=config if ours else None) as served:
        yield Site(served.url, node, http)
