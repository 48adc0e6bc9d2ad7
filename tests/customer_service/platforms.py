"""Running platforms for the conversations' tests: real servers, each with a node of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from a2a_streaming import Agent
from a2a_streaming.caller import Role
from a2a_streaming.cli.door import NodeDoor
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.customer_service.detection import (
    Detector,
    Intent,
    OfflineDetector,
    Reading,
    Specialist,
)
from a2a_streaming.customer_service.intent import IntentAgent
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.customer_service.records import Records
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.ops import Operations
from a2a_streaming.settings import Settings
from a2a_streaming.web import Web
from apps.parcels import ParcelsAgent
from conftest import serving
from keyholders import key_for

PARCELS = ParcelsAgent.card
"""The card of a specialist that no rule knows."""


class Reads(OfflineDetector):
    """A detector that reads the same in whatever it is shown.

    Args:
        intents: What it reads.
        alternatives: What else that may mean.
    """

    def __init__(self, *intents: Intent, alternatives: Sequence[Intent] = ()) -> None:
        super().__init__()
        self._reading = Reading(intents, "offline", alternatives=tuple(alternatives))

    async def detect(
        self,
        text: str,  # noqa: ARG002
        routes: Sequence[Specialist],  # noqa: ARG002
        *,
        ledger: object = None,  # noqa: ARG002
    ) -> Reading:
        return self._reading


@asynccontextmanager
async def served(agents: Sequence[Agent], settings: Settings) -> AsyncIterator[str]:
    """Serve agents under /agents/<name>; gives the server's address."""
    node = Node(agents, settings)
    app = node_app(node, {f"/agents/{agent.name}": agent for agent in agents})
    async with serving(app) as server:
        yield server.url


@asynccontextmanager
async def intent_agent(
    urls: Sequence[str],
    settings: Settings,
    *,
    detector: Detector | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    """Serve an Intent Agent for specialists at these addresses; gives a client of it."""
    agent = IntentAgent(urls, detector or OfflineDetector(), **options)
    try:
        async with served([agent], settings) as url, Client(f"{url}/agents/intent") as client:
            yield client
    finally:
        await agent.aclose()


@asynccontextmanager
async def front(
    specialists: Sequence[str], settings: Settings, **options: Any
) -> AsyncIterator[Front]:
    """Serve the Intent Agent as the platform does: with people, and the API by which they answer."""
    named = settings.model_copy(update={"agents": list(specialists)})
    # In a thread: an intent model is read from the disk.
    platform = await asyncio.to_thread(Platform, named, "", only=("intent",), **options)
    node = Node(platform.agents, named)
    door = NodeDoor(node, "intent")
    web = Web(node, (), topics=platform.topics(door), customers=platform.demo_customers)
    more = [*platform.routes(door), *Operations(node).routes(), *web.routes()]
    await platform.start()
    try:
        async with serving(node_app(node, {"": node.agents[0]}, more=more)) as server:
            yield Front(node, server.url, platform)
    finally:
        await platform.stop()


@dataclass(frozen=True)
class Front:
    """A running Intent Agent with people behind it."""

    node: Node
    url: str
    platform: Platform

    @property
    def records(self) -> Records:
        """The systems of record."""
        return self.platform.records

    @asynccontextmanager
    async def customer(self, subject: str = "") -> AsyncIterator[Client]:
        """A customer; without authentication if they have no name."""
        key = await key_for(self.node, subject) if subject else None
        async with Client(self.url, token=key) as client:
            yield client

    @asynccontextmanager
    async def person(self, name: str) -> AsyncIterator[Client]:
        """Somebody who answers customers, with a client of A2A."""
        key = await key_for(self.node, name, Role.AGENT)
        async with Client(self.url, token=key) as client:
            yield client

    async def ask(
        self,
        who: str,
        verb: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.AGENT,
        key: str = "",
    ) -> httpx2.Response:
        """What the hand-over's API answers a person; one without a name doesn't sign in."""
        headers = {"idempotency-key": key} if key else {}
        if who:
            headers["x-api-key"] = await key_for(self.node, who, role)
        async with httpx2.AsyncClient(timeout=20) as http:
            url = f"{self.url}/handover/{path}"
            return await http.request(verb, url, json=body, headers=headers)

    async def queue(self, who: str = "") -> list[Any]:
        """What waits for people."""
        return (await self.ask(who, "GET", "queue")).json()["waiting"]


async def story(
    client: Client, task: str, text: str | dict[str, Any], after: str | None = None
) -> list[StreamEvent]:
    """One turn of a task, from its first event to its last."""
    return [event async for event in client.send_subscribe(task, text, after=after)]


def text_of(event: StreamEvent) -> str:
    """What an event says."""
    where = event.data["artifact"] if event.kind == "artifact" else event.data["status"]
    parts = where.get("parts") or where.get("message", {}).get("parts", [])
    return "".join(part["text"] for part in parts if part["type"] == "text")


def said(events: Sequence[StreamEvent]) -> list[str]:
    """What the agents say in a story's statuses."""
    return [
        text_of(event)
        for event in events
        if event.kind == "status" and event.data["status"].get("message", {}).get("role") == "agent"
    ]


def artifact(events: Sequence[StreamEvent], name: str) -> tuple[str, dict[str, Any]]:
    """An artifact's text and data, put together from its chunks."""
    index = next(
        event.data["artifact"]["index"]
        for event in events
        if event.kind == "artifact" and event.data["artifact"].get("name") == name
    )
    text, data = "", {}
    for event in events:
        if event.kind == "artifact" and event.data["artifact"]["index"] == index:
            for part in event.data["artifact"]["parts"]:
                text += part.get("text", "")
                data |= part.get("data", {})
    return text, data
