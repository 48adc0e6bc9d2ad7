"""Tasks without a server: making them, working on them, and looking at what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import orjson
import redis.asyncio

from a2a_streaming.backbone.inbox import Accepted, Offer
from a2a_streaming.backbone.log import Batch, Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.event import Event, message, new_task, status_event, text_part, timestamp
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State, apply

T = TypeVar("T")


@asynccontextmanager
async def connected(settings: Settings, **changed: Any) -> AsyncIterator[RedisManager]:
    """A process's way to Redis, with some settings changed."""
    settings = settings.model_copy(update=changed)
    async with RedisManager(settings.redis_url, settings) as manager:
        yield manager


async def stored_steps(manager: RedisManager, task: str, message_id: str) -> dict[str, bytes]:
    """What a message's turn has stored: results of finished steps, and bookmarks; by name."""
    kept = await manager._store.call("HGETALL", manager.keys.steps(task))
    found = {field.decode(): result for field, result in zip(kept[::2], kept[1::2], strict=True)}
    mine = f"{message_id} "
    return {
        name.removeprefix(mine): value for name, value in found.items() if name.startswith(mine)
    }


async def until(condition: Callable[[], Awaitable[T]], seconds: float = 20) -> T:
    """Wait until a condition holds; returns what it found."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


def offer(
    task: str = "t1",
    text: str = "hello",
    *,
    owner: str = "",
    agent: str = "echo",
    context: str | None = None,
    message_id: str | None = None,
    by_content: bool = False,
    may_create: bool = True,
) -> Offer:
    """A customer's message, on its way."""
    context_id = context or "c1"
    said = message(
        "user", [text_part(text)], task_id=task, context_id=context_id, message_id=message_id
    )
    return Offer(
        owner=owner,
        agent=agent,
        task_id=task,
        task=new_task(task, context_id, said, at=timestamp()),
        message=said,
        fingerprint="_".join(text.split()),  # as a digest, it has no space
        context=context,
        by_content=by_content,
        may_create=may_create,
        dialect="0.1",
    )


async def accepted(manager: RedisManager, task: str = "t1", text: str = "hello") -> Accepted:
    """A customer's message in a task's inbox."""
    answer = await manager.inbox.accept(offer(task, text))
    assert answer.code in ("CREATED", "ACCEPTED")
    return answer


async def leased(manager: RedisManager, task: str = "t1", holder: str = "w1") -> Grant:
    """The lease on a task."""
    grant = await manager.log.lease(task, holder)
    assert isinstance(grant, Grant), grant
    return grant


async def writing(manager: RedisManager, task: str = "t1", holder: str = "w1") -> LogWriter:
    """A writer on a new task."""
    await accepted(manager, task)
    return LogWriter(manager.log, await leased(manager, task, holder))


def said(text: str, *, task: str = "t1", role: Any = "agent") -> Json:
    """A message."""
    return message(role, [text_part(text)], task_id=task, context_id="c1")


def status(state: State = State.WORKING, text: str | None = None, *, task: str = "t1") -> Json:
    """A status event."""
    return status_event(task, "c1", state, said(text, task=task) if text is not None else None)


def batch(
    offset: int,
    *events: Json,
    number: int = 0,
    step: tuple[str, bytes] | None = None,
    **hanging: Any,
) -> Batch:
    """Events for one call of the append script: the lease's first, unless it is numbered."""
    if step is not None:
        hanging["steps"] = [step]
    encoded = [orjson.dumps(event) for event in events]
    return Batch(number=number, offset=offset, events=encoded, **hanging)


def ending(grant: Grant, offset: int, state: State, **hanging: Any) -> Batch:
    """A turn's last call."""
    return batch(
        offset,
        status(state, "bye"),
        state=state,
        settles=turn_of(grant),
        waiting=1,
        snapshot=orjson.dumps({"id": "t1", "contextId": "c1", "status": {"state": state}}),
        **hanging,
    )


async def asked(manager: RedisManager, grant: Grant) -> LogWriter:
    """A turn that has ended with a question: the lease is given back."""
    writer = LogWriter(manager.log, grant)
    question = status(State.INPUT_REQUIRED, "What?", task=grant.task_id)
    await writer.append(question, settles=turn_of(grant))
    return writer


async def log_of(manager: RedisManager, task: str = "t1", *, page: int = 500) -> list[Event]:
    """A task's whole log; each event follows on the one before."""
    events: list[Event] = []
    while got := await manager.history.page(
        task, events[-1].position if events else None, count=page
    ):
        events += got
    contiguous(events)
    return events


def contiguous(events: Sequence[Event], after: int = 0) -> None:
    """Events are numbered without a hole, and each names the one before."""
    assert [event.position.offset for event in events] == [
        *range(after + 1, after + 1 + len(events))
    ]
    for before, event in pairwise(events):
        assert event.previous == before.position


def folded(events: Sequence[Event]) -> Json | None:
    """A task, folded from its log."""
    task = None
    for event in events:
        task = apply(task, orjson.loads(event.data))
    return task


def story(events: Sequence[Event]) -> list[tuple[str, bytes]]:
    """Events as they can be compared."""
    return [(str(event.position), event.data) for event in events]


async def is_whole(manager: RedisManager, task: str = "t1") -> None:
    """What `snapshots` tells is what the log folds to."""
    events = await log_of(manager, task)
    snapshot = await manager.snapshots.get(task)
    assert snapshot is not None
    assert snapshot.task == folded(events)
    assert snapshot.position == events[-1].position


@dataclass
class Saved:
    """A task's keys as they were: what a replica has that lacks the last writes."""

    client: redis.asyncio.Redis
    keys: list[str]
    values: list[bytes | None]

    async def restore(self) -> None:
        """Lose what was written since."""
        for key, value in zip(self.keys, self.values, strict=True):
            await self.client.delete(key)
            if value is not None:
                await self.client.restore(key, 60_000, value)


async def saved(raw: redis.asyncio.Redis, manager: RedisManager, task: str = "t1") -> Saved:
    """Keep a task's keys as they are."""
    keys = manager.keys.task(task)[:5]
    return Saved(raw, keys, [await raw.dump(key) for key in keys])


def turn_of(grant: Grant) -> str:
    """The id of the message whose turn it is."""
    assert grant.entry is not None
    return grant.entry.message_id


async def lapse(
    raw: redis.asyncio.Redis, manager: RedisManager, task: str = "t1", *, ms: int = 1
) -> None:
    """Let the lease's end be over for a while: its holder was silent for too long."""
    await raw.hset(manager.keys.meta(task), "lease_end", str(await now_ms(raw) - ms))


async def now_ms(raw: redis.asyncio.Redis) -> int:
    """Redis' clock."""
    seconds, micros = await raw.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def meta_of(
    raw: redis.asyncio.Redis, manager: RedisManager, task: str = "t1"
) -> dict[str, str]:
    """What the scripts know of a task."""
    found: dict[Any, Any] = await raw.hgetall(manager.keys.meta(task))
    return {field.decode(): value.decode() for field, value in found.items()}


async def everything(raw: redis.asyncio.Redis) -> dict[bytes, bytes | None]:
    """All that is stored."""
    return {key: await raw.dump(key) async for key in raw.scan_iter()}


async def lifetimes(raw: redis.asyncio.Redis) -> dict[str, int]:
    """How long each key lives on, ms; every key has a lifetime."""
    found = {key.decode(): await raw.pttl(key) async for key in raw.scan_iter()}
    assert all(left > 0 for left in found.values()), found
    return found
