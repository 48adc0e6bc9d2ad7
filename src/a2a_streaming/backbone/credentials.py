"""API keys, by their digest alone, and the secret that all processes sign with."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.keys import Keys

_SECRET_DAYS = 30


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of an API key.

    Args:
        id: Its public part.
        digest: SHA-256 of its secret part, hexadecimal.
        name: What it is for, in its maker's words.
        owner: Whose tasks it opens.
        role: The role's name.
        created: When it was made, seconds since 1970.
        expires: When it ends, likewise.
    """

    id: str
    digest: str
    name: str
    owner: str
    role: str
    created: int
    expires: int


class Credentials:
    """What callers and processes prove themselves by.

    Args:
        store: Redis.
        keys: Names of keys.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def put(self, key: ApiKey) -> None:
        """Keep an API key, until it expires.

        Raises:
            Unavailable: Redis is away.
        """
        name, listed = self._keys.api_key(key.id), self._keys.api_keys
        fields = [str(part) for pair in asdict(key).items() for part in pair]
        replies = await self._store.pipeline(
            [
                ["HSET", name, *fields],
                ["EXPIREAT", name, key.expires],
                ["ZADD", listed, key.expires, key.id],
                ["ZREMRANGEBYSCORE", listed, "-inf", int(time.time())],
                ["ZREVRANGE", listed, 0, 0, "WITHSCORES"],
            ]
        )
        last = int(float(replies[-1][1]))
        await self._store.call("EXPIREAT", listed, last)

    async def get(self, key_id: str) -> ApiKey | None:
        """Return an API key; None if there is none, or no longer.

        Args:
            key_id: Its public part.

        Raises:
            Unavailable: Redis is away.
        """
        flat: list[bytes] = await self._store.call("HGETALL", self._keys.api_key(key_id))
        found = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
        if not found or int(found["expires"]) <= time.time():
            return None
        created, expires = int(found.pop("created")), int(found.pop("expires"))
        return ApiKey(**found, created=created, expires=expires)

    async def all(self) -> list[ApiKey]:
        """Return every API key, the next to expire first.

        Raises:
            Unavailable: Redis is away.
        """
        ids: list[bytes] = await self._store.call("ZRANGE", self._keys.api_keys, 0, -1)
        found = [await self.get(key_id.decode()) for key_id in ids]
        return [key for key in found if key is not None]

    async def remove(self, key_id: str) -> bool:
        """Remove an API key.

        Args:
            key_id: Its public part.

        Returns:
            Whether it was there.

        Raises:
            Unavailable: Redis is away.
        """
        removed, _ = await self._store.pipeline(
            [["DEL", self._keys.api_key(key_id)], ["ZREM", self._keys.api_keys, key_id]]
        )
        return bool(removed)

    async def secret(self) -> bytes:
        """Return the secret that all processes on this Redis share; the first to ask makes it.

        Raises:
            Unavailable: Redis is away.
        """
        name = self._keys.secret
        replies = await self._store.pipeline(
            [
                ["SET", name, secrets.token_hex(32), "NX", "EX", _SECRET_DAYS * 86_400],
                ["EXPIRE", name, _SECRET_DAYS * 86_400],
                ["GET", name],
            ]
        )
        return bytes(replies[-1])
