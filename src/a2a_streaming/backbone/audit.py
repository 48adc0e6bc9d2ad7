"""Who did what with another owner's task."""

from __future__ import annotations

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.caller import Caller

_ENTRIES = 1_000_000


class Audit:
    """The trail of accesses across owners.

    Args:
        store: Redis.
        keys: Names of keys.
        lifetime: Seconds that it stays after its last entry.
    """

    def __init__(self, store: Store, keys: Keys, *, lifetime: int) -> None:
        self._store = store
        self._keys = keys
        self._lifetime = lifetime

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
        fields = [*about, "task", task_id, "owner", owner, *(("reason", reason) if reason else ())]
        key = self._keys.audit
        await self._store.pipeline(
            [
                ["XADD", key, "MAXLEN", "~", _ENTRIES, "*", *fields],
                ["EXPIRE", key, self._lifetime],
            ]
        )
