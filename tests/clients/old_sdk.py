"""What a program with a2a-sdk 0.3.26 does; run by `test_old_sdk.py` in an environment of its own.

Prints a JSON object of what it saw.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportIndexIssue=false
from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.transports.rest import RestTransport
from a2a.types import (
    Message,
    MessageSendParams,
    Part,
    Role,
    TaskIdParams,
    TaskQueryParams,
    TextPart,
)
from httpx_sse import aconnect_sse


def says(text: str, message_id: str) -> Any:
    parts = [Part(root=TextPart(text=text))]
    return Message(message_id=message_id, role=Role.user, parts=parts)


async def over_jsonrpc(http: Any, card: Any) -> dict[str, Any]:
    """Stream, read, resubscribe and cancel."""
    client = ClientFactory(ClientConfig(httpx_client=http, streaming=True)).create(card)
    events = [event async for event in client.send_message(says("hello", "m1"))]
    task = events[-1][0]
    got = await client.get_task(TaskQueryParams(id=task.id))
    again = [event async for event in client.resubscribe(TaskIdParams(id=task.id))]
    try:
        await client.cancel_task(TaskIdParams(id=task.id))
        refused = ""
    except Exception as error:
        refused = str(error)
    return {
        "events": len(events),
        "state": got.status.state.value,
        "again": again[-1][0].status.state.value,
        "refused": refused,
    }


async def over_rest(http: Any, card: Any, url: str) -> dict[str, Any]:
    """Stream and read."""
    transport = RestTransport(http, card, url)
    params = MessageSendParams(message=says("hello", "m2"))
    events = [event async for event in transport.send_message_streaming(params)]
    got = await transport.get_task(TaskQueryParams(id=events[-1].task_id))
    return {
        "events": len(events),
        "final": events[-1].final,
        "state": got.status.state.value,
    }


async def over_httpx_sse(http: Any, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Read one stream, event by event."""
    whole = {"jsonrpc": "2.0", "id": 1, **body}
    async with aconnect_sse(http, "POST", url, json=whole) as source:
        events = [event async for event in source.aiter_sse()]
    return {"events": len(events), "empty": sum(not (e.data and e.id) for e in events)}


def schemes(card: Any) -> dict[str, str]:
    """How the card says that clients sign in."""
    wanted = {name for one in card.security or () for name in one}
    told = card.security_schemes or {}
    return {name: told[name].root.type for name in sorted(wanted)}


async def main(url: str, *key: str) -> None:
    said = {"messageId": "m3", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    old = {"kind": "message", "messageId": "m4", "role": "user"}
    part = {"kind": "text", "text": "hello"}
    first = {"role": "user", "parts": [{"type": "text", "text": "hello"}]}
    streams = [
        {"method": "SendStreamingMessage", "params": {"message": said}},
        {"method": "message/stream", "params": {"message": {**old, "parts": [part]}}},
        {"method": "tasks/sendSubscribe", "params": {"id": "t1", "message": first}},
    ]
    headers = {"X-API-Key": key[0]} if key else {}
    async with httpx.AsyncClient(timeout=20, headers=headers) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        seen = {
            "card": [card.name, card.protocol_version, card.preferred_transport],
            "schemes": schemes(card),
            "jsonrpc": await over_jsonrpc(http, card),
            "rest": await over_rest(http, card, url),
            "httpx_sse": [await over_httpx_sse(http, url, body) for body in streams],
        }
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
