"""The resuming client, against a server that cuts its streams in every way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming import sse
from a2a_streaming.client import AgentUnreachable, Client, RemoteError, Reset, StreamLost
from conftest import serving
from customer_service.scripted import (
    Call,
    agent,
    away,
    error,
    frames,
    reset,
    status,
    task_as,
    told,
)

STORY = [
    status(1, "submitted"),
    status(2),
    sse.frame(b'{"id":"t1","artifact":{"parts":[],"index":0}}', event="artifact", id="7-3"),
    status(4),
    status(5, "completed", final=True),
]


ALL = [f"7-{n}" for n in range(1, 6)]


async def test_a_whole_story_is_told_with_kinds_positions_and_its_end() -> None:
    async with agent(frames(*STORY), token="t0ken") as (client, server):  # noqa: S106 - nobody's
        events = [e async for e in client.send_subscribe("t1", "Hi", session_id="s1")]
    assert [e.position for e in events] == ALL
    assert [e.kind for e in events] == ["status", "status", "artifact", "status", "status"]
    assert [e.final for e in events] == [False] * 4 + [True]
    assert events[-1].state == "completed"
    assert events[2].state is None
    [call] = server.calls
    assert call.method == "tasks/sendSubscribe"
    assert call.params["sessionId"] == "s1"
    assert call.params["message"]["parts"] == [{"type": "text", "text": "Hi"}]
    assert call.authorization == "Bearer t0ken"


@pytest.mark.parametrize("cut", [True, False], ids=["hard", "in order"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_cut_stream_goes_on_after_the_last_position(at: int, cut: bool) -> None:
    async with agent(frames(*STORY[:at], cut=cut), frames(*STORY[at:])) as (client, server):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL
    assert [(c.method, c.after) for c in server.calls] == [
        ("tasks/sendSubscribe", None),
        ("tasks/resubscribe", f"7-{at}"),
    ]


async def test_an_event_that_the_cut_goes_through_comes_once() -> None:
    half = STORY[1][: len(STORY[1]) // 2]
    async with agent(frames(STORY[0], half, cut=True), frames(*STORY[1:])) as (client, _):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL


@pytest.mark.parametrize("first", [away(503), away(502), frames(cut=True), frames()])
async def test_a_first_message_without_an_answer_is_sent_again(
    first: Callable[[Call], Response],
) -> None:
    async with agent(first, frames(*STORY)) as (client, server):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL
    assert [c.method for c in server.calls] == ["tasks/sendSubscribe"] * 2
    assert server.calls[0].params == server.calls[1].params


@pytest.mark.parametrize("first", [away(503), frames(cut=True), frames()])
async def test_a_follow_up_without_an_answer_is_never_sent_twice(
    first: Callable[[Call], Response],
) -> None:
    """ "Yes" twice is two messages: so the client looks for what the first one brought about."""
    async with agent(first, frames(*STORY[3:])) as (client, server):
        events = client.send_subscribe("t1", "yes", after="7-3")
        assert await told(events) == ALL[3:]
    assert [(c.method, c.after) for c in server.calls] == [
        ("tasks/sendSubscribe", None),
        ("tasks/resubscribe", "7-3"),
    ]


async def test_a_follow_up_of_which_nothing_is_ever_seen_is_given_up() -> None:
    """Heartbeats show that the server lives, not that the message arrived."""

    def heartbeats(_: Call) -> Response:
        async def body() -> AsyncGenerator[bytes]:
            while True:
                yield sse.HEARTBEAT
                await asyncio.sleep(0.01)

        return StreamingResponse(body(), media_type="text/event-stream")

    async with agent(away(), heartbeats, patience=0.5) as (client, server):
        with pytest.raises(StreamLost) as lost:
            await told(client.send_subscribe("t1", "yes", after="7-3"))
    assert lost.value.position == "7-3"
    assert [c.method for c in server.calls] == ["tasks/sendSubscribe", "tasks/resubscribe"]


async def test_a_server_that_says_come_back_later_in_json_is_come_back_to() -> None:
    busy = error(-32603, retryAfterSeconds=0, detail="draining")
    async with agent(busy, frames(*STORY)) as (client, _):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL


async def test_a_watcher_resubscribes_from_the_start_or_from_a_position() -> None:
    async with agent(frames(*STORY), frames(*STORY[2:])) as (client, server):
        assert await told(client.resubscribe("t1")) == ALL
        assert await told(client.resubscribe("t1", after="7-2")) == ALL[2:]
    assert [c.after for c in server.calls] == [None, "7-2"]


async def test_a_story_of_several_turns_is_told_to_its_end() -> None:
    turns = [status(1), status(2, "input-required", final=True), *STORY[2:]]
    async with agent(frames(*turns)) as (client, _):
        assert await told(client.resubscribe("t1")) == ALL


async def test_a_stream_that_stays_open_after_its_end_is_let_go() -> None:
    released = asyncio.Event()

    def open_ended(_: Call) -> Response:
        async def body() -> AsyncGenerator[bytes]:
            for frame in STORY:
                yield frame
            await released.wait()

        return StreamingResponse(body(), media_type="text/event-stream")

    async with agent(open_ended) as (client, server):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL
        released.set()
    assert len(server.calls) == 1


async def test_the_event_in_a_jsonrpc_envelope_is_understood_too() -> None:
    def enveloped(frame: bytes) -> bytes:
        [message] = sse.Decoder().feed(frame)
        wrapped = {"jsonrpc": "2.0", "id": "1", "result": json.loads(message.data)}
        return sse.frame(json.dumps(wrapped).encode(), id=message.id)

    async with agent(frames(*(enveloped(frame) for frame in STORY))) as (client, _):
        events = [e async for e in client.send_subscribe("t1", "Hi")]
    assert [e.kind for e in events] == ["status", "status", "artifact", "status", "status"]
    assert events[-1].final


@pytest.mark.parametrize("http", [200, 400, 404])
async def test_an_error_instead_of_a_stream_is_raised_with_its_detail(http: int) -> None:
    async with agent(error(-32001, http, detail="no such task")) as (client, server):
        with pytest.raises(RemoteError, match="no such task") as refused:
            await told(client.resubscribe("t1"))
    assert (refused.value.code, refused.value.message) == (-32001, "No")
    assert len(server.calls) == 1


async def test_an_error_in_the_stream_is_raised() -> None:
    envelope = sse.frame(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}')
    async with agent(frames(STORY[0], envelope)) as (client, _):
        with pytest.raises(RemoteError, match="broken"):
            await told(client.send_subscribe("t1", "Hi"))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: PlainTextResponse("<html>", 404),
        lambda _: JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {}}),
        frames(sse.frame(b"[]", event="status")),
        frames(sse.frame(b'{"id":"t1"}', event="status")),
        frames(sse.frame(b'{"id":"t1","artifact":{}}', event="artifact")),
        frames(sse.frame(b"\xff", event="artifact")),
    ],
    ids=["a page", "no stream", "a list", "no status", "no parts", "no json"],
)
async def test_something_other_than_an_agent_is_told_apart(
    answer: Callable[[Call], Response],
) -> None:
    async with agent(answer) as (client, server):
        with pytest.raises(AgentUnreachable):
            await told(client.send_subscribe("t1", "Hi"))
    assert len(server.calls) == 1


async def test_patience_ends_with_the_last_position_and_the_reason() -> None:
    async with agent(frames(*STORY[:2]), away(), patience=0.5) as (client, server):
        with pytest.raises(StreamLost, match="HTTP 503") as lost:
            await told(client.send_subscribe("t1", "Hi"))
    assert lost.value.position == "7-2"
    assert len(server.calls) > 2


async def test_an_agent_that_is_not_there_is_given_up_on() -> None:
    async with Client("http://127.0.0.1:1", patience=0.3) as client:
        with pytest.raises(StreamLost, match="position none"):
            await told(client.send_subscribe("t1", "Hi"))
        with pytest.raises(StreamLost):
            await told(client.send_subscribe("t1", "yes", after="7-3"))
        for call in (client.get("t1"), client.card(), client.cancel("t1")):
            with pytest.raises(AgentUnreachable, match=r"http://127.0.0.1:1/"):
                await call


async def test_a_reset_tells_the_task_to_begin_anew_from_and_the_story_goes_on_after_it() -> None:
    parts = [{"type": "text", "text": "all of it"}]
    anew = reset(7, artifacts=[{"index": 0, "parts": parts}])
    end = status(8, "completed", final=True)
    async with agent(frames(*STORY[:2], anew), frames(end)) as (client, server):
        events = [event async for event in client.send_subscribe("t1", "Hi")]
    assert [e.kind for e in events] == ["status", "status", "reset", "status"]
    assert [e.reset is None for e in events] == [True, True, False, True]
    assert isinstance(events[2].reset, Reset)
    assert events[2].reset.reason == "trimmed"
    assert events[2].reset.task["artifacts"][0]["parts"] == parts
    assert (events[2].state, events[2].task) == ("working", "t1")
    assert server.calls[1].after == "7-7"


async def test_a_reset_to_a_task_that_has_ended_is_the_streams_end() -> None:
    async with agent(frames(STORY[0], reset(5, "completed"), cut=True)) as (client, server):
        events = [event async for event in client.resubscribe("t1")]
    assert [(e.kind, e.state, e.final) for e in events][1:] == [("reset", "completed", True)]
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "own",
    [True, {}, {"reason": "x"}, {"reason": "x", "task": {}}, {"reason": 1, "task": {"status": {"state": "working"}}}],
)  # fmt: skip
async def test_an_agents_own_word_of_a_reset_is_not_taken_for_one(own: Any) -> None:
    odd = status(1, reset=own)
    async with agent(frames(odd, *STORY[1:])) as (client, _):
        events = [event async for event in client.resubscribe("t1")]
    assert events[0].kind == "status"
    assert events[0].reset is None


async def test_a_task_that_was_told_to_its_end_ends_without_an_event() -> None:
    script = [frames(), task_as("completed"), frames()]
    async with agent(*script, patience=5) as (client, server):
        assert await told(client.resubscribe("t1", after="7-5")) == []
    assert [c.method for c in server.calls] == [
        "tasks/resubscribe",
        "tasks/get",
        "tasks/resubscribe",
    ]


async def test_an_empty_stream_of_a_task_that_ended_meanwhile_is_a_cut() -> None:
    """It was closed before the task ended; what came then is not lost."""
    script = [frames(sse.HEARTBEAT), task_as("completed"), frames(*STORY[3:])]
    async with agent(*script) as (client, server):
        assert await told(client.resubscribe("t1", after="7-3")) == ALL[3:]
    assert [c.after for c in server.calls] == ["7-3", None, "7-3"]


async def test_an_empty_stream_of_a_task_that_goes_on_is_a_cut() -> None:
    script = [frames(), away(), frames(), task_as("working"), frames(*STORY[3:])]
    async with agent(*script) as (client, server):
        assert await told(client.resubscribe("t1", after="7-3")) == ALL[3:]
    assert [c.method for c in server.calls[:4]] == ["tasks/resubscribe", "tasks/get"] * 2


async def test_a_task_that_is_gone_after_an_empty_stream_is_told_as_an_error() -> None:
    async with agent(frames(), error(-32001)) as (client, _):
        with pytest.raises(RemoteError) as refused:
            await told(client.resubscribe("t1", after="7-3"))
    assert refused.value.code == -32001


async def test_a_connection_without_a_byte_is_dead_and_the_story_goes_on_over_another() -> None:
    released = asyncio.Event()

    def silent(_: Call) -> Response:
        async def body() -> AsyncGenerator[bytes]:
            yield STORY[0]
            await released.wait()

        return StreamingResponse(body(), media_type="text/event-stream")

    async with agent(silent, frames(*STORY[1:]), silence=0.2) as (client, server):
        assert await told(client.send_subscribe("t1", "Hi")) == ALL
        released.set()
    assert server.calls[1].after == "7-1"


async def test_a_reset_to_an_old_question_doesnt_show_that_the_answer_arrived() -> None:
    """Heartbeats after it don't count: the answer may have been lost."""

    def waiting(_: Call) -> Response:
        async def body() -> AsyncGenerator[bytes]:
            yield reset(4, "input-required")
            while True:
                yield sse.HEARTBEAT
                await asyncio.sleep(0.01)

        return StreamingResponse(body(), media_type="text/event-stream")

    async with agent(away(), waiting, patience=0.5) as (client, server):
        with pytest.raises(StreamLost) as lost:
            await told(client.send_subscribe("t1", "yes", after="7-3"))
    assert lost.value.position == "7-4"  # the reset's
    assert [c.method for c in server.calls[:2]] == ["tasks/sendSubscribe", "tasks/resubscribe"]


