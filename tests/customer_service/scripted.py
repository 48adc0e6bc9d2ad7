"""A server that answers by a script: what no real agent does on demand."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming import sse
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.task import Json
from conftest import serving


def status(
    offset: int, state: str = "working", *, final: bool = False, task: str = "", **metadata: Any
) -> bytes:
    """A status' frame; one of several tasks' if the task is named."""
    data = {"id": task or "t1", "status": {"state": state}, "final": final}
    tag = f"{task}@" if task else ""
    told = data | ({"metadata": metadata} if metadata else {})
    return sse.frame(json.dumps(told).encode(), event="status", id=f"{tag}7-{offset}")


def reset(
    offset: int, state: str = "working", *, artifacts: Sequence[Json] = (), task: str = ""
) -> bytes:
    """A reset's frame."""
    whole = {"id": task or "t1", "status": {"state": state}, "artifacts": artifacts}
    told = {"reason": "trimmed", "task": whole}
    final = state in ("completed", "failed", "canceled")
    return status(offset, state, final=final, task=task, reset=told)


def task_as(state: str) -> Callable[[Call], Response]:
    """The answer of `tasks/get`."""
    body = {"jsonrpc": "2.0", "id": "1", "result": {"id": "t1", "status": {"state": state}}}
    return lambda _: JSONResponse(body)


@dataclass(frozen=True)
class Call:
    """One request that the server got."""

    method: str
    params: dict[str, Any]
    after: str | None
    authorization: str | None


@dataclass
class Server:
    """Answers each request with the next entry of its script; remembers what it was asked."""

    script: list[Callable[[Call], Response]]
    calls: list[Call] = field(default_factory=list[Call])

    async def serve(self, request: Request) -> Response:
        body = json.loads(await request.body())
        call = Call(
            body["method"],
            body["params"],
            request.headers.get("last-event-id"),
            request.headers.get("authorization"),
        )
        self.calls.append(call)
        return self.script[min(len(self.calls), len(self.script)) - 1](call)


def frames(*parts: bytes, cut: bool = False) -> Callable[[Call], Response]:
    """A stream of these bytes; cut off hard at its end, or ended in order."""

    async def body() -> AsyncGenerator[bytes]:
        for part in parts:
            yield part
        if cut:
            raise ConnectionResetError

    return lambda _: StreamingResponse(body(), media_type="text/event-stream")


def error(code: int, http: int = 200, **data: Any) -> Callable[[Call], Response]:
    body = {"jsonrpc": "2.0", "id": "1", "error": {"code": code, "message": "No", "data": data}}
    return lambda _: JSONResponse(body, http)


def away(http: int = 503) -> Callable[[Call], Response]:
    return lambda _: PlainTextResponse("away", http, headers={"retry-after": "0"})


@asynccontextmanager
async def agent(
    *script: Callable[[Call], Response], **options: Any
) -> AsyncIterator[tuple[Client, Server]]:
    server = Server(list(script))
    app = Starlette(routes=[Route("/", server.serve, methods=["POST"])])
    async with serving(app) as running, Client(running.url, **options) as client:
        yield client, server


async def told(events: AsyncGenerator[StreamEvent]) -> list[str]:
    return [event.position async for event in events]
