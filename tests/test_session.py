"""A stream session: the same story for everybody, from wherever they are, or a word that it can't be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.event import Event
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State, apply
from tasks import (
    accepted,
    batch,
    connected,
    contiguous,
    folded,
    lapse,
    leased,
    log_of,
    saved,
    status,
    story,
    until,
    writing,
)


@dataclass
class Process:
    """What a process has to serve watchers with."""

    manager: RedisManager
    feeds: Feeds

    def session(self, task: str = "t1", **kwargs: Any) -> StreamSession:
        return StreamSession(self.manager, self.feeds, task, **kwargs)


@asynccontextmanager
async def processing(
    settings: Settings, *, linger: float = 5.0, **changed: Any
) -> AsyncIterator[Process]:
    async with connected(settings, **changed) as manager:
        feeds = Feeds(manager, linger=linger)
        feeds.start()
        try:
            yield Process(manager, feeds)
        finally:
            await feeds.aclose()


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    async with processing(settings) as process:
        yield process


class Watcher:
    """Reads a session, and keeps what it has seen.

    Args:
        session: An entered session.
    """

    def __init__(self, session: StreamSession) -> None:
        self.session = session
        self.events: list[Event] = []
        self.resets: list[Reset] = []
        self.task: Json | None = None

    async def look(self, seconds: float = 20) -> None:
        """Take what comes next."""
        got = await self.session.next(seconds)
        if isinstance(got, Reset):
            self.resets.append(got)
            self.events.clear()
            self.task = orjson.loads(orjson.dumps(got.task))
            return
        for event in got:
            if self.task is not None or event.kind == "task":
                self.task = apply(self.task, event.payload)
        self.events += got

    async def until(self, condition: Callable[[Watcher], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                await self.look()

    async def until_end(self) -> None:
        """Read until the task has ended."""
        await self.until(
            lambda me: bool(me.events and me.events[-1].state and me.events[-1].state.terminal)
        )


async def reading(session: StreamSession) -> Watcher:
    """Read a session from now on until the task has ended."""
    watcher = Watcher(session)
    await watcher.until_end()
    return watcher


async def written(writer: LogWriter, count: int, text: str = "event") -> None:
    await asyncio.gather(*(writer.append(status(text=f"{text} {n}")) for n in range(count)))


# The same story for everybody


async def test_a_watcher_sees_what_was_and_then_what_comes(process: Process) -> None:
    writer = await writing(process.manager)
    await written(writer, 10)
    async with process.session() as session:
        watcher = Watcher(session)
        await watcher.until(lambda me: len(me.events) == 11)
        for n in range(10):
            await writer.append(status(text=f"live {n}"))
            await watcher.until(lambda me, n=n: len(me.events) == 12 + n)
        assert session.at_end
    assert story(watcher.events) == story(await log_of(process.manager))
    assert watcher.task == writer.task


async def test_a_watcher_that_joins_late_sees_the_story_from_its_start(process: Process) -> None:
    writer = await writing(process.manager)
    await written(writer, 1200)  # more than a page, more than a feed keeps at first
    await writer.append(status(State.COMPLETED))
    async with process.session() as session:
        watcher = await reading(session)
        assert session.at_end
        assert session.newest is not None
        assert session.newest.position == watcher.events[-1].position
        assert not await session.next(0)
    assert story(watcher.events) == story(await log_of(process.manager))


async def test_a_watcher_goes_on_from_any_position(process: Process) -> None:
    writer = await writing(process.manager)
    await written(writer, 150)
    await writer.append(status(State.COMPLETED))
    log = await log_of(process.manager)
    for place in (0, 1, 60, 100, 150):
        async with process.session(after=log[place].position) as session:
            watcher = await reading(session)
        assert story(watcher.events) == story(log[place + 1 :])
        assert not watcher.resets
    async with process.session(after=log[-1].position) as session:
        assert not await session.next(0)
        assert session.at_end
        newest = session.newest
        assert newest is not None
        assert newest.state is State.COMPLETED


async def test_time_that_is_over_brings_nothing(process: Process) -> None:
    await writing(process.manager)
    async with process.session() as session:
        assert len(await session.next(0)) == 1  # pyright: ignore[reportArgumentType] - no reset
        assert len(await session.next(0.01)) == 0  # pyright: ignore[reportArgumentType]


class Story:
    """A task that is written while it is watched, from two processes.

    Args:
        processes: The processes that serve watchers.
        raw: Redis, to break connections.
        stack: Leaves the sessions in the end.
    """

    def __init__(
        self, processes: list[Process], raw: redis.asyncio.Redis, stack: AsyncExitStack
    ) -> None:
        self._processes = processes
        self._raw = raw
        self._stack = stack
        self._manager = processes[0].manager
        self._writer: LogWriter | None = None
        self._count = 0
        self.watching: list[tuple[asyncio.Task[Watcher], Position | None]] = []

    async def append(self, count: int = 1, text: str = "") -> None:
        if self._writer is None:
            self._writer = await writing(self._manager)
        self._count += 1
        await written(self._writer, count, f"{self._count} {text}")

    async def append_many(self) -> None:
        await self.append(80)

    async def append_large(self) -> None:
        await self.append(3, "x" * 100_000)

    async def join(self, after: Position | None = None) -> None:
        process = self._processes[len(self.watching) % len(self._processes)]
        session = await self._stack.enter_async_context(process.session(after=after))
        self.watching.append((asyncio.create_task(reading(session)), after))

    async def resume(self) -> None:
        snapshot = await self._manager.snapshots.get("t1")
        assert snapshot is not None
        await self.join(snapshot.position)

    async def leave(self) -> None:
        if self.watching:
            task, _ = self.watching.pop()
            task.cancel()

    async def kill(self) -> None:
        await self._raw.client_kill_filter(_type="pubsub")

    async def take_over(self) -> None:
        await lapse(self._raw, self._manager)
        self._count += 1
        grant = await leased(self._manager, holder=f"w{self._count}")
        self._writer = LogWriter(self._manager.log, grant)

    async def end(self) -> None:
        assert self._writer is not None
        await self._writer.append(status(State.COMPLETED, "bye"))


ACTIONS = st.sampled_from(
    [
        Story.append,
        Story.append_many,
        Story.append_large,
        Story.join,
        Story.resume,
        Story.leave,
        Story.kill,
        Story.take_over,
    ]
)


@hypothesis_settings(max_examples=30)
@given(actions=st.lists(ACTIONS, max_size=25))
async def test_whatever_happens_each_watcher_sees_one_contiguous_story(
    settings: Settings,
    raw: redis.asyncio.Redis,
    actions: list[Callable[[Story], Awaitable[None]]],
) -> None:
    await raw.flushall()
    async with (
        processing(settings) as one,
        processing(settings) as other,
        AsyncExitStack() as stack,
    ):
        written_and_watched = Story([one, other], raw, stack)
        await written_and_watched.append()
        for action in [Story.join, *actions, Story.join, Story.end]:
            await action(written_and_watched)
        log = await log_of(one.manager)
        async with asyncio.timeout(20):
            for task, after in written_and_watched.watching:
                watcher = await task
                assert not watcher.resets
                assert story(watcher.events) == story(log[after.offset if after else 0 :])


async def test_a_watcher_that_doesnt_read_misses_nothing(process: Process) -> None:
    writer = await writing(process.manager)
    async with process.session() as slow, process.session() as quick:
        watcher, other = Watcher(slow), Watcher(quick)
        await watcher.look()
        for n in range(30):  # far more than a feed keeps
            await written(writer, 10, f"{n} " + "x" * 10_000)
            await other.look()
        await writer.append(status(State.COMPLETED))
        await other.until_end()
        await watcher.until_end()
    assert not watcher.resets
    assert story(watcher.events) == story(other.events) == story(await log_of(process.manager))


async def test_a_broken_connection_loses_nobody_anything(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(process.manager)
    async with process.session() as session:
        watcher = Watcher(session)
        for n in range(20):
            await raw.client_kill_filter(_type="pubsub")
            await written(writer, 3, str(n))
            await raw.client_kill_filter(_type="normal", skipme=True)
            await watcher.until(lambda me, n=n: len(me.events) == 1 + 3 * (n + 1))
    assert not watcher.resets
    assert story(watcher.events) == story(await log_of(process.manager))


async def test_two_hundred_watchers_of_a_task_take_one_subscription_and_no_more_connections(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings) as process, AsyncExitStack() as stack:
        writer = await writing(process.manager)
        await written(writer, 300)
        sessions = await asyncio.gather(
            *(stack.enter_async_context(process.session()) for _ in range(200))
        )
        found: Any = await raw.pubsub_numsub(process.manager.keys.channel("t1"))
        assert found[0][1] == 1
        before: Any = await raw.info("commandstats")
        readers = [asyncio.create_task(reading(session)) for session in sessions]
        await written(writer, 20)
        await writer.append(status(State.COMPLETED))
        log = story(await log_of(process.manager))
        async with asyncio.timeout(30):
            for reader in readers:
                assert story((await reader).events) == log
        after: Any = await raw.info("commandstats")
        read = after["cmdstat_xrange"]["calls"] - before.get("cmdstat_xrange", {}).get("calls", 0)
        assert read < 50
        found = await raw.pubsub_numsub(process.manager.keys.channel("t1"))
        assert found[0][1] == 1
        assert len(await raw.client_list()) <= 4 + 1 + 1  # its commands, its ear, and this test


async def test_who_comes_back_soon_finds_the_feed_as_it_was(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings) as process:
        writer = await writing(process.manager)
        await written(writer, 300)
        async with process.session() as session:
            first = Watcher(session)
            await first.until(lambda me: len(me.events) == 301)
        await written(writer, 3, "while nobody watches")
        before: Any = await raw.info("commandstats")
        async with process.session() as session:
            second = Watcher(session)
            await second.until(lambda me: len(me.events) == 304)
        after: Any = await raw.info("commandstats")
        for command in ("cmdstat_xrevrange", "cmdstat_subscribe"):
            assert after.get(command) == before.get(command)
        # What lies between the pages and the tail is no page, and read again.
        assert after["cmdstat_xrange"]["calls"] <= before["cmdstat_xrange"]["calls"] + 1
        assert story(second.events) == story(await log_of(process.manager))


async def test_feeds_that_nobody_watches_are_few(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings) as process:
        for number in range(300):
            await writing(process.manager, f"t{number}")
            async with process.session(f"t{number}"):
                pass

        async def few_are_left() -> bool:
            return len(await raw.pubsub_channels("channel:task:*")) == 256

        await until(few_are_left)

    async def none_is_left() -> bool:  # Redis notices a closed connection by and by
        return await raw.pubsub_channels("channel:task:*") == []

    await until(none_is_left)


# Who watches


async def test_watchers_are_known_across_processes_with_the_time_their_claims_lapse(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings) as one, processing(settings) as other:
        await writing(one.manager)

        async def watched_by(*sessions: StreamSession) -> None:
            async def known() -> bool:
                watchers = await one.manager.subscriptions.watchers("t1")
                return set(watchers) == {session.watcher for session in sessions}

            await until(known)

        async with one.session() as first, one.session() as second:
            async with other.session() as third:
                await watched_by(first, second, third)
                assert await other.manager.subscriptions.count("t1") == 3
                key = one.manager.keys.subscriptions("t1")
                lapses: Any = await raw.zrange(key, 0, -1, withscores=True)
                now = time.time() * 1000
                assert all(now < lapse <= now + 30_000 for _, lapse in lapses)
                assert await raw.pttl(key) > 0
            await watched_by(first, second)
        await watched_by()
        assert not await raw.exists(key)


async def test_a_claim_that_isnt_renewed_lapses(settings: Settings) -> None:
    async with connected(settings, watcher_seconds=0.2) as manager:
        await manager.subscriptions.change(come=[("t1", "dead"), ("t1", "too")])
        assert await manager.subscriptions.count("t1") == 2

        async def lapsed() -> bool:
            return await manager.subscriptions.count("t1") == 0

        await until(lapsed)
        assert await manager.subscriptions.watchers("t1") == []
    async with connected(settings) as manager:
        await manager.subscriptions.change(come=[("t1", "alive")])
        assert await manager.subscriptions.watchers("t1") == ["alive"]


async def test_a_process_renews_its_watchers_claims(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings, watcher_seconds=1.5) as process:
        await writing(process.manager)
        async with process.session() as session:
            key = process.manager.keys.subscriptions("t1")
            first = await raw.zscore(key, session.watcher)
            assert first is not None

            async def renewed() -> bool:
                score: Any = await raw.zscore(key, session.watcher)
                return score is not None and score > first

            await until(renewed)


async def test_watchers_that_come_and_go_leave_nothing_behind(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with processing(settings, linger=0, watcher_seconds=1.0) as process:
        writer = await writing(process.manager)

        async def comes(patience: int) -> None:
            async def watches() -> None:
                async with process.session() as session:
                    await Watcher(session).until_end()

            watching = asyncio.create_task(watches())
            for _ in range(patience):
                await asyncio.sleep(0)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching

        await asyncio.gather(*(comes(patience) for patience in range(60)))
        for patience in range(20):  # alone: each time the feed begins anew
            await comes(patience)
        channel = process.manager.keys.channel("t1")

        async def nobody_is_left() -> bool:
            found: Any = await raw.pubsub_numsub(channel)
            return found[0][1] == 0 and await process.manager.subscriptions.count("t1") == 0

        await until(nobody_is_left)
        async with process.session() as session:  # and the next one finds all in order
            await writer.append(status(State.COMPLETED))
            watcher = await reading(session)
        assert story(watcher.events) == story(await log_of(process.manager))


# Stories that can't be told


async def goes_on(process: Process, session: StreamSession, reset: Reset) -> None:
    """After a reset, the story goes on from its position to the task's end."""
    writer = LogWriter(
        process.manager.log, await leased(process.manager, reset.task["id"], holder="w9")
    )
    await written(writer, 3)
    await writer.append(status(State.COMPLETED))
    watcher = Watcher(session)
    watcher.task = orjson.loads(orjson.dumps(reset.task))
    await watcher.until_end()
    contiguous(watcher.events, after=reset.position.offset)
    assert not watcher.resets
    assert watcher.task == writer.task


