"""Callers who sign in with API keys, in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.caller import Role
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import serving
from keyholders import key_for
from streams import message, request

V1, V03 = {"A2A-Version": "1.0"}, {"A2A-Version": "0.3"}


class Asking(Agent):
    """Asks first; a second message completes the task."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        await run.attach("note", f"for {run.owner}")
        if run.text == "go":
            await run.complete(f"done for {run.owner}")
        else:
            await run.input_required("What else?")


@dataclass(frozen=True)
class Customer:
    """Somebody who sends one key with all they ask."""

    http: httpx2.AsyncClient
    url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    async def post(self, body: Any, path: str = "/", **headers: str) -> httpx2.Response:
        return await self.http.post(
            f"{self.url}{path}", json=body, headers={**self.headers, **headers}
        )

    async def asks(self, method: str, version: dict[str, str], **params: Any) -> dict[str, Any]:
        """What JSON-RPC answers."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return (await self.post(body, **version)).json()

    async def rest(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.http.request(
            method, f"{self.url}/v1{path}", json=body, headers={**self.headers, **V1}
        )

    async def begins(self, task: str, text: str = "hello") -> dict[str, Any]:
        """A task of the first dialect, after its first turn."""
        return (await self.post(request("tasks/send", task, message(text)))).json()["result"]

    async def sends(
        self, text: str = "hello", message_id: str = "m1", **more: Any
    ) -> dict[str, Any]:
        """A task of 1.0, after its first turn."""
        said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": text}], **more}
        return (await self.asks("SendMessage", V1, message=said))["result"]["task"]


@dataclass(frozen=True)
class Front:
    """A server whose callers sign in."""

    node: Node
    url: str
    http: httpx2.AsyncClient

    async def customer(self, subject: str, role: Role = Role.CUSTOMER) -> Customer:
        """Somebody with a key of their own."""
        return Customer(self.http, self.url, await key_for(self.node, subject, role))

    async def audit(self) -> list[tuple[str, ...]]:
        """Who did what with whose task."""
        manager = self.node.manager
        entries = await manager._store.call("XRANGE", manager.keys.audit, "-", "+")
        return [tuple(value.decode() for value in fields[1::2]) for _, fields in entries]


@asynccontextmanager
async def front(
    settings: Settings, http: httpx2.AsyncClient, *, agent: Agent | None = None, **changed: Any
) -> AsyncIterator[Front]:
    """Serve an agent, by default one that asks, to callers who sign in."""
    node = Node([agent or Asking()], settings.model_copy(update={"auth_keys": True, **changed}))
    async with serving(node_app(node, {"": node.agents[0]})) as served:
        yield Front(node, served.url, http)
