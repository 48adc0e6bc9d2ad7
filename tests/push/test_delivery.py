"""Events reach webhooks in order and at least once; who is slow, or away, or gone, holds up nobody else."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Noted
from a2a_streaming.push import ID_HEADER
from a2a_streaming.push.schedule import pause
from a2a_streaming.push.telling import Means
from a2a_streaming.push.visit import Visit
from a2a_streaming.settings import Settings
from push.pushing import ends, hook, hooked, pushing, says, until_settled
from receivers import receiving
from tasks import connected, now_ms, until

ID = ID_HEADER.lower()
QUICK: dict[str, Any] = {
    "push_private": True,
    "push_retry_first_seconds": 0.01,
    "push_retry_longest_seconds": 0.05,
}


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings, **QUICK) as manager:
        yield manager


async def test_each_of_many_tasks_events_come_in_order_whatever_fails_and_whoever_pushes(
    manager: RedisManager, settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with (
        connected(settings, **QUICK) as beside,
        receiving() as one,
        receiving() as other,
        pushing(manager),
        pushing(beside),
    ):
        one.failing = 7
        for n in range(6):
            writer = await hooked(manager, f"t{n}", one, other)
            await says(writer, "one", "two")
            await ends(writer)
        await until_settled(raw)
        for receiver in (one, other):
            first = {
                headers[ID]: (position, body) for position, headers, body in receiver.taken[::-1]
            }
            for n in range(6):
                told = [
                    int(position.partition("-")[2])
                    for position, body in reversed(first.values())
                    if f"'t{n}'" in str(body)
                ]
                assert told == [1, 2, 3, 4]
            assert len(first) == 24


async def test_a_receiver_that_never_answers_holds_up_nobody(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    changed = {**QUICK, "push_concurrency": 2, "push_timeout": 60.0}
    async with connected(settings, **changed) as manager, AsyncExitStack() as stack:
        slow = await stack.enter_async_context(receiving())
        quick = await stack.enter_async_context(receiving())
        slow.holding = asyncio.Event()
        # As many as it follows wait for the slow one, when the quick one's task comes.
        await stack.enter_async_context(pushing(manager, tasks=8))
        for n in range(40):
            await says(await hooked(manager, f"slow{n}", slow), "one")
        await slow.until_tried(2)
        writer = await hooked(manager, "quick", quick, slow)  # and a webhook beside it
        await says(writer, "one", "two")
        await ends(writer)
        await quick.until(4)
        assert quick.offsets == [1, 2, 3, 4]
        assert slow.taken == []
        assert len(slow.tried) == 2  # at once, of forty-one


async def test_a_receiver_that_is_away_isnt_asked_by_each_of_its_tasks_and_holds_none(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    changed = {**QUICK, "push_retry_first_seconds": 60.0, "push_retry_longest_seconds": 600.0}
    async with connected(settings, **changed) as manager, receiving() as quick:
        away = dataclasses.replace(quick, url="http://127.0.0.1:9/nobody")
        async with pushing(manager, tasks=4):
            for n in range(12):
                await hooked(manager, f"away{n}", away)

            async def are_let_go() -> bool:
                later = await raw.zcount("index:push", await now_ms(raw) + 20_000, "+inf")
                return later == 12

            await until(are_let_go)
            writer = await hooked(manager, "quick", quick)
            await ends(writer)
            await quick.until(2)
        [kept] = await manager.webhooks.of_task("away7")
        assert kept.failing is not None
        assert kept.failing.tries == 1
        assert kept.told == ""
        # Another process leaves it alone until its time has come.
        async with pushing(manager):
            writer = await hooked(manager, "quick2", quick)
            await ends(writer)
            await quick.until(4)
        assert (await manager.webhooks.of_task("away7")) == [kept]


async def test_more_tasks_than_a_process_follows_take_turns(
    manager: RedisManager, raw: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a2a_streaming.push.pusher._TURN", (0.01, 0.02))
    async with receiving() as receiver, pushing(manager, tasks=2):
        writers = [await hooked(manager, f"t{n}", receiver) for n in range(4)]
        await receiver.until(4)  # all are open, and wait
        for writer in writers:
            await says(writer, "one")
        await receiver.until(8)
        for writer in writers:
            await ends(writer)
        await until_settled(raw)
    assert len(set(receiver.ids)) == 12


async def test_what_a_process_notes_that_has_lost_the_task_is_refused(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    async with receiving() as receiver:
        await hooked(manager, "t1", receiver)
        webhooks = manager.webhooks
        _, [mine] = await webhooks.take("t1", "a")
        assert await webhooks.may_tell(mine, "a") is Noted.OK
        await webhooks.take("t1", "b")
        assert await webhooks.told(mine, "a", "5-5") is Noted.LOST
        assert await webhooks.told(mine, "b", "5-1") is Noted.OK
        await hook(manager, "t1", receiver)  # set anew: what is noted of the old one doesn't count
        assert await webhooks.told(mine, "b", "5-2") is Noted.GONE
        [kept] = await webhooks.of_task("t1")
        assert kept.told == ""


async def test_a_webhook_that_is_set_just_when_a_task_is_let_go_isnt_forgotten(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    async with receiving() as receiver:
        await hooked(manager, "t1", receiver)
        for wait in (None, 3600.0):
            await manager.outbox.claim(count=1)
            visit = Visit(Means(manager, None, None, "a"), "t1")  # pyright: ignore[reportArgumentType]
            await visit._read()
            await hook(manager, "t1", receiver, "another")
            await visit._let_go(wait)
            soon = await now_ms(raw) + 1000 * (manager.outbox.hold + 1)
            assert await raw.zcount("index:push", "-inf", soon) == 1


async def test_a_deleted_webhook_is_told_nothing_more_and_others_all(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    async with receiving() as gone, receiving() as stays, pushing(manager):
        writer = await hooked(manager, "t1", gone, stays)
        await says(writer, "one")
        await gone.until(2)
        await stays.until(2)
        await manager.webhooks.delete("t1", "hook0")
        await says(writer, "two")
        await ends(writer)
        await until_settled(raw)
        assert gone.offsets == [1, 2]
        assert stays.offsets == [1, 2, 3, 4]


async def test_a_receiver_that_asks_to_wait_is_let_be(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    changed = {**QUICK, "push_retry_longest_seconds": 500.0}
    async with connected(settings, **changed) as manager, receiving() as receiver:
        receiver.failing, receiver.headers = 1, {"retry-after": "400"}
        async with pushing(manager):
            await hooked(manager, "t1", receiver)

            async def fails() -> Any:
                [kept] = await manager.webhooks.of_task("t1")
                return kept.failing

            failing = await until(fails)
            assert failing.reason == "HTTP 503"
            assert failing.until - failing.since == 400_000


USUAL = Settings()


@given(st.integers(1, 2000), st.floats(0, 1))
def test_pauses_grow_to_the_longest_and_are_shortened_by_half_at_most(
    tries: int, drawn: float
) -> None:
    whole = min(USUAL.push_retry_first_seconds * 2.0 ** min(tries - 1, 60), 900.0)
    assert whole / 2 <= pause(tries, USUAL, draw=lambda: drawn) <= whole


def test_an_event_is_tried_for_hours_often_at_first_and_some_dozens_of_times_in_all() -> None:
    settings, passed, tries = USUAL, 0.0, 0
    while passed < settings.push_retry_seconds:
        tries += 1
        passed += pause(tries, settings, draw=lambda: 0.5)
    assert settings.push_retry_seconds >= 3600
    assert 30 <= tries <= 60
