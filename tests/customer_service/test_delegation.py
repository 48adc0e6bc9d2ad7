"""Delegation: over dead processes, from errand to errand, with traces; and no second child for one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.client import Client, RemoteError, StreamEvent
from a2a_streaming.customer_service.detection import Intent
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import serving
from customer_service.platforms import Reads, artifact, intent_agent, said, served, story, text_of
from customer_service.test_conversations import Gate
from customer_service.test_resets import shown
from processes import Running, free_port, started
from tasks import until


@pytest.mark.timeout(120)  # four processes are started
async def test_both_processes_are_killed_in_the_middle_and_the_story_has_no_gap(
    settings: Settings, tmp_path: Path
) -> None:
    """First the Intent Agent's process dies, then the specialist's; the customer's client sees cuts alone."""
    gate = tmp_path / "gate"
    ports = {"intent": free_port(), "parcels": free_port()}
    shared: dict[str, Any] = {
        "A2A_REDIS_URL": settings.redis_url,
        "A2A_LEASE_SECONDS": "1",
        "A2A_AGENTS": f"http://127.0.0.1:{ports['parcels']}/",
        "PARCELS_GATE": str(gate),
    }
    targets = {"intent": "intent", "parcels": "apps.parcels:ParcelsAgent"}

    with ExitStack() as stack:

        async def start(name: str) -> Running:
            running = started(
                *("serve", targets[name]), data_dir=settings.data_dir, port=ports[name], **shared
            )
            return await asyncio.to_thread(stack.enter_context, running)

        processes = {name: await start(name) for name in ("parcels", "intent")}
        url = processes["intent"].url
        events: list[StreamEvent] = []
        async with Client(url) as client:
            stream = client.send_subscribe("t1", "Where is my parcel?")
            async with aclosing(stream) as told:
                await until_told(told, events, "ship, ")
                processes["intent"].ended(9)
                processes["intent"] = await start("intent")
                processes["parcels"].ended(9)
                processes["parcels"] = await start("parcels")
                gate.touch()
                events += [event async for event in told]
            again = [event async for event in client.resubscribe("t1")]
            task = await client.get("t1")
    assert shown(events, "route") == "depot, ship, truck, your door, "
    assert (events[-1].state, text_of(events[-1])) == ("completed", "Found")
    # Nothing twice, nothing missing: what was followed live is what the log tells.
    assert [(e.position, e.data) for e in events] == [(e.position, e.data) for e in again]
    begun = [text for text in said(events) if "specialist is on it" in text]
    assert len(begun) == 1  # the child was joined, not begun again
    [route] = [a for a in task["artifacts"] if a["name"] == "route"]
    assert "".join(part["text"] for part in route["parts"]) == shown(events, "route")


async def until_told(told: Any, events: list[StreamEvent], words: str) -> None:
    """Read a story until some words have come."""
    async for event in told:
        events.append(event)
        if event.kind == "artifact" and text_of(event) == words:
            return
    raise AssertionError(f"it ended without {words!r}: {said(events)}")


class Recorder(Agent):
    """A specialist that keeps what it is sent, and answers what it is told to."""

    def __init__(self, name: str, answer: Callable[[Run], Any]) -> None:
        self.card = agent_card(name, skills=[{"id": name, "name": name, "examples": [name]}])
        self.answer = answer
        self.messages: list[Any] = []
        self.traces: list[str] = []

    async def run(self, run: Run) -> None:
        self.messages.append(run.message)
        await self.answer(run)

    def heard(self, app: ASGIApp) -> ASGIApp:
        """Keep the trace headers of requests that are streamed."""

        async def listening(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope.get("headers", ()))
            if b"traceparent" in headers:
                self.traces.append(headers[b"traceparent"].decode())
            await app(scope, receive, send)

        return listening


