"""What the client makes of any story, over cuts at any byte and over resets: the story."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming import sse
from a2a_streaming.client import Client, StreamEvent
from conftest import serving

TASKS = ("a", "b@1")


@dataclass(frozen=True)
class Connection:
    """What becomes of one connection.

    Args:
        size: Bytes after which it is cut.
        hard: Whether the cut is told from an end.
        trimmed: How much of each task's history is lost before it is opened.
        pieces: The size of the pieces in which it is sent.
    """

    size: int
    hard: bool
    trimmed: int
    pieces: int


CONNECTIONS = st.builds(
    Connection,
    size=st.integers(0, 1500),
    hard=st.booleans(),
    trimmed=st.integers(0, 8),
    pieces=st.integers(1, 200),
)


@dataclass
class Logs:
    """Tasks of so many numbered words each, told as a real agent would, over such connections."""

    length: int
    connections: list[Connection]
    trimmed: int = 0
    asked: list[Any] = field(default_factory=list[Any])

    async def serve(self, request: Request) -> Response:
        body = json.loads(await request.body())
        method, params = body["method"], body["params"]
        if method == "tasks/get":
            state = {"id": params["id"], "status": {"state": "completed"}}
            return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": state})
        connection = self.connections.pop(0) if self.connections else None
        if connection is not None:
            self.trimmed = max(self.trimmed, min(connection.trimmed, self.length))
        if method == "tasks/follow":
            wanted = {task["id"]: task.get("after", "") for task in params["tasks"]}
            stories = [self._story(task, after, f"{task}@") for task, after in wanted.items()]
        else:
            after = request.headers.get("last-event-id", "")
            stories = [self._story(params["id"], after, "")]
        told = b"".join(frame for frames in zip_longest(stories) for frame in frames)
        return StreamingResponse(_sent(told, connection), media_type="text/event-stream")

    def _story(self, task: str, after: str, tag: str) -> list[bytes]:
        offset = int(after.partition("-")[2] or 0)
        frames: list[bytes] = []
        if offset < self.trimmed:
            frames.append(self._reset(task, tag))
            offset = self.trimmed
        return frames + [self._frame(task, n, tag) for n in range(offset + 1, self.length + 1)]

    def _frame(self, task: str, offset: int, tag: str) -> bytes:
        told = {"id": task, "artifact": {"parts": _words(task, offset), "index": 0, "append": True}}
        kind = "artifact"
        if offset == self.length:
            told, kind = self._status(task, offset), "status"
        return sse.frame(json.dumps(told).encode(), event=kind, id=f"{tag}7-{offset}")

    def _status(self, task: str, offset: int) -> dict[str, Any]:
        ended = offset == self.length
        state = "completed" if ended else "working"
        return {"id": task, "status": {"state": state}, "final": ended}

    def _reset(self, task: str, tag: str) -> bytes:
        told = self._status(task, self.trimmed)
        words = [
            word for n in range(1, min(self.trimmed + 1, self.length)) for word in _words(task, n)
        ]
        whole = {"id": task, "status": told["status"], "artifacts": [{"parts": words, "index": 0}]}
        told["metadata"] = {"reset": {"reason": "trimmed", "task": whole}}
        return sse.frame(json.dumps(told).encode(), event="status", id=f"{tag}7-{self.trimmed}")


def zip_longest(stories: Sequence[list[bytes]]) -> list[list[bytes]]:
    """The stories' frames, in turns."""
    longest = max(map(len, stories))
    return [[story[n] for story in stories if n < len(story)] for n in range(longest)]


def _words(task: str, offset: int) -> list[dict[str, str]]:
    return [{"type": "text", "text": f"{task}{offset} \u2013 "}]


async def _sent(told: bytes, connection: Connection | None) -> AsyncGenerator[bytes]:
    if connection is None:
        yield told
        return
    told = told[: connection.size]
    for start in range(0, len(told), connection.pieces):
        yield told[start : start + connection.pieces]
    if connection.hard:
        raise ConnectionResetError


def shown(events: Sequence[StreamEvent]) -> str:
    """What a reader has before them in the end."""
    text = ""
    for event in events:
        if event.reset is not None:
            text = "".join(p["text"] for a in event.reset.task["artifacts"] for p in a["parts"])
        elif event.kind == "artifact":
            text += "".join(part["text"] for part in event.data["artifact"]["parts"])
    return text


def check(events: Sequence[StreamEvent], task: str, length: int) -> None:
    """The story is whole, in order, and told to its end."""
    offsets = [int(event.position.partition("-")[2]) for event in events]
    for (before, after), event in zip(pairwise(offsets), events[1:], strict=True):
        assert after > before if event.reset is not None else after == before + 1
    assert offsets[-1] == length
    assert [event.final for event in events] == [False] * (len(events) - 1) + [True]
    assert shown(events) == "".join(w["text"] for n in range(1, length) for w in _words(task, n))


@settings(max_examples=12)
@given(length=st.integers(1, 8), connections=st.lists(CONNECTIONS, max_size=4))
async def test_a_task_is_told_whole_over_any_cuts_and_resets(
    length: int, connections: list[Connection]
) -> None:
    logs = Logs(length, list(connections))
    app = Starlette(routes=[Route("/", logs.serve, methods=["POST"])])
    async with serving(app) as server, Client(server.url) as client:
        check([event async for event in client.resubscribe("a")], "a", length)


@settings(max_examples=12)
@given(length=st.integers(1, 8), connections=st.lists(CONNECTIONS, max_size=4))
async def test_several_tasks_are_told_whole_over_any_cuts_and_resets(
    length: int, connections: list[Connection]
) -> None:
    logs = Logs(length, list(connections))
    app = Starlette(routes=[Route("/", logs.serve, methods=["POST"])])
    async with serving(app) as server, Client(server.url) as client:
        events = [event async for event in client.follow(dict.fromkeys(TASKS))]
    for task in TASKS:
        check([event for event in events if event.task == task], task, length)
