"""Running platforms for the conversations' tests: real servers, each with a node of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from a2a_streaming import Agent
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.customer_service.detection import Detector, OfflineDetector
from a2a_streaming.customer_service.intent import IntentAgent
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import serving


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
    patience: float = 30.0,
    detector: Detector | None = None,
) -> AsyncIterator[Client]:
    """Serve an Intent Agent for specialists at these addresses; gives a client of it."""
    agent = IntentAgent(urls, detector or OfflineDetector(), patience=patience)
    try:
        async with served([agent], settings) as url, Client(f"{url}/agents/intent") as client:
            yield client
    finally:
        await agent.aclose()


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