BOTH = Reads(
    *(
        Intent(name, 0.9, route)
        for name, route in (("plant", "trees"), ("water", "trees"), ("carve", "stones"))
    ),
    alternatives=[Intent("saw", 0.4, "trees")],
)
"""Reads a wish for a tree and one for a stone."""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_each_errand_knows_what_came_of_those_before_and_all_are_one_trace(
    settings: Settings,
) -> None:
    async def plant(run: Run) -> None:
        if run.text == "an oak":
            parts = [{"data": {"tree": 7}}]
            who = {"answeredBy": "offline", "reason": "slow", "other": "business"}
            await run.complete("Planted an oak", *parts, metadata=who)
        else:
            await run.input_required("Which tree?", metadata={"answeredBy": "claude", "reason": ""})

    async def carve(run: Run) -> None:
        await run.complete("Carved it", metadata={"answeredBy": "claude", "reason": ""})

    trees, stones = Recorder("trees", plant), Recorder("stones", carve)
    node = Node([trees, stones], settings)
    app = node_app(node, {f"/agents/{agent.name}": agent for agent in node.agents})
    async with serving(trees.heard(app)) as server:
        urls = [f"{server.url}/agents/{name}" for name in ("trees", "stones")]
        async with intent_agent(
            urls, settings, detector=BOTH, address="http://intent.example"
        ) as client:
            wish: Any = {
                "role": "user",
                "parts": [{"type": "text", "text": "A tree and a stone"}],
                "metadata": {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
            }
            asked = await story(client, "t1", wish)
            assert text_of(asked[-1]) == "Which tree?"
            done = await story(client, "t1", "an oak", asked[-1].position)
    assert said(done) == ["Planted an oak", "Our stones specialist is on it", "Carved it"]
    # Who has answered is told with each answer, and with no other status.
    assert answers(asked) == [("claude", "")]
    assert answers(done) == [("offline", "slow"), ("claude", "")]
    assert "business" not in str(done)
    _, intent = artifact(asked, "intent")
    assert intent["alternatives"] == [{"intent": "saw", "confidence": 0.4, "route": "trees"}]
    [first, answer] = [message["metadata"] for message in trees.messages]
    [second] = [message["metadata"] for message in stones.messages]
    assert first["intents"] == answer["intents"] == ["plant", "water"]
    assert first["parent"] == {"task": "t1", "url": "http://intent.example"}
    assert "earlier" not in first
    assert second["intents"] == ["carve"]
    assert second["earlier"] == [
        {
            "agent": "trees",
            "intents": ["plant", "water"],
            "state": "completed",
            "text": "Planted an oak",
            "data": [{"tree": 7}],
        }
    ]
    assert [part["text"] for part in stones.messages[0]["parts"]] == ["A tree and a stone"]
    sent = [first["traceparent"], answer["traceparent"], second["traceparent"]]
    assert first["traceparent"].split("-")[1] == TRACE
    assert len({one.split("-")[2] for one in sent}) == 3
    assert set(sent) <= set(trees.traces)


def answers(events: Sequence[StreamEvent]) -> list[tuple[str, str]]:
    """Who has answered, and why not Claude, as statuses tell it."""
    told = [event.data.get("metadata", {}) for event in events if event.kind == "status"]
    return [(one["answeredBy"], one["reason"]) for one in told if "answeredBy" in one]


PARTED = Reads(
    Intent("plant", 0.9, "trees", "A tree."),
    Intent("carve", 0.9, "stones", "A stone."),
    Intent("water", 0.9, "trees", "Water it!"),
)
"""Reads two wishes for trees and one for a stone, each with its words."""


async def test_each_errand_is_told_in_the_words_that_ask_for_it(settings: Settings) -> None:
    """Also two of one specialist, of which the first asks something; and the one before it is done first."""

    async def garden(run: Run) -> None:
        if run.text == "A tree.":
            await run.input_required("Which tree?")
        else:
            await run.complete(f"Did: {run.text}")

    trees, stones = Recorder("trees", garden), Recorder("stones", garden)
    async with served([trees, stones], settings) as url:
        urls = [f"{url}/agents/{name}" for name in ("trees", "stones")]
        async with intent_agent(urls, settings, detector=PARTED) as client:
            wish: Any = {
                "role": "user",
                "parts": [
                    {"type": "text", "text": "A tree. A stone. Water it!"},
                    {"type": "data", "data": {"place": "garden"}},
                ],
            }
            asked = await story(client, "t1", wish)
            assert text_of(asked[-1]) == "Which tree?"
            done = await story(client, "t1", "an oak", asked[-1].position)
    told = [text for text in said(done) if text.startswith("Did")]
    assert told == ["Did: an oak", "Did: A stone.", "Did: Water it!"]
    first, answer, last = trees.messages
    assert [part["text"] for part in first["parts"] if "text" in part] == ["A tree."]
    assert [part["data"] for part in first["parts"] if "data" in part] == [{"place": "garden"}]
    assert first["metadata"]["request"] == "A tree. A stone. Water it!"
    assert "request" not in answer["metadata"]
    assert [m["metadata"]["intents"] for m in (first, answer, last)] == [
        ["plant"],
        ["plant"],
        ["water"],
    ]
    earlier = [one["intents"] for one in last["metadata"]["earlier"]]
    assert earlier == [["plant"], ["carve"]]
    assert len({message["messageId"] for message in trees.messages}) == 3


@pytest.mark.parametrize(
    ("again", "children"), [("HELLO? where is my parcel", 1), ("Where is my parcel 4711?", 2)]
)
async def test_a_request_that_is_repeated_joins_what_already_runs(
    settings: Settings, again: str, children: int
) -> None:
    gate = Gate()
    async with (
        served([gate], settings) as url,
        intent_agent([f"{url}/agents/parcels"], settings) as client,
    ):
        first = asyncio.create_task(
            collected(client, "t1", "Where is my parcel?"), name="the first request"
        )
        await gate.begun.wait()
        gate.begun.clear()
        second = asyncio.create_task(collected(client, "t2", again), name="the second one")
        if children == 1:
            await until(lambda: tells(client, "t2", "asked for this already"))
        else:
            await gate.begun.wait()
        gate.open.set()
        stories = await asyncio.gather(first, second)
    assert gate.runs == children
    for told in stories:
        assert shown(told, "route") == "depot, your door"
        assert (told[-1].state, text_of(told[-1])) == ("completed", "Found")
    joined = [text for text in said(stories[1]) if "asked for this already" in text]
    assert len(joined) == (1 if children == 1 else 0)


async def tells(client: Client, task: str, words: str) -> bool:
    """Whether a task is there, and has these words in it."""
    try:
        return words in str(await client.get(task, history_length=100))
    except RemoteError:
        return False


async def collected(client: Client, task: str, text: str) -> list[StreamEvent]:
    """A task's whole story, in the one conversation."""
    return [e async for e in client.send_subscribe(task, text, session_id="s1")]


async def test_a_question_that_was_answered_in_one_task_is_over_in_the_other(
    settings: Settings,
) -> None:
    async def ask(run: Run) -> None:
        if run.text == "yes":
            await run.complete("Planted")
        else:
            await run.input_required("Shall I?")

    trees = Recorder("trees", ask)

    plant = Reads(Intent("plant", 0.9, "trees"))
    async with (
        served([trees], settings) as url,
        intent_agent([f"{url}/agents/trees"], settings, detector=plant) as client,
    ):
        one = await collected(client, "t1", "a tree")
        two = await collected(client, "t2", "a tree, please")
        assert [text_of(told[-1]) for told in (one, two)] == ["Shall I?"] * 2
        done = await story(client, "t2", "yes", two[-1].position)
        assert (done[-1].state, text_of(done[-1])) == ("completed", "Planted")
        late = await story(client, "t1", "yes", one[-1].position)
        assert (late[-1].state, text_of(late[-1])) == ("completed", "Planted")
    assert len(trees.messages) == 2


async def test_who_cancels_what_they_joined_leaves_the_first_request_alone(
    settings: Settings,
) -> None:
    gate = Gate()
    async with (
        served([gate], settings) as url,
        intent_agent([f"{url}/agents/parcels"], settings) as client,
    ):
        first = asyncio.create_task(collected(client, "t1", "Where is my parcel?"))
        await gate.begun.wait()
        second = asyncio.create_task(collected(client, "t2", "Where is my parcel?"))
        await until(lambda: tells(client, "t2", "asked for this already"))
        assert (await client.cancel("t2"))["status"]["state"] == "canceled"
        assert (await second)[-1].state == "canceled"
        gate.open.set()
        assert (await first)[-1].state == "completed"
    assert not gate.canceled.is_set()


async def test_a_child_of_which_nothing_was_heard_yet_is_canceled_too(settings: Settings) -> None:
    gate = Gate()
    node = Node([gate], settings)
    app = node_app(node, {"/agents/parcels": gate})

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """Take messages, and hold back the streams that answer them."""
        if b"text/event-stream" in dict(scope.get("headers", ())).get(b"accept", b""):
            await app(scope, receive, hold)
        else:
            await app(scope, receive, send)

    async def hold(_: Any) -> None:
        await asyncio.Event().wait()

    async with (
        serving(silent) as server,
        intent_agent([f"{server.url}/agents/parcels"], settings) as client,
    ):
        story_told = asyncio.create_task(collected(client, "t1", "Where is my parcel?"))
        await gate.begun.wait()
        await client.cancel("t1")
        await gate.canceled.wait()
        assert (await story_told)[-1].state == "canceled"


async def test_a_specialist_that_speaks_0_3_alone_is_asked_in_that(settings: Settings) -> None:
    gate = Gate()
    gate.open.set()
    node = Node([gate], settings)
    app = node_app(node, {"/agents/parcels": gate})
    asked: list[str] = []

    async def older(scope: Scope, receive: Receive, send: Send) -> None:
        """Tell a card of 0.3."""
        asked.append(scope.get("path", ""))
        if not scope.get("path", "").endswith("agent-card.json"):
            await app(scope, receive, send)
            return
        request = Request(scope)
        card = {
            "name": "Parcels Agent",
            "protocolVersion": "0.3.0",
            "url": f"{request.base_url}agents/parcels/rpc/0.3",
            "preferredTransport": "JSONRPC",
            "capabilities": {"streaming": True},
            "skills": [
                {
                    "id": "p",
                    "name": "Find a parcel",
                    "examples": ["Where is my parcel?"],
                    "tags": [],
                }
            ],
        }
        await JSONResponse(card)(scope, receive, send)

    async with (
        serving(older) as server,
        intent_agent([f"{server.url}/agents/parcels"], settings) as client,
    ):
        told = await story(client, "t1", "Where is my parcel?")
    assert shown(told, "route") == "depot, your door"
    assert (told[-1].state, text_of(told[-1])) == ("completed", "Found")
    assert "/agents/parcels/rpc/0.3" in asked
    assert "/agents/parcels/rpc/1.0" not in asked


async def test_a_specialists_connection_serves_the_next_request_too(settings: Settings) -> None:
    gate = Gate()
    gate.open.set()
    app = node_app(Node([gate], settings), {"/agents/parcels": gate})
    asked: list[int] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "POST":
            asked.append(scope["client"][1])
        await app(scope, receive, send)

    async with (
        serving(watched) as server,
        intent_agent([f"{server.url}/agents/parcels"], settings) as client,
    ):
        for task in ("t1", "t2", "t3", "t4"):
            assert (await story(client, task, "Where is my parcel?"))[-1].state == "completed"
    assert len(asked) == 4
    assert len(set(asked)) < 4
