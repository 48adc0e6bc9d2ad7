"""The archive in a bucket, by obstore: Amazon S3 and what speaks its language, Google's and Microsoft's likewise.

The one module that knows obstore, which comes with the extra `archive`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from a2a_streaming.errors import SetupError, Unavailable
from a2a_streaming.settings import Settings

T = TypeVar("T")


class BucketStorage:
    """Objects in a bucket. Make one with `open`.

    Args:
        library: obstore.
        store: The bucket, as obstore has it.
    """

    def __init__(self, library: Any, store: Any) -> None:
        self._library = library
        self._store = store

    @classmethod
    async def open(cls, settings: Settings) -> BucketStorage:
        """Return the bucket that the settings name; it isn't asked anything yet.

        Args:
            settings: The settings.

        Raises:
            SetupError: The extra `archive` isn't installed, or the settings name no bucket.
        """
        return await asyncio.to_thread(cls._open, settings)  # it is loaded from the disk

    @classmethod
    def _open(cls, settings: Settings) -> BucketStorage:
        try:
            library: Any = importlib.import_module("obstore")
            stores: Any = importlib.import_module("obstore.store")
        except ImportError as error:
            raise SetupError(
                f"A2A_ARCHIVE_URL={settings.archive_url} needs obstore. Install a2a-streaming with the extra "
                "archive: pip install 'a2a-streaming[archive]'."
            ) from error
        secret = settings.archive_secret
        told = {
            "endpoint": settings.archive_endpoint,
            "region": settings.archive_region,
            "access_key_id": settings.archive_key_id,
            "secret_access_key": secret.get_secret_value() if secret is not None else "",
        }
        timeout = timedelta(seconds=settings.archive_timeout)
        try:
            store = stores.from_url(
                settings.archive_url,
                config={key: value for key, value in told.items() if value},
                client_options={
                    "timeout": timeout,
                    "allow_http": settings.archive_endpoint.startswith("http://"),
                },
                retry_config={"max_retries": 2, "retry_timeout": timeout},
            )
        except (ValueError, library.exceptions.BaseError) as error:
            raise SetupError(
                f"A2A_ARCHIVE_URL={settings.archive_url} can't be used: {_said(error)}. Give a bucket such as "
                "s3://bucket/prefix, and see docs/audit.md for what else it needs."
            ) from error
        return cls(library, store)

    async def put(self, path: str, data: bytes) -> None:
        """Keep an object."""
        await self._asked(self._library.put_async(self._store, path, data))

    async def get(self, path: str) -> bytes | None:
        """Return an object."""
        try:
            found = await self._asked(self._library.get_async(self._store, path))
            return bytes(await self._asked(found.bytes_async()))
        except FileNotFoundError:
            return None

    async def delete(self, path: str) -> None:
        """Remove an object."""
        try:
            await self._asked(self._library.delete_async(self._store, path))
        except FileNotFoundError:
            return

    async def first(self, folder: str, *, count: int, after: str = "") -> list[str]:
        """Return paths in a folder, in the order in which buckets list: by name."""
        pages = self._library.list(
            self._store, prefix=f"{folder}/", offset=after or None, chunk_size=count
        )
        page = await self._asked(_first(pages))
        return [one["path"] for one in page]

    async def _asked(self, asked: Awaitable[T]) -> T:
        """Wait for an answer.

        Raises:
            FileNotFoundError: There is no such object.
            Unavailable: There is no answer, or a refusal.
        """
        try:
            return await asked
        except FileNotFoundError:
            raise
        except (OSError, ValueError, self._library.exceptions.BaseError) as error:
            raise Unavailable("The archive is away for the moment; try again.") from error


async def _first(pages: Any) -> Any:
    """Return the first page of a list; an empty one if there is none."""
    async for page in pages:
        return page
    return ()


def _said(error: Exception) -> str:
    """Return the first line of what a library says."""
    return str(error).strip().partition("\n")[0].rstrip(".")
