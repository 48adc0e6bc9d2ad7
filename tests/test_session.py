"""A stream session: the same story for everybody, from wherever they are, or a word that it can't be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from a2a_streaming.feed import Feeds
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
async def processing(settings: Settings, **changed: Any) -> AsyncIterator[Process]:
    async with connected(settings, **changed) as manager:
        feeds = Feeds(manager)
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
        assert session.newest is watcher.events[-1]
        assert await session.next(0) in ((), [])
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
        assert await session.next(0) in ((), [])
        assert session.at_end
        newest = session.newest
        assert newest is not None
        assert newest.state is State.COMPLETED


async def test_time_that_is_over_brings_nothing(process: Process) -> None:
    await writing(process.manager)
    async with process.session() as session:
        assert len(await session.next(0)) == 1  # pyright: ignore[reportArgumentType] - no reset
        assert len(await session.next(0.01)) == 0  # pyright: ignore[reportArgumentType]


ACTIONS = st.lists(
    st.sampled_from(["append", "many", "large", "join", "resume", "leave", "kill", "takeover"]),
    max_size=25,
)


@hypothesis_settings(max_examples=25)
@given(actions=ACTIONS)
async def test_whatever_happens_each_watcher_sees_one_contiguous_story(
    settings: Settings, raw: redis.asyncio.Redis, actions: list[str]
) -> None:
    await raw.flushall()
    async with processing(settings) as one, processing(settings) as other, AsyncExitStack() as stack:
        manager = one.manager
        writer = await writing(manager)
        watching: list[tuple[asyncio.Task[Watcher], Position | None]] = []
        left: list[tuple[Watcher, Position | None]] = []

        async def joins(after: Position | None) -> None:
            process = (one, other)[len(watching) % 2]
            session = await stack.enter_async_context(process.session(after=after))
            watching.append((asyncio.create_task(reading(session)), after))

        async def leaves() -> None:
            async with one.session() as session:
                watcher = Watcher(session)
                await watcher.look()
                left.append((watcher, None))

        await joins(None)
        for n, action in enumerate(actions):
            match action:
                case "append":
                    await writer.append(status(text=f"{n}"))
                case "many":
                    await written(writer, 80, f"{n}")
                case "large":
                    await written(writer, 3, "x" * 100_000)
                case "join":
                    await joins(None)
                case "resume":
                    snapshot = await manager.snapshots.get("t1")
                    assert snapshot is not None
                    await joins(snapshot.position)
                case "leave":
                    await leaves()
                case "kill":
                    await raw.client_kill_filter(_type="pubsub")
                case _:
                    await lapse(raw, manager)
                    writer = LogWriter(manager.log, await leased(manager, holder=f"w{n}"))
        await writer.append(status(State.COMPLETED, "bye"))
        log = await log_of(manager)
        async with asyncio.timeout(20):
            for task, after in watching:
                watcher = await task
                assert not watcher.resets
                assert story(watcher.events) == story(log[after.offset if after else 0 :])
        for watcher, _ in left:
            assert story(watcher.events) == story(log[: len(watcher.events)])
