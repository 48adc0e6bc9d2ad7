"""Every key has a name of the table, and a lifetime; an id can't break either."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.auth.keys import make_key
from a2a_streaming.backbone.keys import KEYS, Keys, check_id
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import ANYBODY, Caller, Role
from a2a_streaming.errors import InvalidParams, Unconfirmed
from a2a_streaming.event import text_part
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from receivers import Receiver, receiving
from tasks import accepted, batch, connected, leased, status, until

TYPES = {"sorted set": "zset"}
LIMITS = """
[webhook]
url = "http://127.0.0.1:9/nobody"

[[limits]]
name = "slow"
measure = "total"
seconds = 0.01
"""
WITHOUT_LIFETIME: set[str] = set()
"""Keys that may live for ever."""


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


class Desk(Agent):
    """Does a step and sends an artifact; then completes, asks, or waits for ever."""

    card = agent_card("desk")

    async def run(self, run: Run) -> None:
        await run.step("look", lambda: 1)
        await run.attach("thing", "one")
        if run.text == "ask":
            await run.input_required("What?")
        elif run.text == "wait":
            await asyncio.Event().wait()
        else:
            await run.complete("done")


def text(reply: Any) -> str:
    """What Redis says, as text."""
    return reply.decode()


def row(key: str, prefix: str) -> str | None:
    """The row of the table that a key or channel belongs to."""
    key = re.sub(r":\{\d+\}$", "", key)  # a cluster has a probe in a slot of each server
    for spec in KEYS:
        pattern = re.escape(spec.pattern).replace(r"\{id\}", r"\{[^{}]+\}")
        pattern = pattern.replace(r"\{alerts\}", rf"\{{{re.escape(prefix)}alerts\}}")
        if re.fullmatch(re.escape(prefix) + re.sub("<[a-z]+>", "[^{}]*", pattern), key):
            return spec.pattern
    return None


async def no_key_lives_for_ever(raw: redis.asyncio.Redis, prefix: str) -> set[str]:
    """Check every key there is; returns the rows of the table that were found."""
    types = {spec.pattern: TYPES.get(spec.type, spec.type) for spec in KEYS}
    found: set[str] = set()
    async for key in raw.scan_iter(count=1000):
        name = text(key)
        pattern = row(name, prefix)
        assert pattern is not None, f"{name} isn't in the table"
        kind, lifetime = text(await raw.type(key)), await raw.pttl(key)
        if kind == "none":
            continue  # it was deleted in the meantime
        assert types[pattern] == kind, name
        assert lifetime > 0 or name in WITHOUT_LIFETIME, f"{name} has no lifetime"
        found.add(pattern)
    return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as gone:
        gone.failing, gone.status = 1000, 410
        yield gone


@pytest.mark.parametrize("prefix", ["", "shop:"])
async def test_whatever_the_platform_writes_has_a_name_of_the_table_and_a_lifetime(
    settings: Settings,
    raw: redis.asyncio.Redis,
    receiver: Receiver,
    prefix: str,
    tmp_path: Path,
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\nredis_days = 1\n")  # so that what has ended stays on its list
    changed = {
        "key_prefix": prefix,
        "push_private": True,
        "auth_keys": True,
        "archive_url": f"file://{tmp_path}/archive",
        "retention": str(rules),
    }
    (tmp_path / "sla.toml").write_text(LIMITS)
    changed |= {"sla": str(tmp_path / "sla.toml"), "sla_secret": SecretStr("s" * 32)}
    node = Node([Desk()], settings.model_copy(update=changed))
    await node.start()
    service = node.service("desk")
    customer, operator = Caller("o"), Caller("p", Role.OPERATOR)
    _, key = make_key(name="", subject="o", role=Role.CUSTOMER, seconds=60)
    await node.manager.credentials.put(key)

    async def sent(task: str, words: str) -> None:
        await service.send(
            [text_part(words)], caller=customer, task_id=task, context="c", dialect="0.1"
        )

    async def has(task: str, state: State) -> bool:
        return (await service.get(task, caller=customer))["status"]["state"] == state

    try:
        for wanted in ("done", "ask", "wait"):
            await sent(wanted, wanted)
        await sent("wait", "a message that waits")
        hook = {"id": "hook", "url": "http://127.0.0.1:9/nobody"}
        await service.webhooks.set("wait", hook, caller=customer, dialect="1.0", told="")
        gone = {"id": "gone", "url": receiver.url}  # which says so, and is a dead letter
        await service.webhooks.set("wait", gone, caller=customer, dialect="1.0", told="")
        await until(lambda: raw.exists(f"{prefix}index:dead"))
        await until(lambda: has("done", State.COMPLETED))
        await until(lambda: has("ask", State.INPUT_REQUIRED))
        await until(lambda: raw.exists(f"{prefix}nodes:figures"))
        await until(lambda: raw.exists(f"{prefix}archive:expiring"))
        await until(lambda: raw.keys(f"{prefix}sla:*:alert:*"))  # of which the webhook isn't told
        stored = customer.stored_id("wait")
        await until(lambda: raw.exists(f"{prefix}task:{{{stored}}}:steps"))
        async with await service.watch(customer.stored_id("ask"), caller=operator):
            await until(
                lambda: raw.exists(f"{prefix}subscriptions:{{{customer.stored_id('ask')}}}")
            )
            assert await node.manager.janitor.elect(node.name)
            await node.manager.erasures.begin("somebody", "boss")
            await node.manager.erasures.found("somebody", ["t1"])
            with suppress(Unconfirmed):  # there are no replicas
                async with connected(node.settings, redis_replicas=1, redis_replicas_ms=1) as one:
                    await one.durability.confirm(one.log.canceled("t1"))
            found = await no_key_lives_for_ever(raw, prefix)
            heard = [text(channel) for channel in await raw.pubsub_channels()]
            channels = [name for name in heard if not name.startswith("__sentinel__")]
        assert found == {spec.pattern for spec in KEYS if spec.type != "channel"}
        assert {row(channel, prefix) for channel in channels} == {
            spec.pattern for spec in KEYS if spec.type == "channel"
        }
        await service.cancel("wait", caller=customer)
        await no_key_lives_for_ever(raw, prefix)
    finally:
        await node.aclose()
    await no_key_lives_for_ever(raw, prefix)


async def test_an_open_tasks_keys_expire_as_a_unit(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    if (await raw.info("server"))["redis_version"].startswith("6."):
        pytest.skip("PEXPIRETIME came with Redis 7.0")
    async with connected(settings, open_ttl=1000) as manager:
        keys = manager.keys.task("t1")[:5]

        async def is_a_unit() -> None:
            ends = {await raw.pexpiretime(key) for key in keys if await raw.exists(key)}
            assert max(ends) - min(ends) <= 1  # a script's clock stands still, but not to the bit

        await accepted(manager)
        await is_a_unit()
        grant = await leased(manager)
        assert grant.entry is not None
        await is_a_unit()
        await manager.log.append(grant, batch(1, step=(f"{grant.entry.message_id}:look", b"1")))
        await manager.log.renew([grant])
        await is_a_unit()
        asked = batch(
            1,
            status(State.INPUT_REQUIRED),
            state=State.INPUT_REQUIRED,
            settles=grant.entry.message_id,
            snapshot=b'{"id":"t1"}',
        )
        await manager.log.append(grant, asked)
        await is_a_unit()
        await accepted(manager, text="again")
        await is_a_unit()


async def test_after_the_end_history_and_snapshot_have_lifetimes_of_their_own(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, history_ttl=100, snapshot_ttl=5000) as manager:
        await accepted(manager)
        grant = await leased(manager)
        await manager.log.append(grant, batch(1, step=("m:look", b"1")))
        done = batch(
            1,
            status(State.COMPLETED),
            number=1,
            state=State.COMPLETED,
            waiting=1,
            snapshot=b'{"id":"t1"}',
        )
        assert (await manager.log.append(grant, done)).code == "OK"
        meta, stream, snapshot, inbox, steps = manager.keys.task("t1")[:5]
        assert 0 < await raw.pttl(stream) <= 100_000
        assert 0 < await raw.pttl(steps) <= 100_000
        assert 100_000 < await raw.pttl(snapshot) <= 5_000_000
        assert 100_000 < await raw.pttl(meta) <= 5_000_000
        assert not await raw.exists(inbox)


async def test_an_inbox_that_is_made_again_has_a_lifetime_again(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    await accepted(manager)
    grant = await leased(manager)
    assert grant.entry is not None
    await manager.log.append(grant, batch(1, status(), settles=grant.entry.message_id))
    inbox = manager.keys.inbox("t1")
    assert not await raw.exists(inbox)
    await accepted(manager, text="again")
    assert await raw.pttl(inbox) > 0


async def test_a_work_stream_has_a_lifetime_before_its_first_hint(
    manager: RedisManager, raw: redis.asyncio.Redis
) -> None:
    work = manager.work("desk")
    await work.prepare()
    await work.prepare()  # the second worker's
    assert await raw.pttl(manager.keys.work("desk")) > 0


GOOD = st.text("abcXYZ019._~@:+=-", min_size=1, max_size=128)


@given(GOOD)
def test_an_ordinary_id_is_taken(value: str) -> None:
    assert check_id(value, "The id") == value


def could_break_a_key(value: str) -> bool:
    printable = value.isascii() and value.isprintable()
    return not printable or not 0 < len(value) <= 128 or bool(set(value) & set("{}*?[] /\\\"'"))


@given((st.text() | st.text("a{}\n\0 ", max_size=8)).filter(could_break_a_key))
@example("")
@example("a" * 129)
@example("a" * 10_000)
@example("}{")
@example("{}")
@example("a}:meta")
@example("a b")
@example("a\n")
@example("\0")
@example("ä")
@example("٣")  # a digit, but none of ours
@example("*")
@example("[a]")
def test_an_id_that_could_break_a_key_is_refused(value: str) -> None:
    with pytest.raises(InvalidParams, match="The id must be") as refused:
        check_id(value, "The id")
    assert len(str(refused.value)) < 500


@given(GOOD, GOOD)
def test_different_tasks_have_different_keys_and_all_of_a_tasks_keys_one_slot(
    one: str, other: str
) -> None:
    keys = Keys()

    def of(task: str) -> list[str]:
        return [*keys.task(task), keys.subscriptions(task)]

    assert len(set(of(one))) == 7
    assert one == other or not set(of(one)) & set(of(other))
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in of(one)} == {one}


@pytest.mark.parametrize("task", ["", "a b", "a{b}", "a\nb", "x" * 129])
async def test_nothing_is_stored_for_an_id_that_is_refused(
    settings: Settings, raw: redis.asyncio.Redis, task: str
) -> None:
    node = Node([Desk()], settings, role="front")
    await node.start()
    try:
        service = node.service("desk")
        with pytest.raises(InvalidParams):
            await service.send(
                [text_part("hello")], caller=ANYBODY, task_id=task, context=None, dialect="0.1"
            )
        with pytest.raises(InvalidParams):
            await service.send(
                [text_part("hello")],
                caller=ANYBODY,
                task_id="t1",
                context=task or " ",
                dialect="0.1",
            )
        with pytest.raises(InvalidParams):
            await service.get(task, caller=ANYBODY)
        with pytest.raises(InvalidParams):
            await service.cancel(task, caller=ANYBODY)
        with pytest.raises(InvalidParams):
            await service.watch(task, caller=ANYBODY)
    finally:
        await node.aclose()
    assert set(await raw.keys()) == {b"format", b"index:agents"}
