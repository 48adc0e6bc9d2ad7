"""Dead letters: webhooks that were given up, kept for a while, to be looked at and replayed.

A letter holds no events. It says from which position on the webhook has been told nothing; the events are in the task's
log, and once that is gone, in its snapshot. So what is replayed comes in order, and under the same ids.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import orjson

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.outbox import Outbox
from a2a_streaming.backbone.webhooks import Failing, Webhook
from a2a_streaming.settings import Settings

_REPLAY = Script("push_replay")


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook that was given up.

    Args:
        webhook: The webhook, as it was, with how it failed, last at `failing.until`.
        owner: Whose task it is.
        agent: Whose task it is to do.
        waiting: How many events it wasn't told; None if the task is forgotten.
        raw: The letter as it is kept.
    """

    webhook: Webhook
    owner: str
    agent: str
    waiting: int | None
    raw: bytes

    @property
    def at(self) -> int:
        """When it was given up, ms since 1970."""
        return self.webhook.failing.until if self.webhook.failing else 0


class Letters:
    """The dead letters.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
        outbox: The list of tasks with webhooks.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings, outbox: Outbox) -> None:
        self._store = store
        self._keys = keys
        self._outbox = outbox
        self._kept = settings.push_dead_ttl * 1000
        self._lifetime = max(settings.listed_ttl, settings.push_dead_ttl) * 1000

    async def page(self, after: str, count: int) -> tuple[list[Letter], str]:
        """Return letters in the order in which they were given up, and where the next page begins.

        Args:
            after: Where this page begins: what came with the page before; empty for the first.
            count: How many are looked at.

        Returns:
            The letters; empty for the latter: there are no more.

        Raises:
            ValueError: Nothing can begin there.
            Unavailable: Redis is away.
        """
        index = self._keys.dead_letters
        oldest = time.time_ns() // 1_000_000 - self._kept
        at, _, name = after.partition(" ")
        since = max(oldest, int(at)) if after else oldest
        await self._store.call("ZREMRANGEBYSCORE", index, "-inf", f"({oldest}")
        limit = count
        while True:
            limit += count  # those of the same moment come again, and are left out
            page = [since, "+inf", "WITHSCORES", "LIMIT", 0, limit]
            flat = await self._store.call("ZRANGEBYSCORE", index, *page)
            found = [(int(float(flat[n + 1])), flat[n].decode()) for n in range(0, len(flat), 2)]
            fresh = [one for one in found if not after or one > (int(at), name)]
            if len(fresh) > count or len(found) < limit:
                break
        more = len(fresh) > count
        fresh = fresh[:count]
        following = f"{fresh[-1][0]} {fresh[-1][1]}" if more else ""
        return await self._read([name for _, name in fresh]), following

    async def get(self, task_id: str, webhook: str) -> Letter | None:
        """Return a letter; None if there is none.

        Raises:
            Unavailable: Redis is away.
        """
        found = await self._read([f"{task_id} {webhook}"])
        return found[0] if found else None

    async def replay(self, letter: Letter) -> bool:
        """Make a webhook of a letter again: it is told all that it wasn't told.

        Returns:
            Whether the letter was still there.

        Raises:
            Unavailable: Redis is away.
        """
        webhook = letter.webhook
        args = [webhook.id, letter.raw, webhook.kept(), webhook.told, self._lifetime]
        await self._outbox.enlist(webhook.task_id)  # before and behind, as a new webhook's
        there = await self._store.script(_REPLAY, [self._keys.push(webhook.task_id)], args)
        await self._outbox.enlist(webhook.task_id)
        await self._store.call("ZREM", self._keys.dead_letters, f"{webhook.task_id} {webhook.id}")
        return bool(there)

    async def _read(self, names: list[str]) -> list[Letter]:
        pairs = [name.partition(" ") for name in names]
        keys = self._keys
        raws = await self._store.pipeline(
            [["HGET", keys.push(task), f"dead:{webhook}"] for task, _, webhook in pairs]
        )
        metas = await self._store.pipeline(
            [["HMGET", keys.meta(task), "owner", "agent", "last"] for task, _, _ in pairs]
        )
        found: list[Letter] = []
        gone: list[str] = []
        oldest = time.time_ns() // 1_000_000 - self._kept
        for (task, _, webhook), raw, meta in zip(pairs, raws, metas, strict=True):
            letter = _letter(task, webhook, raw, meta) if raw else None
            if letter is None or letter.at < oldest:
                gone.append(f"{task} {webhook}")
            else:
                found.append(letter)
        if gone:
            await self._store.call("ZREM", keys.dead_letters, *gone)
        return found


def _letter(task: str, webhook: str, raw: bytes, meta: list[bytes | None]) -> Letter:
    kept = orjson.loads(raw)
    owner, agent, last = ((one or b"").decode() for one in meta)
    waiting = _offset(last) - _offset(kept["told"]) if last else None
    return Letter(
        Webhook(
            task,
            webhook,
            kept["config"],
            kept["dialect"],
            kept["told"],
            failing=Failing(**kept["failing"]),
        ),
        owner,
        agent,
        waiting,
        raw,
    )


def _offset(position: str) -> int:
    return int(position.partition("-")[2] or 0)
