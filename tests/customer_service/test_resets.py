"""A specialist's history is lost under the relay: the customer loses nothing, and sees nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming import Run, sse
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.settings import Settings
from chaos.proxy import Proxy
from conftest import serving
from customer_service.platforms import intent_agent, said, served, text_of
from customer_service.test_conversations import Gate
from tasks import until

ROAD = "road, ".ljust(64 * 1024)
"""So much that a snapshot is due after it, up to which the history may be trimmed."""
STORY = f"depot, {ROAD}your door"


class Parcels(Gate):
    """Says as much as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.task = ""
        self.half = asyncio.Event()

    async def run(self, run: Run) -> None:
        self.task = run.task_id
        if run.text == "yes":
            await run.complete("Sent")
            return
        await run.working("Looking for it")
        async with run.artifact("route") as route:
            await route.write("depot, ")
            await self.half.wait()
            await route.write(ROAD)
            await self.open.wait()
            await route.write("your door")
        if "hurry" in run.text:
            await run.input_required("Shall I send it?")
        else:
            await run.complete("Found")


def shown(events: Sequence[StreamEvent], name: str) -> str:
    """What the customer has before them of an artifact, in the end."""
    index, text = None, ""
    for event in events:
        told = event.data["artifact"] if event.kind == "artifact" else {}
        if told.get("name") == name:
            index = told["index"]
        if told and told["index"] == index:
            text = text_of(event) if not told.get("append") else text + text_of(event)
    return text


@dataclass
class Conversation:
    """A customer's task whose specialist is behind a link that the test cuts.

    Args:
        client: The customer's way to the Intent Agent.
        specialist: The test's own way to the specialist.
        parcels: The specialist.
        link: The link between the two.
        raw: Redis.
    """

    client: Client
    specialist: Client
    parcels: Parcels
    link: Proxy
    raw: redis.asyncio.Redis

    async def away(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Cut the relay off, let something happen, lose the specialist's history, and let it come back."""
        self.link.swallow()
        self.link.cut()
        child = self.parcels.task

        async def nobody_watches() -> bool:
            return await self.raw.zcard(f"subscriptions:{{{child}}}") == 0

        await until(nobody_watches)
        await meanwhile()
        snapshot = json.loads(await self.snapshot())
        await self.raw.xtrim(
            f"task:{{{child}}}:stream", minid=snapshot["position"], approximate=False
        )
        self.link.carry()

    async def says(self, text: str) -> None:
        """Wait until the specialist's snapshot has this."""

        async def told() -> bool:
            return text in await self.snapshot()

        await until(told)

    async def snapshot(self) -> str:
        """The specialist's task as it is stored; the history may be trimmed up to it."""
        stored = await self.raw.get(f"task:{{{self.parcels.task}}}")
        assert isinstance(stored, bytes)
        return stored.decode()


@pytest.fixture
async def conversation(settings: Settings, raw: redis.asyncio.Redis) -> AsyncIterator[Conversation]:
    parcels = Parcels()
    async with served([parcels], settings) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        async with (
            Proxy((host, int(port))) as link,
            Client(f"{url}/agents/parcels") as specialist,
            intent_agent([f"http://127.0.0.1:{link.port}/agents/parcels"], settings) as client,
        ):
            yield Conversation(client, specialist, parcels, link, raw)


async def test_artifacts_are_replaced_and_what_follows_is_appended(
    conversation: Conversation,
) -> None:
    async def half() -> None:
        conversation.parcels.half.set()
        await conversation.says("road")

    events: list[StreamEvent] = []
    async with aclosing(conversation.client.send_subscribe("t1", "Where is my parcel?")) as told:
        async for event in told:
            events.append(event)
            if event.kind == "artifact" and text_of(event) == "depot, ":
                await conversation.away(half)
            if event.kind == "artifact" and "road" in text_of(event):
                conversation.parcels.open.set()
    assert shown(events, "route") == STORY
    assert said(events).count("Looking for it") == 1
    assert (events[-1].state, text_of(events[-1])) == ("completed", "Found")
    task = await conversation.client.get("t1")
    [route] = [a for a in task["artifacts"] if a["name"] == "route"]
    assert "".join(part["text"] for part in route["parts"]) == STORY


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ("Where is my parcel?", "completed", "Found"),
        ("Where is my parcel? hurry", "input-required", "Shall I send it?"),
    ],
)
async def test_a_turn_that_ended_while_the_history_was_lost_is_concluded(
    text: str, state: str, words: str, conversation: Conversation
) -> None:
    async def all_of_it() -> None:
        conversation.parcels.half.set()
        conversation.parcels.open.set()
        await conversation.says(words)

    events: list[StreamEvent] = []
    async with aclosing(conversation.client.send_subscribe("t1", text)) as told:
        async for event in told:
            events.append(event)
            if event.kind == "artifact" and text_of(event) == "depot, ":
                await conversation.away(all_of_it)
    assert shown(events, "route") == STORY
    assert (events[-1].state, events[-1].final) == (state, True)
    assert said(events).count(words) == 1
    if state == "input-required":
        done = [
            event
            async for event in conversation.client.send_subscribe(
                "t1", "yes", after=events[-1].position
            )
        ]
        assert (done[-1].state, text_of(done[-1])) == ("completed", "Sent")


