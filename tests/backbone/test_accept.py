"""How a customer's message gets into a task's inbox: once, or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis.asyncio

from a2a_streaming.backbone.inbox import InboxEntry, Offer
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from tasks import (
    asked,
    connected,
    everything,
    is_whole,
    lapse,
    leased,
    log_of,
    offer,
    status,
)


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


async def inbox_of(raw: redis.asyncio.Redis, manager: RedisManager) -> list[InboxEntry]:
    entries: list[Any] = await raw.lrange(manager.keys.inbox("t1"), 0, -1)
    return [InboxEntry.parse(entry) for entry in entries]


async def ended(manager: RedisManager, state: State = State.COMPLETED) -> None:
    await LogWriter(manager.log, await leased(manager)).append(status(state, "bye"))


async def test_a_first_message_creates_the_task(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    first = offer(owner="ann", context="c7")
    answer = await manager.inbox.accept(first)
    assert answer.code == "CREATED"
    assert answer.state is State.SUBMITTED
    assert answer.before is None
    [event] = await log_of(manager)
    assert event.position == answer.position
    assert event.payload == {"task": first.task}
    [waiting] = await inbox_of(raw, manager)
    assert waiting.message == first.message
    meta = await manager.snapshots.meta("t1")
    assert meta is not None
    assert (meta.owner, meta.agent, meta.context, meta.dialect) == ("ann", "echo", "c7", "0.1")
    assert (meta.state, meta.last) == (State.SUBMITTED, answer.position)
    await is_whole(manager)


async def test_a_follow_up_waits_in_the_inbox_behind_the_first(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    first, second = offer(), offer(text="and more")
    created = await manager.inbox.accept(first)
    answer = await manager.inbox.accept(second)
    assert (answer.code, answer.position) == ("ACCEPTED", created.position)
    assert answer.before == created.position
    assert [entry.message for entry in await inbox_of(raw, manager)] == [
        first.message,
        second.message,
    ]
    assert len(await log_of(manager)) == 1  # nothing is in the log before a run has taken it


async def test_a_known_message_joins_whatever_has_become_of_the_task(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    first, second = offer(), offer(text="and more")
    await manager.inbox.accept(first)
    await manager.inbox.accept(second)
    before = await everything(raw)
    for again in (first, second):
        assert (await manager.inbox.accept(again)).code == "JOINED"
    assert await everything(raw) == before
    await ended(manager)
    for again in (first, second):
        answer = await manager.inbox.accept(again)
        assert (answer.code, answer.state) == ("JOINED", State.COMPLETED)
        assert answer.position == (await log_of(manager))[-1].position


async def test_a_known_message_is_told_where_its_turn_began_however_far_the_log_has_gone(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    first, second, third = offer(), offer(text="and more"), offer(text="and yet more")
    await manager.inbox.accept(first)
    writer = await asked(manager, await leased(manager))
    before = {"first": None, "second": writer.position}

    async def are_told() -> None:
        for name, said in (("first", first), ("second", second)):
            answer = await manager.inbox.accept(said)
            assert (answer.code, answer.before) == ("JOINED", before[name])
            assert answer.position == (await log_of(manager))[-1].position

    assert (await manager.inbox.accept(second)).before == before["second"]
    await are_told()
    await lapse(raw, manager)
    writer = LogWriter(manager.log, await leased(manager, holder="w2"))
    for text in "abc":
        await writer.append(status(text=text))
        await are_told()
    assert (await manager.inbox.accept(third)).before == writer.position
    await are_told()
    await writer.append(status(State.COMPLETED, "bye"))
    await are_told()


async def test_a_first_message_known_by_its_content_began_the_task(manager: RedisManager) -> None:
    await manager.inbox.accept(offer(by_content=True))
    await asked(manager, await leased(manager))
    again = await manager.inbox.accept(offer(by_content=True))
    assert (again.code, again.before) == ("JOINED", None)


@pytest.mark.parametrize("code", ["CONFLICT", "AGENT", "CONTEXT", "TERMINAL"])
async def test_a_message_that_is_refused_has_no_turn(manager: RedisManager, code: str) -> None:
    await manager.inbox.accept(offer(context="c1"))
    await manager.inbox.accept(offer(text="more", message_id="m2"))
    match code:
        case "CONFLICT":
            late = offer(text="other", message_id="m2")
        case "AGENT":
            late = offer(agent="other")
        case "CONTEXT":
            late = offer(context="c8")
        case _:
            await ended(manager)
            late = offer(text="late")
    answer = await manager.inbox.accept(late)
    assert (answer.code, answer.before) == (code, None)
    assert answer.position == (await log_of(manager))[-1].position


async def test_a_first_message_without_an_id_of_its_own_is_known_by_its_content(
    manager: RedisManager,
) -> None:
    assert (await manager.inbox.accept(offer(by_content=True))).code == "CREATED"
    assert (await manager.inbox.accept(offer(by_content=True))).code == "JOINED"
    yes = [await manager.inbox.accept(offer(text="yes", by_content=True)) for _ in range(2)]
    assert [answer.code for answer in yes] == ["ACCEPTED", "ACCEPTED"]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (offer(owner="bob"), "UNKNOWN"),
        (offer(owner="ann", agent="other"), "AGENT"),
        (offer(owner="ann", context="c8"), "CONTEXT"),
        (offer(text="other", owner="ann", message_id="m1"), "CONFLICT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_doesnt_fit_the_task_is_refused_and_changes_nothing(
    manager: RedisManager, raw: redis.asyncio.Redis, other: Offer, code: str
) -> None:
    await manager.inbox.accept(offer(owner="ann", context="c7", message_id="m1"))
    before = await everything(raw)
    answer = await manager.inbox.accept(other)
    assert answer.code == code
    assert await everything(raw) == before
    if code == "UNKNOWN":  # another owner learns nothing
        assert (answer.position, answer.state) == (None, None)


async def test_a_context_that_isnt_sent_is_the_tasks(manager: RedisManager) -> None:
    await manager.inbox.accept(offer(context="c7"))
    assert (await manager.inbox.accept(offer(text="more"))).code == "ACCEPTED"
    assert (await manager.inbox.accept(offer(text="more", context="c7"))).code == "ACCEPTED"


async def test_a_message_that_may_not_create_the_task_finds_none(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    answer = await manager.inbox.accept(offer(may_create=False))
    assert (answer.code, answer.position, answer.state) == ("UNKNOWN", None, None)
    assert await raw.dbsize() == 0


@pytest.mark.parametrize(
    "state", [State.COMPLETED, State.FAILED, State.CANCELED, State.REJECTED], ids=lambda s: s.label
)
async def test_a_task_that_has_ended_takes_no_more_messages(
    manager: RedisManager, raw: redis.asyncio.Redis, state: State
) -> None:
    await manager.inbox.accept(offer())
    await ended(manager, state)
    before = await everything(raw)
    answer = await manager.inbox.accept(offer(text="more"))
    assert (answer.code, answer.state) == ("TERMINAL", state)
    assert await everything(raw) == before


async def test_an_inbox_takes_as_many_messages_as_it_may(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, inbox_limit=9) as manager:
        # 9 and 10: numbers, which as text would compare the other way round.
        codes = [(await manager.inbox.accept(offer(text=f"m{n}"))).code for n in range(11)]
        assert codes == ["CREATED", *["ACCEPTED"] * 8, "FULL", "FULL"]
        assert len(await inbox_of(raw, manager)) == 9
        grant = await leased(manager)
        assert grant.entry is not None
        await LogWriter(manager.log, grant).append(status(), settles=grant.entry.message_id)
        assert (await manager.inbox.accept(offer(text="m11"))).code == "ACCEPTED"


async def test_a_message_that_was_refused_for_a_full_inbox_can_be_sent_again(
    settings: Settings,
) -> None:
    async with connected(settings, inbox_limit=1) as manager:
        await manager.inbox.accept(offer())
        late = offer(text="late")
        assert (await manager.inbox.accept(late)).code == "FULL"
        grant = await leased(manager)
        assert grant.entry is not None
        await LogWriter(manager.log, grant).append(status(), settles=grant.entry.message_id)
        assert (await manager.inbox.accept(late)).code == "ACCEPTED"


@pytest.mark.parametrize("left", ["stream", "snapshot"])
async def test_a_task_whose_meta_is_lost_is_damaged_and_not_begun_anew(
    manager: RedisManager, raw: redis.asyncio.Redis, left: str
) -> None:
    await manager.inbox.accept(offer())
    keys = {"stream": manager.keys.stream("t1"), "snapshot": manager.keys.snapshot("t1")}
    lost = {manager.keys.meta("t1"), *keys.values()} - {keys[left]}
    await raw.delete(*lost)
    before = await everything(raw)
    answer = await manager.inbox.accept(offer())
    assert (answer.code, answer.position, answer.state) == ("DAMAGED", None, None)
    assert await everything(raw) == before


async def test_two_hundred_identical_first_sends_at_once_make_one_task_with_one_message(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as one, connected(settings) as other:
        sends = [
            process.inbox.accept(offer(by_content=True))
            for process in (one, other)
            for _ in range(100)
        ]
        codes = Counter(answer.code for answer in await asyncio.gather(*sends))
        assert codes == {"CREATED": 1, "JOINED": 199}
        assert len(await log_of(one)) == 1
        assert len(await inbox_of(raw, one)) == 1


async def test_two_hundred_copies_of_one_follow_up_at_once_are_one_message(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await manager.inbox.accept(offer())
    again = offer(text="more", message_id="m2")
    answers = await asyncio.gather(*(manager.inbox.accept(again) for _ in range(200)))
    assert Counter(answer.code for answer in answers) == {"ACCEPTED": 1, "JOINED": 199}
    assert len(await inbox_of(raw, manager)) == 2


async def test_messages_sent_at_once_are_all_there_in_the_order_in_which_they_were_accepted(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        offers = [offer(text=f"m{n}", message_id=f"m{n}") for n in range(50)]
        await asyncio.gather(*(manager.inbox.accept(each) for each in offers))
        waiting = [entry.message_id for entry in await inbox_of(raw, manager)]
        assert sorted(waiting) == sorted(each.message["messageId"] for each in offers)
        [event] = await log_of(manager)
        assert event.payload["task"]["history"][0]["messageId"] == waiting[0]


@pytest.mark.one_server("plain Pub/Sub")
async def test_what_is_published_is_what_stands_in_the_history(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    pubsub = raw.pubsub()
    await pubsub.subscribe(manager.keys.channel("t1"))
    awkward = offer(text='ä "quoted" \\ \n \u2028 \0 😀 {}')
    await manager.inbox.accept(awkward)
    await manager.inbox.accept(offer(text="a follow-up is no event yet"))
    published: list[bytes] = []
    while not published:
        got = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        if got is not None:
            published.append(got["data"])
    [event] = await log_of(manager)
    assert published == [b"0-0 %b %b" % (str(event.position).encode(), event.data)]
    assert event.payload["task"] == awkward.task
    assert b"\n" not in event.data
    assert await pubsub.get_message(ignore_subscribe_messages=True) is None
    await pubsub.aclose()


async def test_a_message_whose_reply_was_lost_is_accepted_once(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    first = offer()
    assert (await manager.inbox.accept(first)).code == "CREATED"
    assert (await manager.inbox.accept(replace(first))).code == "JOINED"
    [waiting] = await inbox_of(raw, manager)
    assert waiting.message_id == first.message["messageId"]


async def test_the_inbox_says_how_many_messages_wait(manager: RedisManager) -> None:
    assert await manager.inbox.waiting("t1") == 0
    await manager.inbox.accept(offer())
    await manager.inbox.accept(offer(text="more"))
    assert await manager.inbox.waiting("t1") == 2


async def test_numbers_and_nesting_survive_as_they_were_sent(manager: RedisManager) -> None:
    first = offer()
    data = {"n": [0, -1, 1.5, 2**53, 2**63 - 1, 1e300], "deep": [[[{"": None}]]], "no": False}
    first.message["parts"].append({"data": data})
    await manager.inbox.accept(first)
    [event] = await log_of(manager)
    assert orjson.loads(event.data)["task"]["history"][0]["parts"][1] == {"data": data}
    grant = await leased(manager)
    assert grant.entry is not None
    assert grant.entry.message == first.message
