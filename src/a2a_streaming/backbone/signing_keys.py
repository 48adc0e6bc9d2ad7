"""The keys that pushed events are signed with, where none is configured: all processes share them."""

from __future__ import annotations

from typing import NamedTuple

from a2a_streaming.backbone.connection import Script, Store
from a2a_streaming.backbone.keys import Keys

_ADD = Script("push_keys")
_AHEAD_MS = 3_600_000
"""For how long a new key is published before it signs: by then receivers have seen it."""
_KEPT_MS = 86_400_000
"""For how long a key is published after the next one has taken over."""
_DAY_MS = 86_400_000


class StoredKey(NamedTuple):
    """A private key as it is kept.

    Args:
        kid: Its id.
        begins: When it begins to sign, ms since 1970, by Redis' clock.
        pem: Its text.
    """

    kid: str
    begins: int
    pem: str


class SigningKeys:
    """Keeps them.

    Args:
        store: Redis.
        keys: Names of keys.
        days: After how many a key is replaced.
    """

    def __init__(self, store: Store, keys: Keys, *, days: int) -> None:
        self._store = store
        self._keys = keys
        self._days = days

    async def offer(self, kid: str, pem: str) -> tuple[int, list[StoredKey]]:
        """Offer a new key, which is taken if there is none, or the newest one is old; keep all for longer.

        Args:
            kid: The new key's id.
            pem: Its text.

        Returns:
            Redis' clock, ms since 1970, and the keys to publish, in the order in which they begin.

        Raises:
            Unavailable: Redis is away.
        """
        rotation = self._days * _DAY_MS
        args = [kid, pem, rotation, _AHEAD_MS, _KEPT_MS, rotation + 30 * _DAY_MS]
        now, flat = await self._store.script(_ADD, [self._keys.signing], args)
        found: list[StoredKey] = []
        for n in range(0, len(flat), 2):
            begins, _, text = bytes(flat[n + 1]).decode().partition(" ")
            found.append(StoredKey(bytes(flat[n]).decode(), int(begins), text))
        return int(now), sorted(found, key=lambda one: (one.begins, one.kid))