@asynccontextmanager
async def scripted_specialist(*answers: Sequence[bytes]) -> AsyncIterator[str]:
    """A specialist for parcels whose streams are these, one after the other; gives its address."""
    left = list(answers)

    async def card(request: Request) -> Response:
        skill = {"id": "p", "name": "Find a parcel", "examples": ["Where is my parcel?"]}
        url = str(request.url_for("stream"))
        spoken = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        card = {"name": "Parcels", "description": "Parcels.", "skills": [skill]}
        more = {"capabilities": {"streaming": True}, "supportedInterfaces": [spoken]}
        return JSONResponse(card | more)

    async def stream(request: Request) -> Response:
        if (await request.json())["method"] == "ListTasks":
            return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {"tasks": []}})
        frames = left.pop(0)

        async def body() -> AsyncGenerator[bytes]:
            for frame in frames:
                yield frame

        return StreamingResponse(body(), media_type="text/event-stream")

    path = "/agents/parcels"
    routes = [
        Route(f"{path}/.well-known/agent-card.json", card),
        Route(f"{path}/", stream, methods=["POST"], name="stream"),
    ]
    async with serving(Starlette(routes=routes)) as server:
        yield f"{server.url}{path}"


def frame(result: Any) -> bytes:
    told = {"jsonrpc": "2.0", "id": 1, "result": result}
    return sse.frame(json.dumps(told).encode(), id="not handed on")


def resume(offset: int, **more: Any) -> Any:
    return {"urn:a2a-streaming:resume:v1": {"position": f"7-{offset}", **more}}


def status_of(state: str, text: str) -> Any:
    said = {"messageId": f"m {text}", "role": "ROLE_AGENT", "parts": [{"text": text}]}
    return {"state": f"TASK_STATE_{state}", "message": said}


def status(offset: int, state: str, text: str) -> bytes:
    told = {"taskId": "c", "contextId": "x", "status": status_of(state, text)}
    return frame({"statusUpdate": {**told, "metadata": resume(offset)}})


def reset(offset: int, state: str, text: str) -> bytes:
    artifact = {"artifactId": "r", "name": "r", "parts": [{"text": "whole"}]}
    task = {"id": "c", "contextId": "x", "status": status_of(state, text), "artifacts": [artifact]}
    return frame({"task": {**task, "metadata": resume(offset, reset="forked")}})


async def test_a_reset_to_the_question_that_was_just_answered_is_not_asked_again(
    settings: Settings,
) -> None:
    turns = [
        [status(1, "INPUT_REQUIRED", "Which one?")],
        [
            reset(2, "INPUT_REQUIRED", "Which one?"),
            status(3, "WORKING", "Looking"),
            reset(4, "WORKING", "Looking"),
            reset(5, "WORKING", "Found a trace"),
            status(6, "COMPLETED", "Found"),
        ],
    ]
    async with (
        scripted_specialist(*turns) as url,
        intent_agent([url], settings) as client,
    ):
        asked = [e async for e in client.send_subscribe("t1", "Where is my parcel?")]
        assert text_of(asked[-1]) == "Which one?"
        done = [e async for e in client.send_subscribe("t1", "one", after=asked[-1].position)]
    assert said(done) == ["Looking", "Found a trace", "Found"]
    assert shown(done, "r") == "whole"
    assert done[-1].state == "completed"
