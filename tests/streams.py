"""Speaking the first dialect in tests: requests, and what their streams say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from a2a_streaming.sse import Decoder


@dataclass(frozen=True)
class Frame:
    """One event of a stream."""

    id: str
    event: str
    data: dict[str, Any]


def message(text: str) -> dict[str, Any]:
    """A customer's message."""
    return {"role": "user", "parts": [{"type": "text", "text": text}]}


def request(
    method: str, task: str, said: dict[str, Any] | None = None, **params: Any
) -> dict[str, Any]:
    """A JSON-RPC request."""
    if said is not None:
        params["message"] = said
    return {"jsonrpc": "2.0", "id": "1", "method": method, "params": {"id": task, **params}}


class Refused(AssertionError):
    """A stream that wasn't given."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')}")
        self.status = status


@asynccontextmanager
async def streaming(
    http: httpx2.AsyncClient,
    url: str,
    method: str,
    task: str,
    said: dict[str, Any] | None = None,
    *,
    after: str | None = None,
) -> AsyncIterator[AsyncIterator[Frame]]:
    """A stream, frame by frame, that the caller may cut."""
    headers = {"Last-Event-ID": after} if after else {}
    body = request(method, task, said)
    async with http.stream("POST", url, json=body, headers=headers) as response:
        if response.status_code != 200:
            raise Refused(response.status_code, await response.aread())
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _frames(response)


async def _frames(response: httpx2.Response) -> AsyncIterator[Frame]:
    decoder = Decoder()
    async for chunk in response.aiter_raw():
        for told in decoder.feed(chunk):
            yield Frame(told.id, told.event, json.loads(told.data))


async def called(
    http: httpx2.AsyncClient,
    url: str,
    method: str,
    task: str,
    said: dict[str, Any] | None = None,
    *,
    after: str | None = None,
) -> list[Frame]:
    """A whole stream, to its end."""
    async with streaming(http, url, method, task, said, after=after) as told:
        return [frame async for frame in told]


async def asked(
    http: httpx2.AsyncClient,
    url: str,
    method: str,
    task: str,
    said: dict[str, Any] | None = None,
    **params: Any,
) -> dict[str, Any]:
    """The answer to a request that doesn't stream."""
    response = await http.post(url, json=request(method, task, said, **params))
    return response.json()


def frames(told: list[Frame]) -> list[tuple[str, str]]:
    """What two watchers of the same task must agree on."""
    return [(frame.id, json.dumps(frame.data, sort_keys=True)) for frame in told]


def states(told: list[Frame]) -> list[str]:
    """The states that a stream tells of."""
    return [frame.data["status"]["state"] for frame in told if "status" in frame.data]
