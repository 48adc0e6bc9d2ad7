"""Which event format is written here: a process that is too old for it doesn't start."""

from __future__ import annotations

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.errors import SetupError
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.settings import Settings


class Format:
    """The newest event format that any process writes.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes.
    """

    def __init__(self, store: Store, keys: Keys, settings: Settings) -> None:
        self._store = store
        self._key = keys.format
        self._kept = settings.listed_ttl

    async def newest(self) -> int:
        """Return it; 1 if nobody has said any.

        Raises:
            Unavailable: Redis is away.
        """
        return int(await self._store.call("GET", self._key) or 1)

    async def agree(self) -> None:
        """Check that this process reads what others write, and say what it writes itself.

        Raises:
            SetupError: Others write a newer format.
            Unavailable: Redis is away.
        """
        # Only a larger one takes another's place: so of two versions that start at once the newer one stays.
        _, found = await self._store.pipeline(
            [
                ["SET", self._key, FORMAT_VERSION, "NX", "EX", self._kept],
                ["GET", self._key],
            ]
        )
        newest = int(found or FORMAT_VERSION)
        if newest > FORMAT_VERSION:
            raise SetupError(
                f"The tasks in Redis are written in event format {newest}, and this version reads up to "
                f"{FORMAT_VERSION}. Install the version that wrote them (or a newer one), give this one a Redis or "
                "an A2A_KEY_PREFIX of its own, or restore a backup of the older format; see docs/backup.md."
            )
        if newest < FORMAT_VERSION:
            await self._store.call("SET", self._key, FORMAT_VERSION, "EX", self._kept)
        else:
            await self._store.call("EXPIRE", self._key, self._kept)
