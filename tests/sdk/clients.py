"""The official client, in the versions that it speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import AgentCard, AgentInterface, Message, Part, Role, SendMessageRequest


@asynccontextmanager
async def sdk_client(url: str, version: str, *, streaming: bool = True) -> AsyncIterator[Any]:
    """The official client, for one version over JSON-RPC."""
    interface = AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version)
    card = AgentCard(name="Shapes Agent", supported_interfaces=[interface])
    card.capabilities.streaming = True
    async with httpx.AsyncClient(timeout=20) as http:
        config = ClientConfig(httpx_client=http, streaming=streaming)
        yield ClientFactory(config).create(card)


def sending(text: str, message_id: str, **more: Any) -> SendMessageRequest:
    """A message of the official client."""
    said = Message(message_id=message_id, role=Role.ROLE_USER, parts=[Part(text=text)], **more)
    return SendMessageRequest(message=said)


async def told_by(client: Any, request: SendMessageRequest) -> list[Any]:
    """All that a stream tells."""
    return [event async for event in client.send_message(request)]


def last_of(events: list[Any]) -> Any:
    """The last status of a stream."""
    last = events[-1]
    return last.task.status if last.HasField("task") else last.status_update.status


def chunks_of(events: list[Any]) -> str:
    """The text of a stream's artifacts."""
    updates = [event.artifact_update for event in events if event.HasField("artifact_update")]
    return "".join(part.text for update in updates for part in update.artifact.parts)
