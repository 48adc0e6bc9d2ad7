"""Tasks that have ended: they wait to be archived, and some to be forgotten before their time.

Whoever ends a task puts it on the list `index:ended`, beside the other lists; what a crash left out the sweep puts there.
A task leaves the list when nothing is left to be done with it, and its meta says so.
"""

from __future__ import annotations

from typing import NamedTuple

from a2a_streaming.backbone.claims import claim_due
from a2a_streaming.backbone.connection import Command, CommandFailed, Script, Store
from a2a_streaming.backbone.index import forgetting
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.task import State

_ARCHIVED = Script("archived")
_FIELDS = ("owner", "agent", "context", "dialect", "state", "last", "terminal", "answer", "created", "archived")  # fmt: skip
_HOUR = 3600


class EndedTask(NamedTuple):
    """What is known of an ended task.

    Args:
        owner: Whose it is.
        agent: Whose it was to do.
        context: Its context.
        dialect: The dialect it was born in.
        state: How it ended.
        last: Where its log ended.
        answer: Whether it is none, but a message alone.
        created: When it was accepted, ms since 1970; None if that isn't known.
        archived: Whether it was archived, or is not to be.
    """

    owner: str
    agent: str
    context: str
    dialect: str
    state: State
    last: Position
    answer: bool
    created: int | None
    archived: bool


class Ended:
    """The list of ended tasks, and what is done with them in Redis.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = settings.listed_ttl * 1000

    async def claim(self, *, seconds: float, count: int) -> list[str]:
        """Take tasks with which something is to be done, so that nobody else does it meanwhile.

        Args:
            seconds: For how long; who hasn't settled a task by then may find it taken by another.
            count: The most tasks.

        Raises:
            Unavailable: Redis is away.
        """
        _, taken = await claim_due(self._store, self._keys.ended, seconds=seconds, count=count)
        return taken

    async def about(self, task_id: str) -> EndedTask | None:
        """Return what is known of a task; None if it is gone, or hasn't ended.

        Raises:
            Unavailable: Redis is away.
        """
        reply: list[bytes | None] = await self._store.call(
            "HMGET", self._keys.meta(task_id), *_FIELDS
        )
        known = {k: v.decode() for k, v in zip(_FIELDS, reply, strict=True) if v is not None}
        if "terminal" not in known or "state" not in known:
            return None
        return EndedTask(
            known.get("owner", ""),
            known.get("agent", ""),
            known.get("context", ""),
            known.get("dialect", ""),
            State(known["state"]),
            Position.parse(known["last"]),
            "answer" in known,
            int(known["created"]) if "created" in known else None,
            "archived" in known,
        )

    async def settle(self, task_id: str, *, head: str = "") -> None:
        """Take a task off the list: nothing is left to be done with it.

        Args:
            task_id: The task.
            head: Its file's head, if it was archived.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.script(_ARCHIVED, [self._keys.meta(task_id)], [head or "-"])
        await self._store.call("ZREM", self._keys.ended, task_id)

    async def look_again(self, task_id: str, at: float, *, head: str = "") -> None:
        """Note that a task is archived, and to be forgotten later.

        Args:
            task_id: The task.
            at: When, seconds since 1970.
            head: Its file's head, if it was archived.

        Raises:
            Unavailable: Redis is away.
        """
        # First when to look: who is killed between the two archives it once more.
        again: list[Command] = [
            ["ZADD", self._keys.ended, int(at * 1000), task_id],
            ["PEXPIRE", self._keys.ended, self._lifetime],
        ]
        await self._store.script_behind(again, _ARCHIVED, [self._keys.meta(task_id)], [head or "-"])

    async def is_there(self, task_id: str) -> bool:
        """Say whether a task wasn't deleted.

        Raises:
            Unavailable: Redis is away.
        """
        return bool(await self._store.call("EXISTS", self._keys.meta(task_id)))

    async def prolong(self, task_id: str, *, hours: int = 2) -> None:
        """Let a task live for some hours at least: it can't be archived yet.

        Raises:
            Unavailable: Redis is away.
        """
        keys = [*self._keys.task(task_id)[:3], self._keys.steps(task_id)]
        left = await self._store.pipeline([["PTTL", key] for key in keys])
        least = hours * _HOUR * 1000
        await self._store.pipeline(
            [["PEXPIRE", k, least] for k, ms in zip(keys, left, strict=True) if 0 < ms < least]
        )

    async def forget(self, task_id: str, *, owner: str, context: str, agent: str) -> None:
        """Delete all that Redis holds of a task, but for the audit: whoever writes to it is fenced off.

        Args:
            task_id: The task.
            owner: Whose it is.
            context: Its context.
            agent: Whose it was to do.

        Raises:
            Unavailable: Redis is away.
        """
        keys = self._keys
        lists = forgetting(keys, task_id, owner=owner, context=context, agent=agent)
        task = [*keys.task(task_id)[:5], keys.push(task_id)]
        fields = await self._store.call("HKEYS", keys.push(task_id))
        dead = [
            field.decode().removeprefix("dead:") for field in fields if field.startswith(b"dead:")
        ]
        replies = await self._store.pipeline(
            [
                *(["ZREM", keys.dead_letters, f"{task_id} {webhook}"] for webhook in dead),
                ["DEL", *task],  # in one: nobody sees a part of it
                ["DEL", keys.subscriptions(task_id)],
                *lists,
                ["ZREM", keys.index("open", agent), task_id],
                ["ZREM", keys.pushing, task_id],
                ["ZREM", keys.ended, task_id],
            ]
        )
        for reply in replies:
            if isinstance(reply, CommandFailed):
                raise reply

    async def may_expire(self) -> bool:
        """Say whether this process is the one to look, this hour, at what the archive has kept for long enough.

        Raises:
            Unavailable: Redis is away.
        """
        taken = await self._store.call("SET", self._keys.expiring, "1", "NX", "EX", _HOUR)
        return taken is not None
