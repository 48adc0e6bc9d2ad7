"""Alerts: what was raised, what is done about each, and who has seen it.

They stand in a stream, in the order in which they were raised. What is to be done about one stands on a list, and leaves it when
it is done: so it is done at least once, whoever dies.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from a2a_streaming.backbone.claims import claim_due
from a2a_streaming.backbone.connection import Command, Script, Store
from a2a_streaming.backbone.deadlines import acknowledging
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.settings import Settings
from a2a_streaming.sla import Breach, Does, Facts
from a2a_streaming.task import Json

_RAISE = Script("alert_raise")
_DID, _TRIED, _SEEN = "did:", "tried:", "seen"
_ALERT = "i:"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that was raised.

    Args:
        id: Its id; later ones are greater. It begins with when it was raised, ms since 1970.
        about: What is told of it: `task`, `agent`, `context`, `state`, `limit`, `measure`, `seconds`, `priority`, `ticket`,
            `since`, `deadline`, `number`, `actions`.
        did: What came of each action, with its time: `outcome`, `at`; those that are still to be done are missing.
        tried: How often an action that fails was tried.
        seen: Who has acknowledged it, and when: `by`, `at`; None if nobody has.
    """

    id: str
    about: Json
    did: dict[str, Json]
    tried: dict[str, int]
    seen: Json | None

    @property
    def task(self) -> str:
        """The task, by its stored id."""
        return self.about["task"]

    @property
    def at(self) -> int:
        """When it was raised, ms since 1970."""
        return int(self.id.partition("-")[0])

    def to_json(self) -> Json:
        """Return it as it is told to operators."""
        actions = {name: self.did.get(name) for name in self.about["actions"]}
        return {"id": self.id, "at": self.at, **self.about, "actions": actions, "acknowledged": self.seen}  # fmt: skip