async def is_reset(session: StreamSession, reason: str) -> Reset:
    got = await session.next(20)
    assert isinstance(got, Reset)
    assert got.reason == reason
    assert session.position == got.position
    return got


@pytest.mark.parametrize("by_position", [True, False])
async def test_a_story_that_was_trimmed_begins_anew_from_the_snapshot(
    settings: Settings, raw: redis.asyncio.Redis, by_position: bool
) -> None:
    async with processing(settings, history_maxlen=10) as process:
        writer = await writing(process.manager)
        old = (await log_of(process.manager))[0].position
        for n in range(30):
            await written(writer, 20, f"{n} " + "x" * 500)
        async with process.session(after=old if by_position else None) as session:
            reset = await is_reset(session, "trimmed")
            assert reset.task == writer.task
            assert reset.position.offset == 601
            await lapse(raw, process.manager)
            await goes_on(process, session, reset)


@pytest.mark.parametrize("how", ["live", "resumed"])
async def test_a_watcher_of_events_that_redis_lost_begins_anew(
    process: Process, raw: redis.asyncio.Redis, how: str
) -> None:
    manager = process.manager
    writer = await writing(manager)
    await written(writer, 3)
    replica = await saved(raw, manager)
    async with process.session() as live:
        watcher = Watcher(live)
        await written(writer, 5, "lost")
        await watcher.until(lambda me: len(me.events) == 9)
        await replica.restore()
        await lapse(raw, manager)
        other = LogWriter(manager.log, await leased(manager, holder="w2"))
        await written(other, 7, "instead")  # the same offsets and more
        async with AsyncExitStack() as stack:
            session = live
            if how == "resumed":
                session = await stack.enter_async_context(process.session(after=live.position))
            reset = await is_reset(session, "forked")
            assert reset.task == other.task == folded(await log_of(manager))
            await lapse(raw, manager)
            await goes_on(process, session, reset)


