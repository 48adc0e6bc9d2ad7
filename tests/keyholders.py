"""Customers with API keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from a2a_streaming.auth.keys import make_key
from a2a_streaming.caller import Role
from a2a_streaming.node import Node


async def key_for(node: Node, subject: str, role: Role = Role.CUSTOMER) -> str:
    """A key that is good where a node is."""
    await node.start()
    text, kept = make_key(name="test", subject=subject, role=role, seconds=3600)
    await node.manager.credentials.put(kept)
    return text


@asynccontextmanager
async def signed_in(
    node: Node, subject: str, role: Role = Role.CUSTOMER
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that signs in with a key."""
    key = await key_for(node, subject, role)
    async with httpx2.AsyncClient(timeout=20, headers={"X-API-Key": key}) as http:
        yield http