class Alerts:
    """Keeps them.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._keys = keys
        self._kept = settings.alerts_ttl * 1000
        self._raised_kept = max(settings.listed_ttl, settings.alerts_ttl) * 1000

    async def raise_once(
        self, task_id: str, breach: Breach, facts: Facts, *, actions: Sequence[Does]
    ) -> str | None:
        """Raise an alert, of all who do so the first alone.

        Args:
            task_id: The task.
            breach: The limit that it exceeds.
            facts: What is known of the task.
            actions: What is to be done.

        Returns:
            The alert's id; None if it was raised before.

        Raises:
            Unavailable: Redis is away; whether it was raised isn't known.
        """
        keys = self._keys
        about = {"task": task_id, **breach.told(facts), "actions": list(actions)}
        raised = await self._store.script(
            _RAISE,
            [keys.alerts, keys.raised(task_id), keys.to_do, keys.unseen],
            [
                breach.occasion,
                breach.number,
                orjson.dumps(about),
                self._kept,
                self._raised_kept,
                *actions,
            ],
        )
        return raised.decode() or None

    async def page(self, *, before: str | None = None, size: int) -> list[Alert]:
        """Return alerts, the latest first.

        Args:
            before: Only those before this one, by its id; None for the latest.
            size: The most.

        Raises:
            Unavailable: Redis is away.
        """
        end = "+" if before is None else f"({before}"
        entries = await self._store.call("XREVRANGE", self._keys.alerts, end, "-", "COUNT", size)
        return await self._read(entries)

    async def unseen(self, *, before: str | None = None, size: int) -> list[Alert]:
        """Return alerts that nobody has acknowledged; otherwise as `page`."""
        key, first = self._keys.unseen, 0
        if before is not None:
            rank = await self._store.call("ZREVRANK", key, before)
            if rank is None:  # acknowledged meanwhile
                at = before.partition("-")[0]
                rank = int(await self._store.call("ZCOUNT", key, f"({at}", "+inf")) - 1
            first = int(rank) + 1
        found: list[bytes] = await self._store.call("ZREVRANGE", key, first, first + size - 1)
        return await self._several([one.decode() for one in found])

    async def count(self) -> int:
        """Return how many alerts nobody has acknowledged.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._store.call("ZCARD", self._keys.unseen))

    async def get(self, alert_id: str) -> Alert | None:
        """Return an alert; None if there is none of that id any more.

        Raises:
            Unavailable: Redis is away.
        """
        found = await self._several([alert_id])
        return found[0] if found else None

    async def acknowledge(self, alert: Alert, by: str) -> Alert:
        """Note who sees to an alert, the first alone; what it is about isn't raised again.

        Args:
            alert: The alert.
            by: Who, as audits name them.

        Raises:
            Unavailable: Redis is away.
        """
        key, about = self._keys.alert(alert.id), alert.about
        seen = {"by": by, "at": _now()}
        await self._store.pipeline(
            [
                *acknowledging(self._keys, alert.task, about["limit"], about["since"]),
                ["PEXPIRE", self._keys.raised(alert.task), self._raised_kept],
                ["HSETNX", key, _SEEN, orjson.dumps(seen)],
                ["PEXPIRE", key, self._kept],
                ["ZREM", self._keys.unseen, alert.id],
            ]
        )
        return await self.get(alert.id) or alert

    async def claim(self, *, seconds: float, count: int) -> list[tuple[str, Does]]:
        """Take what is to be done, so that nobody else does it meanwhile.

        Args:
            seconds: For how long.
            count: The most.

        Returns:
            Alerts' ids, and what is to be done about each.

        Raises:
            Unavailable: Redis is away.
        """
        _, due = await claim_due(self._store, self._keys.to_do, seconds=seconds, count=count)
        found = (one.partition(" ") for one in due)
        return [(alert_id, _DOES[does]) for alert_id, _, does in found if does in _DOES]

    async def hold(self, held: Sequence[tuple[str, Does]], *, seconds: float) -> None:
        """Keep what is being done for longer.

        Raises:
            Unavailable: Redis is away.
        """
        until = _now() + int(seconds * 1000)
        key = self._keys.to_do
        await self._store.pipeline([["ZADD", key, "XX", until, f"{i} {does}"] for i, does in held])

    async def later(self, alert_id: str, does: Does, *, seconds: float) -> None:
        """Put off what couldn't be done.

        Raises:
            Unavailable: Redis is away.
        """
        key = self._keys.alert(alert_id)
        await self._store.pipeline(
            [
                ["HINCRBY", key, f"{_TRIED}{does}", 1],
                ["PEXPIRE", key, self._kept],
                [
                    "ZADD",
                    self._keys.to_do,
                    "XX",
                    _now() + int(seconds * 1000),
                    f"{alert_id} {does}",
                ],
            ]
        )

    async def done(self, alert_id: str, does: Does, outcome: str) -> None:
        """Note what came of an action: it isn't to be done any more.

        Raises:
            Unavailable: Redis is away.
        """
        key = self._keys.alert(alert_id)
        did = {"outcome": outcome, "at": _now()}
        await self._store.pipeline(
            [
                ["HSETNX", key, f"{_DID}{does}", orjson.dumps(did)],
                ["PEXPIRE", key, self._kept],
                ["ZREM", self._keys.to_do, f"{alert_id} {does}"],
            ]
        )

    async def forget(self, task_id: str) -> None:
        """Delete a task's alerts, and what was noted of it; what was to be done about them isn't done any more.

        Args:
            task_id: The task, by its stored id.

        Raises:
            Unavailable: Redis is away: a part of it may be done.
        """
        keys, raised = self._keys, self._keys.raised(task_id)
        fields = await self._store.call("HKEYS", raised)
        ids = [one.decode()[len(_ALERT) :] for one in fields if one.startswith(_ALERT.encode())]
        commands: list[Command] = [["ZREM", keys.due, task_id]]
        for one in ids:
            commands += [
                ["ZREM", keys.to_do, *(f"{one} {does}" for does in _DOES)],
                ["ZREM", keys.unseen, one],
                ["XDEL", keys.alerts, one],
                ["DEL", keys.alert(one)],
            ]
        await self._store.pipeline(commands)
        await self._store.call("DEL", raised)  # last: it says which there are

    async def _several(self, ids: Sequence[str]) -> list[Alert]:
        commands: list[Command] = [["XRANGE", self._keys.alerts, one, one] for one in ids]
        found = await self._store.pipeline(commands)
        return await self._read([entry for entries in found for entry in entries])

    async def _read(self, entries: Sequence[Any]) -> list[Alert]:
        ids = [entry.decode() for entry, _ in entries]
        kept = await self._store.pipeline([["HGETALL", self._keys.alert(one)] for one in ids])
        return [
            _alert(alert_id, fields[1], states)
            for alert_id, (_, fields), states in zip(ids, entries, kept, strict=True)
        ]


_DOES: dict[str, Does] = {
    "notify": "notify",
    "escalate": "escalate",
    "cancel": "cancel",
    "retry": "retry",
}


def _alert(alert_id: str, about: bytes, states: Any) -> Alert:
    pairs = zip(states[::2], states[1::2], strict=True)
    fields = {field.decode(): value for field, value in pairs}

    def of(prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): orjson.loads(value)
            for name, value in fields.items()
            if name.startswith(prefix)
        }

    seen = fields.get(_SEEN)
    return Alert(
        alert_id,
        orjson.loads(about),
        did=of(_DID),
        tried=of(_TRIED),
        seen=orjson.loads(seen) if seen else None,
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