async def test_a_watcher_ahead_of_the_log_begins_anew(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(process.manager)
    await written(writer, 2)
    last = (await log_of(process.manager))[-1].position
    for position in (Position(last.epoch, 4), Position(last.epoch + 1, 9), Position(1, 2**64 - 1)):
        async with process.session(after=position) as session:
            reset = await is_reset(session, "future")
            assert reset.position == last
    async with process.session(after=Position(last.epoch + 5, 10**6)) as session:
        reset = await is_reset(session, "future")
        await lapse(raw, process.manager)
        await goes_on(process, session, reset)


async def test_a_position_of_another_task_begins_anew(process: Process) -> None:
    await written(await writing(process.manager, "t2"), 0)
    writer = await writing(process.manager)
    await written(writer, 2)
    foreign = (await log_of(process.manager, "t2"))[0].position
    for position in (foreign, Position(foreign.epoch, 2), Position(foreign.epoch, 3)):
        async with process.session(after=position) as session:
            reset = await is_reset(session, "forked")
            assert reset.task == writer.task


async def test_a_position_that_cant_be_read_begins_anew(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    await written(await writing(process.manager), 2)
    async with process.session(malformed=True) as session:
        reset = await is_reset(session, "malformed")
        await lapse(raw, process.manager)
        await goes_on(process, session, reset)


@pytest.mark.parametrize("by_position", [True, False])
async def test_a_finished_task_whose_history_has_expired_is_told_by_its_snapshot(
    process: Process, raw: redis.asyncio.Redis, by_position: bool
) -> None:
    writer = await writing(process.manager)
    await writer.append(status(State.COMPLETED, "bye"))
    log = await log_of(process.manager)
    await raw.delete(process.manager.keys.stream("t1"))
    async with process.session(after=log[0].position if by_position else None) as session:
        reset = await is_reset(session, "gone")
        assert reset.task == writer.task
        assert reset.position == log[-1].position
        assert not await session.next(0)  # once is enough


async def test_an_open_task_whose_history_was_lost_is_told_by_its_snapshot_and_goes_on(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(process.manager)
    await written(writer, 3)
    last = (await log_of(process.manager))[-1].position
    await raw.delete(process.manager.keys.stream("t1"))
    async with process.session(after=last) as session:
        await is_reset(session, "gone")
        assert not await session.next(0)
        await writer.append(status(text="go on"))
        await writer.drain()  # also the snapshot that takes the lost history's place
        watcher = Watcher(session)
        await watcher.until(lambda me: len(me.resets) == 1)
        assert watcher.task == writer.task
        await writer.append(status(text="and on"))
        await writer.append(status(State.COMPLETED))
        await watcher.until_end()
        contiguous(watcher.events, after=5)
        assert watcher.task == writer.task


async def test_a_watcher_of_a_history_that_is_lost_under_it_sees_it_go_on(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    writer = await writing(process.manager)
    await written(writer, 3)
    async with process.session() as session:
        watcher = Watcher(session)
        await watcher.until(lambda me: len(me.events) == 4)
        await raw.delete(process.manager.keys.stream("t1"))
        await written(writer, 3)
        await writer.append(status(State.COMPLETED))
        await watcher.until_end()
    assert not watcher.resets
    contiguous(watcher.events)
    assert watcher.task == writer.task


async def test_a_task_that_is_lost_under_its_watcher_isnt_found_any_more(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    await writing(process.manager)
    async with process.session() as session:
        watcher = Watcher(session)
        await watcher.look()
        await raw.flushall()
        await raw.client_kill_filter(_type="pubsub")
        with pytest.raises(TaskNotFound):
            await watcher.until_end()


async def test_there_is_no_session_on_a_task_that_isnt_there(
    process: Process, raw: redis.asyncio.Redis
) -> None:
    with pytest.raises(TaskNotFound):
        async with process.session("nothing"):
            raise AssertionError("entered")
    found: Any = await raw.pubsub_numsub(process.manager.keys.channel("nothing"))
    assert found[0][1] == 0
    assert await raw.dbsize() == 0
    await accepted(process.manager, "nothing")
    async with process.session("nothing") as session:  # and once it is there, there is
        assert await session.next(20)


async def test_a_session_is_read_inside_its_with(process: Process) -> None:
    await accepted(process.manager)
    session = process.session()
    with pytest.raises(RuntimeError):
        await session.next(0)
    async with session:
        await session.next(0)
    with pytest.raises(RuntimeError):
        await session.next(0)


async def test_events_are_told_as_they_stand_in_the_log_byte_for_byte(process: Process) -> None:
    await accepted(process.manager)
    grant = await leased(process.manager)
    data = b'{ "message" : {"messageId":"m","role":"ROLE_AGENT","parts":[{"data":1.0}]} }'
    await process.manager.log.append(grant, replace(batch(1), events=[data]))
    async with process.session() as session:
        watcher = Watcher(session)
        await watcher.until(lambda me: len(me.events) == 2)
    assert watcher.events[1].data == data
