"""The tasks of a scene: begun in Redis itself, so that no front has to do with it, and looked at there."""

from __future__ import annotations

import asyncio
import json
import time

from a2a_streaming.backbone.inbox import Offer
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.event import message, new_task, text_part, timestamp
from bench.capacity.scene import CHUNK_PAUSE, SAID, Scene
from bench.requests import begin
from bench.servers import Server
from bench.tasks import chunk, open_task, settings


class SceneTasks:
    """A scene's tasks.

    Args:
        url: Redis' address.
        scene: The scene.
    """

    def __init__(self, url: str, scene: Scene) -> None:
        self._url = url
        self.scene = scene

    async def begin(self, lead: float, seconds: float) -> None:
        """Begin the tasks.

        Args:
            lead: After how many seconds workers begin to tell of them.
            seconds: For how long.
        """
        scene = self.scene
        told = {
            "count": 1_000_000,
            "pause": scene.pause,
            "size": scene.size,
            "after": lead,
            "seconds": seconds,
        }
        ids = [named(scene, number) for number in range(scene.tasks)]
        async with self._redis() as manager:
            for task_id in ids:
                if scene.runs:
                    await _accept(manager, task_id, json.dumps(told))
                else:
                    await _standing(manager, task_id, scene.said)
            for number in range(_alone_count(scene)):
                await _standing(manager, alone(scene, number), 0)

    async def forget(self) -> None:
        """Forget tasks that nobody works on: else workers look again and again whether they may."""
        scene = self.scene
        standing = [] if scene.runs else [named(scene, number) for number in range(scene.tasks)]
        standing += [alone(scene, number) for number in range(_alone_count(scene))]
        async with self._redis() as manager:
            for task_id in standing:
                await manager._store.call("DEL", *manager.keys.task(task_id))

    async def told(self) -> tuple[int, float]:
        """Return how many events the tasks have told, and the bytes of one of the last."""
        scene = self.scene
        if not scene.tasks:
            return 0, 0
        async with self._redis() as manager:
            keys = [manager.keys.stream(named(scene, number)) for number in range(scene.tasks)]
            lengths: list[int] = await manager._store.pipeline([["XLEN", key] for key in keys])
            entries = await manager._store.call("XREVRANGE", keys[0], "+", "-", "COUNT", 1)
        return sum(lengths), len(entries[0][1][1])

    async def weight(self, front: Server) -> float:
        """Return the mean bytes of the events of one more task like those that begin and end.

        Args:
            front: Where it is begun.
        """
        scene = self.scene
        task_id = begin(front, f"{scene.name}-{time.monotonic_ns()}", short(scene))
        async with self._redis() as manager:
            while not await manager._store.call("HGET", manager.keys.meta(task_id), "terminal"):
                await asyncio.sleep(0.1)
            entries = await manager._store.call("XRANGE", manager.keys.stream(task_id), "-", "+")
        return sum(len(fields[1]) for _, fields in entries) / len(entries)

    def _redis(self) -> RedisManager:
        return RedisManager(self._url, settings())


async def _standing(manager: RedisManager, task_id: str, said: int) -> None:
    """Make a task that no worker works on, and that has said something."""
    grant = await open_task(manager, "telling", task_id)
    if said:
        writer = LogWriter(manager.log, grant)
        for _ in range(said):
            await writer.append(chunk(grant, "x" * SAID))
        await writer.drain()


async def _accept(manager: RedisManager, task_id: str, text: str) -> None:
    """Begin a task as a front would, and wake a worker."""
    said = message("user", [text_part(text)], task_id=task_id, context_id=f"context-{task_id}")
    await manager.inbox.accept(
        Offer(
            owner="",
            agent="telling",
            task_id=task_id,
            task=new_task(task_id, f"context-{task_id}", said, at=timestamp()),
            message=said,
            fingerprint="bench",
            context=None,
            by_content=True,
            may_create=True,
            dialect="1.0",
        )
    )
    await manager.work("telling").hint(task_id)


def short(scene: Scene) -> str:
    """Return what the message says that begins a task."""
    return json.dumps(
        {
            "count": scene.chunks,
            "pause": CHUNK_PAUSE,
            "size": scene.size,
            "after": 0,
            "seconds": 3600,
        }
    )


def named(scene: Scene, number: int) -> str:
    """Return the id of one of the tasks that are there all the time."""
    return f"{scene.name}-{number}"


def alone(scene: Scene, number: int) -> str:
    """Return the id of one of the tasks that nobody watches."""
    return f"{scene.name}-alone-{number}"


def _alone_count(scene: Scene) -> int:
    return int(scene.firsts * scene.seconds)
