"""Messages that come in before a task's end: each is in its log, or was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    accepted,
    connected,
    ending,
    folded,
    is_whole,
    leased,
    log_of,
    offer,
    status,
    turn_of,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def test_messages_that_came_in_are_written_before_the_terminal_event(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    writer = LogWriter(manager.log, grant)
    await writer.append(status(text="working on it"))
    for text in ("one more thing", "and another"):
        await accepted(manager, text=text)
    await writer.append(status(State.COMPLETED, "bye"), settles=turn_of(grant))
    log = await log_of(manager)
    told = [event.message["parts"][0]["text"] for event in log[1:] if event.message]
    assert told == ["working on it", "one more thing", "and another", "bye"]
    assert [event.state for event in log[2:]] == [
        State.WORKING,
        State.WORKING,
        State.COMPLETED,
    ]
    assert writer.task == folded(log)
    await is_whole(manager)
    assert not await raw.exists(manager.keys.inbox("t1"))


async def test_messages_nobody_has_begun_are_in_the_log_of_a_canceled_task(
    manager: RedisManager,
) -> None:
    await accepted(manager)
    for text in ("b", "c"):
        await accepted(manager, text=text)
    grant = await manager.log.lease("t1", "desk", purpose="cancel")
    assert isinstance(grant, Grant)
    await LogWriter(manager.log, grant).append(status(State.CANCELED))
    log = await log_of(manager)
    assert [event.state for event in log] == [
        State.SUBMITTED,
        State.WORKING,
        State.WORKING,
        State.CANCELED,
    ]
    await is_whole(manager)


async def test_a_terminal_event_waits_until_every_message_is_known(manager: RedisManager) -> None:
    await accepted(manager)
    grant = await leased(manager)
    end = ending(grant, 1, State.COMPLETED)
    seen: list[str] = []
    for text in ("b", "c"):
        await accepted(manager, text=text)
        answer = await manager.log.append(grant, end)
        assert answer.code == "INBOX"
        seen = [entry.message["parts"][0]["text"] for entry in answer.waiting]
    assert seen == ["hello", "b", "c"]
    assert len(await log_of(manager)) == 1


async def test_messages_sent_while_a_task_ends_are_in_its_log_or_refused(
    manager: RedisManager,
) -> None:
    for round_ in range(10):
        task = f"t{round_}"
        await accepted(manager, task)
        grant = await leased(manager, task)
        writer = LogWriter(manager.log, grant)
        offers = [offer(task, f"m{n}", message_id=f"m{n}") for n in range(12)]

        async def ends(writer: LogWriter = writer, grant: Grant = grant) -> None:
            end = status(State.COMPLETED, "bye", task=grant.task_id)
            await writer.append(end, settles=turn_of(grant))

        sends = [manager.inbox.accept(each) for each in offers]
        _, *answers = await asyncio.gather(*sends[:6], ends(), *sends[6:])
        codes = {answer.code for answer in answers if answer is not None}
        assert codes <= {"ACCEPTED", "TERMINAL"}
        log = await log_of(manager, task)
        assert log[-1].state is State.COMPLETED
        told = {event.message["messageId"] for event in log if event.message}
        for each in offers:
            again = await manager.inbox.accept(each)
            assert (again.code == "JOINED") == (each.message["messageId"] in told)
        await is_whole(manager, task)