async def test_who_stops_listening_closes_the_connection() -> None:
    closed = asyncio.Event()

    def endless(_: Call) -> Response:
        async def body() -> AsyncGenerator[bytes]:
            try:
                yield STORY[0]
                await asyncio.Event().wait()
            finally:
                closed.set()

        return StreamingResponse(body(), media_type="text/event-stream")

    async with agent(endless) as (client, _):
        async with aclosing(client.send_subscribe("t1", "Hi")) as events:
            async for _ in events:
                break
        await closed.wait()


async def test_plain_calls_return_results_and_raise_errors() -> None:
    task = {"id": "t1", "status": {"state": "working"}}
    script: Sequence[Callable[[Call], Response]] = [
        lambda _: JSONResponse({"jsonrpc": "2.0", "id": 1, "result": task}),
        error(-32002, detail="it has ended"),
        lambda _: JSONResponse({"jsonrpc": "2.0", "id": 1, "result": task}),
        away(),
        lambda _: JSONResponse({"jsonrpc": "2.0", "id": 1}),
    ]
    async with agent(*script) as (client, server):
        assert await client.get("t1", history_length=3) == task
        with pytest.raises(RemoteError, match="it has ended") as refused:
            await client.cancel("t1")
        assert refused.value.code == -32002
        assert await client.send("t1", "Hi", metadata={"k": 1}) == task
        with pytest.raises(AgentUnreachable, match="503"):
            await client.get("t1")
        with pytest.raises(AgentUnreachable, match="without a result"):
            await client.get("t1")
    assert [c.method for c in server.calls[:3]] == ["tasks/get", "tasks/cancel", "tasks/send"]
    assert server.calls[0].params == {"id": "t1", "historyLength": 3}
    assert server.calls[2].params["metadata"] == {"k": 1}


async def test_a_card_is_read_where_it_stands() -> None:
    async def card(_: Request) -> Response:
        return JSONResponse({"name": "Billing Agent"})

    path = "/agents/billing/.well-known/agent.json"
    async with serving(Starlette(routes=[Route(path, card)])) as server:
        async with Client(f"{server.url}/agents/billing/") as client:
            assert await client.card() == {"name": "Billing Agent"}
        async with Client(server.url) as client:
            with pytest.raises(AgentUnreachable, match="404"):
                await client.card()
