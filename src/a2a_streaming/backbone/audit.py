"""Who did what with another owner's task."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from a2a_streaming.backbone.connection import Command, Script, Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.caller import Caller
from a2a_streaming.redaction import Redactor

_ENTRIES, _OF_TASK = 1_000_000, 1_000
_PAGE = 1_000
_REDACT = Script("audit_redact")
ERASED = "erased"
"""What stands for a task of a customer whose data were deleted; their owner's name becomes `erased-<random>`."""


class Entry(NamedTuple):
    """One access, or intervention.

    Args:
        id: Its id, which begins with when it was noted, ms since 1970.
        fields: What was noted: actor, role, does, task, owner, and reason if there is one.
    """

    id: str
    fields: Mapping[str, str]

    @property
    def at(self) -> int:
        """When it was noted, ms since 1970; also if it was redacted later."""
        return int(self.fields.get("at") or self.id.partition("-")[0])


class Redacted(NamedTuple):
    """What came of redacting a page.

    Args:
        redacted: How many entries were changed.
        after: The page's last entry.
    """

    redacted: int
    after: str


class Audit:
    """The trail of accesses across owners.

    Args:
        store: Redis.
        keys: Names of keys.
        lifetime: Seconds that it stays after its last entry.
        redactor: Takes out of reasons what nobody needs to read.
    """

    def __init__(
        self, store: Store, keys: Keys, *, lifetime: int, redactor: Redactor | None = None
    ) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = lifetime
        self._redactor = redactor or Redactor(())

    async def note(
        self, caller: Caller, does: str, task_id: str, owner: str, reason: str = ""
    ) -> None:
        """Note an access, before it is granted.

        Args:
            caller: Who.
            does: What.
            task_id: With which task, by its stored id; `*` for a list.
            owner: Whose; `*` for a list.
            reason: Why, if they say so.

        Raises:
            Unavailable: Redis is away: what can't be noted isn't granted.
        """
        actor = caller.actor or caller.owner
        about = ["actor", actor, "role", caller.role.value, "does", does]
        fields = [*about, "task", task_id, "owner", owner]
        if reason:
            fields += ["reason", self._redactor.text(reason)]
        commands = self._noting(self._keys.audit, _ENTRIES, fields)
        if task_id != "*":
            commands += self._noting(self._keys.task_audit(task_id), _OF_TASK, fields)
        await self._store.pipeline(commands)

    def _noting(self, key: str, entries: int, fields: list[str]) -> list[Command]:
        return [
            ["XADD", key, "MAXLEN", "~", entries, "*", *fields],
            ["EXPIRE", key, self._lifetime],
        ]

    async def of_task(self, task_id: str) -> list[Entry]:
        """Return what was noted of one task, in order, the last thousand or so.

        Args:
            task_id: The task, by its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._read(self._keys.task_audit(task_id), "-", _OF_TASK * 2)

    async def trail(self, *, after: str = "") -> AsyncIterator[Entry]:
        """Return all that was noted, in order.

        Args:
            after: The id of the last entry that is known; empty for the beginning.

        Raises:
            Unavailable: Redis is away.
        """
        while entries := await self._read(self._keys.audit, f"({after}" if after else "-", _PAGE):
            for entry in entries:
                yield entry
            after = entries[-1].id

    async def redact(self, owner: str, alias: str, *, after: str = "") -> Redacted | None:
        """Redact a page of what was noted, where it is of an owner.

        What was done, when and by whom stays; whose it was, which task and why go. May be called again; the cost of all pages grows with the whole trail.

        Args:
            owner: The owner; not empty.
            alias: What stands in their name's place from then on.
            after: The last entry of the page before; empty for the first.

        Returns:
            What came of it; None if there was no such page.

        Raises:
            Unavailable: Redis is away: a part of it may be done.
        """
        entries = await self._read(self._keys.audit, f"({after}" if after else "-", _PAGE)
        count = 0
        for entry in entries:
            if owner not in (entry.fields.get("owner"), entry.fields.get("actor")):
                continue
            fields = _redacted(entry, owner, alias)
            flat = [part for pair in fields.items() for part in pair]
            args: Command = [entry.id, self._lifetime, *flat]
            count += bool(await self._store.script(_REDACT, [self._keys.audit], args))
        return Redacted(count, entries[-1].id) if entries else None

    async def forget(self, task_id: str) -> None:
        """Forget what was noted of one task, beside the trail.

        Args:
            task_id: The task, by its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        await self._store.call("DEL", self._keys.task_audit(task_id))

    async def _read(self, key: str, start: str, count: int) -> list[Entry]:
        found = await self._store.call("XRANGE", key, start, "+", "COUNT", count)
        return [
            Entry(
                entry_id.decode(),
                {k.decode(): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)},
            )
            for entry_id, flat in found
        ]


def _redacted(entry: Entry, owner: str, alias: str) -> dict[str, str]:
    """Return an entry's fields without a customer in them."""
    fields = {key: value for key, value in entry.fields.items() if key != "reason"}
    for key in ("owner", "actor"):
        if fields.get(key) == owner:
            fields[key] = alias
    if fields.get("task") != "*":
        fields["task"] = ERASED
    return {**fields, "at": str(entry.at)}
