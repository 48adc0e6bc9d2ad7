"""The janitor: takes away what a crash, a lost key or a time that is over has left behind.

Nothing of it does harm while it is there, and nothing that is taken away is missed: leases, watchers and processes
lapse by themselves, and the sweep looks after tasks. But what lapses leaves traces, which would pile up: entries of
lists for tasks that are forgotten, watchers of processes that were killed, their names among the workers. One process at
a time walks through all of it, a bounded part in each round.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from a2a_streaming.backbone.connection import Command, CommandFailed, Store
from a2a_streaming.backbone.keys import WORKERS, Keys, KeySpec
from a2a_streaming.backbone.kinds import TYPES, Kinds
from a2a_streaming.backbone.outbox import Outbox
from a2a_streaming.backbone.work import Work
from a2a_streaming.settings import Settings

_PAGE = 500
"""Keys, or entries of a list, that are looked at in one step."""
_STEPS = 20
"""Steps in a round."""
_NOTED_MS = 60_000
"""For so long a task may be noted as open before it is accepted."""
_LISTED_MS = 30_000
"""For so long a process may be on the list without having said how it is; it lists itself every 20 s."""
_GONE_BEATS = 10
_LISTS = frozenset(
    f"index:{kind}"
    for kind in (
        *("owner:<owner>", "active:<owner>", "context:<context>", "agent:<agent>"),
        *("state:<agent>:<state>", "open:<agent>"),
    )
)
"""Lists that nobody else keeps clean: who reads other ones takes off what is over."""

Cleaned = Counter[str]
"""How much was cleaned up, by what: `tasks` (on lists), `watchers`, `workers`, `nodes`, `keys` (that had no lifetime),
`webhooks` (that were missing on their lists)."""

_Known: TypeAlias = tuple[str, KeySpec]


class Janitor:
    """Cleans up.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes, and how often.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._settings = settings
        self._outbox = Outbox(store, keys, settings)
        self._kinds = Kinds(keys.prefix)
        self._kept = max(settings.listed_ttl, settings.audit_ttl) * 1000
        self._silent = int(
            max(2 * settings.lease_seconds, _GONE_BEATS * settings.beat_seconds) * 1000
        )
        self._walking: AsyncGenerator[Cleaned] | None = None

    async def elect(self, name: str) -> bool:
        """Say whether it is for this process to clean up: for one at a time, and for another when it has gone.

        Args:
            name: The process.

        Raises:
            Unavailable: Redis is away.
        """
        key, lapse = self._keys.janitor, int(3000 * self._settings.janitor_seconds)
        _, who = await self._store.pipeline([["SET", key, name, "NX", "PX", lapse], ["GET", key]])
        if who != name.encode():
            return False
        await self._store.call("PEXPIRE", key, lapse)
        return True

    async def resign(self, name: str) -> None:
        """Leave it to another process.

        Raises:
            Unavailable: Redis is away.
        """
        if await self._store.call("GET", self._keys.janitor) == name.encode():
            await self._store.call("DEL", self._keys.janitor)

    async def round(self) -> Cleaned:
        """Go on with the walk for a bounded number of steps.

        Raises:
            Unavailable: Redis is away; the walk begins anew.
        """
        cleaned = Cleaned()
        for _ in range(_STEPS):
            walking = self._walking = self._walking or self._walk()
            try:
                cleaned += await anext(walking)
            except StopAsyncIteration:
                self._walking = None
                break
            except BaseException:
                self._walking = None
                raise
        return cleaned

    async def whole(self) -> Cleaned:
        """Walk through everything at once.

        Raises:
            Unavailable: Redis is away.
        """
        cleaned = Cleaned()
        async for step in self._walk():
            cleaned += step
        return cleaned

    async def _walk(self) -> AsyncGenerator[Cleaned]:
        yield await self._nodes()
        cursor: Any = 0
        while True:
            cursor, found = await self._store.call(
                "SCAN", cursor, "MATCH", self._kinds.match, "COUNT", _PAGE
            )
            names = [name.decode(errors="replace") for name in found]
            ours = [(name, spec) for name in names if (spec := self._kinds.of(name)) is not None]
            yield await self._lifetimes(ours)
            for name, spec in ours:
                if spec.pattern in _LISTS:
                    async for cleaned in self._list(name, spec.pattern):
                        yield cleaned
                elif spec.pattern.startswith("work:"):
                    yield await self._workers(name)
            yield await self._watchers(ours)
            yield await self._webhooks(ours)
            if cursor == b"0":
                return

    async def _nodes(self) -> Cleaned:
        """Take processes off the list that have said nothing for long, and API keys that have expired."""
        now = _now()
        flat = await self._store.call("ZRANGE", self._keys.nodes, 0, -1, "WITHSCORES")
        names = [name.decode() for name in flat[::2]]
        there = await self._store.pipeline([["EXISTS", self._keys.node(name)] for name in names])
        dead = [
            name
            for name, listed, alive in zip(names, flat[1::2], there, strict=True)
            if not alive and float(listed) < now - _LISTED_MS
        ]
        if dead:
            await self._store.call("ZREM", self._keys.nodes, *dead)
        expired = await self._store.call(
            "ZREMRANGEBYSCORE", self._keys.api_keys, "-inf", now // 1000
        )
        return Cleaned({"nodes": len(dead), "keys": int(expired)})

    async def _lifetimes(self, known: Sequence[_Known]) -> Cleaned:
        """Give a lifetime to keys of ours that have lost theirs."""
        left = await self._store.pipeline([["PTTL", name] for name, _ in known])
        endless = [one for one, ms in zip(known, left, strict=True) if ms == -1]
        types = await self._store.pipeline([["TYPE", name] for name, _ in endless])
        ours = [
            name
            for (name, spec), kind in zip(endless, types, strict=True)
            if isinstance(kind, bytes | str) and _text(kind) == TYPES[spec.type]
        ]
        await self._store.pipeline([["PEXPIRE", name, self._kept] for name in ours])
        return Cleaned({"keys": len(ours)})

    async def _list(self, name: str, pattern: str) -> AsyncGenerator[Cleaned]:
        """Take tasks off a list that are forgotten; off an owner's open ones those that have ended."""
        since = _now() - _NOTED_MS if pattern == "index:open:<agent>" else None
        cursor: Any = 0
        while True:
            reply = await self._store.call("ZSCAN", name, cursor, "COUNT", _PAGE)
            cursor, entries = reply
            ids = [
                task.decode()
                for task, score in zip(entries[::2], entries[1::2], strict=True)
                if since is None or float(score) < since
            ]
            over = await self._over(ids, ended=pattern == "index:active:<owner>")
            if over:
                await self._store.call("ZREM", name, *over)
            yield Cleaned({"tasks": len(over)})
            if cursor == b"0":
                return

    async def _over(self, ids: Iterable[str], *, ended: bool) -> list[str]:
        """Return those tasks of which nothing is left; with `ended` those, too, that have ended."""
        ids = list(ids)
        keys = self._keys
        replies = await self._store.pipeline(
            [
                command
                for task in ids
                for command in (
                    ["HMGET", keys.meta(task), "state", "terminal"],
                    ["EXISTS", keys.stream(task), keys.snapshot(task)],
                )
            ]
        )
        over: list[str] = []
        for task, meta, stands in zip(ids, replies[::2], replies[1::2], strict=True):
            if isinstance(meta, CommandFailed) or isinstance(stands, CommandFailed):
                continue
            state, terminal = meta
            if (state is None and not stands) or (ended and terminal is not None):
                over.append(task)
        return over

    async def _watchers(self, known: Sequence[_Known]) -> Cleaned:
        """Take away watchers whose claims have lapsed."""
        sets = [name for name, spec in known if spec.pattern.startswith("subscriptions:")]
        commands: list[Command] = [["ZREMRANGEBYSCORE", name, "-inf", _now()] for name in sets]
        replies = await self._store.pipeline(commands)
        return Cleaned({"watchers": sum(one for one in replies if isinstance(one, int))})

    async def _webhooks(self, known: Sequence[_Known]) -> Cleaned:
        """Put webhooks with something to be told, and dead letters, on their lists again, should those have been lost."""
        keys = self._keys
        begin, end = keys.push("\n").split("\n")
        names = [name for name, spec in known if spec.pattern == "task:{id}:push"]
        tasks = [name.removeprefix(begin).removesuffix(end) for name in names]
        commands: list[Command] = []
        for task in tasks:
            commands.append(["HGETALL", keys.push(task)])
            commands.append(["HMGET", keys.meta(task), "last", "terminal"])
            commands.append(["ZSCORE", keys.pushing, task])
        replies = await self._store.pipeline(commands)
        relisted = 0
        letters: list[Command] = []
        oldest = _now() - self._settings.push_dead_ttl * 1000
        for task, flat, meta, listed in zip(
            tasks, replies[::3], replies[1::3], replies[2::3], strict=True
        ):
            if isinstance(flat, CommandFailed) or isinstance(meta, CommandFailed):
                continue
            fields = {flat[n].decode(): flat[n + 1] for n in range(0, len(flat), 2)}
            if listed is None and _has_to_be_told(fields, *meta):
                await self._outbox.enlist(task)
                relisted += 1
            for field, letter in fields.items():
                kind, _, webhook = field.partition(":")
                if kind == "dead" and (at := orjson.loads(letter)["failing"]["until"]) > oldest:
                    letters.append(["ZADD", keys.dead_letters, "NX", at, f"{task} {webhook}"])
        if letters:
            kept = max(self._settings.listed_ttl, self._settings.push_dead_ttl) * 1000
            *added, _ = await self._store.pipeline([*letters, ["PEXPIRE", keys.dead_letters, kept]])
            relisted += sum(one for one in added if isinstance(one, int))
        return Cleaned({"webhooks": relisted})

    async def _workers(self, name: str) -> Cleaned:
        """Remove workers of processes that have gone; what they were handed and haven't done is hinted at anew."""
        try:
            told = await self._store.call("XINFO", "CONSUMERS", name, WORKERS)
        except CommandFailed:
            return Cleaned()  # there is no group yet
        consumers = [dict(zip(one[::2], one[1::2], strict=True)) for one in told]
        silent = [c[b"name"].decode() for c in consumers if int(c[b"idle"]) > self._silent]
        alive = await self._store.pipeline([["EXISTS", self._keys.node(who)] for who in silent])
        dead = [who for who, there in zip(silent, alive, strict=True) if not there]
        agent = name.removeprefix(self._keys.work(""))
        work = Work(self._store, self._keys, self._settings, agent)
        for who in dead:
            # In this order: should it not be dead but slow, it finds its hints done by others, and joins anew.
            await work.give_up(who)
            await self._store.call("XGROUP", "DELCONSUMER", name, WORKERS, who)
        return Cleaned({"workers": len(dead)})


def _has_to_be_told(
    fields: Mapping[str, bytes], last: bytes | None, terminal: bytes | None
) -> bool:
    """Say whether one of a task's webhooks is told of it yet: it goes on, or has an event that the webhook hasn't."""
    hooks = [field.partition(":")[2] for field in fields if field.startswith("hook:")]
    goes_on = last is not None and terminal is None
    return any(goes_on or fields.get(f"told:{hook}", b"") != (last or b"") for hook in hooks)


def _text(told: bytes | str) -> str:
    return told.decode() if isinstance(told, bytes) else told


def _now() -> int:
    return time.time_ns() // 1_000_000
