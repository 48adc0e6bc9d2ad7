"""Tasks that the bench makes in Redis itself, and the real calls that append to them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from a2a_streaming import Settings
from a2a_streaming.backbone.connection import Command, Script
from a2a_streaming.backbone.inbox import Offer
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.log import Batch, Grant, Log
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.event import artifact_event, encode, message, new_task, text_part, timestamp
from a2a_streaming.task import Json
from bench.servers import Server
from bench.template import NUMBER, OFFSET, TEXT, packed, write_template

_HOUR = 3600.0
WORDS = "some words of an answer, as they come from a model, token by token "


def settings(**changed: Any) -> Settings:
    """Return settings under which the bench writes: its leases outlast every run."""
    return Settings(_env_file=None, **{"lease_seconds": _HOUR, **changed})  # pyright: ignore[reportCallIssue] - pydantic's own argument


@asynccontextmanager
async def backbone(store: Server, **changed: Any) -> AsyncIterator[RedisManager]:
    """Open the product's way to Redis."""
    async with RedisManager(f"redis://127.0.0.1:{store.port}", settings(**changed)) as manager:
        yield manager


async def open_task(manager: RedisManager, agent: str, task_id: str, owner: str = "") -> Grant:
    """Begin a task, and take the lease on it, as the product does.

    Args:
        manager: Redis.
        agent: Whose task it is.
        task_id: Its id.
        owner: Who owns it.
    """
    context = f"context-{task_id}"
    said = message("user", [text_part("Go on")], task_id=task_id, context_id=context)
    await manager.inbox.accept(
        Offer(
            owner=owner,
            agent=agent,
            task_id=task_id,
            task=new_task(task_id, context, said, at=timestamp()),
            message=said,
            fingerprint="bench",
            context=None,
            by_content=True,
            may_create=True,
            dialect="1.0",
        )
    )
    granted = await manager.log.lease(task_id, f"bench-{uuid.uuid4().hex}")
    if not isinstance(granted, Grant):
        raise RuntimeError(f"no lease on {task_id}: {granted}")
    return granted


def chunk(grant: Grant, text: str) -> Json:
    """Return an event that brings a piece of an artifact: about 350 bytes."""
    artifact = {"artifactId": "answer", "parts": [text_part(text)]}
    return artifact_event(grant.told_id, grant.context, artifact, index=0, append=True)


def chunks(grant: Grant, count: int) -> list[Json]:
    """Return events, all different: the first begins the artifact that the others append to."""
    made = [chunk(grant, f"{n:012d} {WORDS}") for n in range(count)]
    del made[0]["artifactUpdate"]["append"]
    return made


async def fill(manager: RedisManager, grant: Grant, count: int) -> LogWriter:
    """Write events into a task's log.

    Args:
        manager: Redis.
        grant: The lease.
        count: How many.

    Returns:
        The writer, to go on with.
    """
    writer = LogWriter(manager.log, grant)
    made = chunks(grant, count)
    for event in made[:-1]:
        await writer.append(event, wait=False)
    await writer.append(made[-1])
    return writer


class Recorder:
    """Stands in Redis' place: notes the calls of the append script, and says that all went well."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []

    async def script(self, script: Script, keys: Sequence[str], args: Command) -> Any:
        """Note a call."""
        self.commands.append(packed(script.command(keys, args)))
        return [b"OK", b"", b"", b""]


def recording_log(recorder: Recorder, configured: Settings) -> Log:
    """Return the product's log over a recorder."""
    return Log(recorder, Keys(configured.key_prefix), configured)  # pyright: ignore[reportArgumentType] - a stand-in


async def learn_append(manager: RedisManager) -> None:
    """Teach Redis the append script, as the product's first call would."""
    source = Script("append").source
    await manager._store.call("SCRIPT", "LOAD", source)


async def append_template(manager: RedisManager, grant: Grant, path: Path, calls: int = 0) -> Path:
    """Write the template of a call of the append script under a lease, with one event.

    Args:
        manager: Redis; it learns the script.
        grant: The lease.
        path: Where to.
        calls: How many calls there were before.
    """
    if calls:
        raise ValueError("a template begins with the lease's first call")
    await learn_append(manager)
    recorder = Recorder()
    event = chunk(grant, TEXT)
    await recording_log(recorder, manager.settings).append(
        grant, Batch(number=NUMBER, offset=OFFSET, events=[encode(event)])
    )
    return write_template(path, recorder.commands[0])


def told_line(task_id: str) -> bytes:
    """Return an event byte for byte as the product tells it to a watcher of 1.0, for peers that are given it whole."""
    artifact = {"artifactId": "answer", "parts": [text_part(TEXT)]}
    event = artifact_event(task_id, f"context-{task_id}", artifact, index=0, append=True)
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": event})


def run_async(coroutine: Any) -> Any:
    """Run a coroutine as the product runs: on uvloop."""
    import uvloop  # noqa: PLC0415 - as the product, where there is one

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)
