"""Several tasks on one connection, against a server that cuts it in every way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from a2a_streaming import sse
from a2a_streaming.client import AgentUnreachable, RemoteError, StreamEvent, StreamLost
from customer_service.scripted import agent, away, error, frames, reset, status, task_as


def of(task: str, offset: int) -> bytes:
    return status(offset, task=task)


def end(task: str, offset: int) -> bytes:
    return status(offset, "completed", final=True, task=task)


async def told(events: AsyncGenerator[StreamEvent]) -> list[tuple[str, str]]:
    return [(event.task, event.position) async for event in events]


def wanted(params: dict[str, Any]) -> dict[str, str | None]:
    return {task["id"]: task.get("after") for task in params["tasks"]}


async def test_each_event_names_its_task_and_the_stream_ends_with_the_last_of_them() -> None:
    story = [of("a", 1), of("b@x", 1), end("a", 2), of("b@x", 2), end("b@x", 3)]
    async with agent(frames(*story)) as (client, server):
        seen = await told(client.follow({"a": None, "b@x": "7-0"}))
    assert seen == [("a", "7-1"), ("b@x", "7-1"), ("a", "7-2"), ("b@x", "7-2"), ("b@x", "7-3")]
    [call] = server.calls
    assert call.method == "tasks/follow"
    assert call.params == {"tasks": [{"id": "a"}, {"id": "b@x", "after": "7-0"}]}


@pytest.mark.parametrize("cut", [True, False], ids=["hard", "in order"])
async def test_a_cut_goes_on_with_each_tasks_position_and_without_those_that_ended(
    cut: bool,
) -> None:
    script = [
        frames(of("a", 1), of("b", 1), end("c", 1), of("a", 2), cut=cut),
        away(),
        frames(end("a", 3), end("b", 2)),
    ]
    async with agent(*script) as (client, server):
        seen = await told(client.follow({"a": None, "b": None, "c": None}))
    assert seen == [
        ("a", "7-1"),
        ("b", "7-1"),
        ("c", "7-1"),
        ("a", "7-2"),
        ("a", "7-3"),
        ("b", "7-2"),
    ]
    assert wanted(server.calls[1].params) == {"a": "7-2", "b": "7-1"}


async def test_a_reset_concerns_one_task_alone() -> None:
    script = [
        frames(of("a", 1), reset(5, task="b"), reset(9, "failed", task="c"), cut=True),
        frames(end("a", 2), end("b", 6)),
    ]
    async with agent(*script) as (client, server):
        events = [e async for e in client.follow({"a": None, "b": "7-1", "c": "7-2"})]
    assert [(e.task, e.kind, e.final) for e in events] == [
        ("a", "status", False),
        ("b", "reset", False),
        ("c", "reset", True),
        ("a", "status", True),
        ("b", "status", True),
    ]
    assert events[1].reset is not None
    assert events[1].reset.task["id"] == "b"
    assert wanted(server.calls[1].params) == {"a": "7-1", "b": "7-5"}


async def test_a_question_doesnt_end_a_task() -> None:
    script = [frames(status(1, "input-required", task="a")), frames(end("a", 2))]
    async with agent(*script) as (client, _):
        assert await told(client.follow({"a": None})) == [("a", "7-1"), ("a", "7-2")]


async def test_tasks_that_were_told_to_their_ends_end_the_stream_without_an_event() -> None:
    script = [frames(), task_as("failed"), error(-32001), frames()]
    async with agent(*script) as (client, server):
        assert await told(client.follow({"a": "7-1", "b": "7-2"})) == []
    assert [c.method for c in server.calls] == [
        "tasks/follow",
        "tasks/get",
        "tasks/get",
        "tasks/follow",
    ]


async def test_an_empty_stream_while_a_task_goes_on_is_a_cut() -> None:
    script = [frames(sse.HEARTBEAT), task_as("working"), frames(end("a", 2), end("b", 3))]
    async with agent(*script) as (client, _):
        assert await told(client.follow({"a": "7-1", "b": "7-2"})) == [("a", "7-2"), ("b", "7-3")]


async def test_a_task_that_is_forgotten_meanwhile_is_left_out() -> None:
    script = [
        frames(of("a", 1), of("b", 1), cut=True),
        error(-32001),
        error(-32001),
        task_as("working"),
        frames(end("b", 2)),
    ]
    async with agent(*script) as (client, server):
        assert await told(client.follow({"a": None, "b": None})) == [
            ("a", "7-1"),
            ("b", "7-1"),
            ("b", "7-2"),
        ]
    assert wanted(server.calls[-1].params) == {"b": "7-1"}


async def test_an_unknown_task_is_refused() -> None:
    async with agent(error(-32001)) as (client, server):
        with pytest.raises(RemoteError):
            await told(client.follow({"a": None, "b": None}))
    assert len(server.calls) == 1


async def test_an_event_that_names_no_task_is_no_agents() -> None:
    async with agent(frames(status(1))) as (client, _):
        with pytest.raises(AgentUnreachable, match="names no task"):
            await told(client.follow({"a": None}))


async def test_patience_ends_with_the_tasks_that_are_left() -> None:
    async with agent(frames(of("a", 1), end("b", 1)), away(), patience=0.5) as (client, _):
        with pytest.raises(StreamLost, match="503") as lost:
            await told(client.follow({"a": None, "b": None, "c": None}))
    assert lost.value.task_id == "a, c"


async def test_no_tasks_are_followed_at_once() -> None:
    async with agent() as (client, server):
        assert await told(client.follow({})) == []
    assert server.calls == []
