"""The archive's order: where a task's story lies, and the markers by which it is found."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from a2a_streaming.archive.bucket import BucketStorage
from a2a_streaming.archive.storage import FileStorage, Storage
from a2a_streaming.archive.story import Story, file_of, read_story
from a2a_streaming.errors import ChainBroken
from a2a_streaming.settings import Settings
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_AT_ONCE = 500
"""Paths that are asked for at once."""
_READ_AT_ONCE = 8
"""Stories that are read at once."""


class Archive:
    """Keeps stories.

    Every method raises `Unavailable` if the storage is away.

    Args:
        storage: Where.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def put(self, story: Story, *, days: float) -> str:
        """Keep a story; the same one, if it is there already, is replaced.

        A client may choose an id once more when Redis has forgotten the first task of that name. The earlier story then
        stays beside the later one, for its owner's export, and for as long as it was to be kept.

        Args:
            story: The story.
            days: For how long, from now on.

        Returns:
            The file's head.
        """
        digest = digest_of(story.id)
        await self._keep_earlier(digest, story)
        now = datetime.now(UTC)
        until = (now + timedelta(days=days)).date()
        file, head = await asyncio.to_thread(
            file_of, story, archived=now.isoformat(timespec="seconds"), expires=until.isoformat()
        )
        await self._put(digest, story.owner, until.isoformat(), file)
        return head

    async def _put(self, name: str, owner: str, until: str, file: bytes) -> None:
        # The markers first: what has none would never be found again, nor go.
        await self._storage.put(f"{_of_owner(owner)}/{name}", b"")
        await self._storage.put(f"expires/{until}/{name}", b"")
        await self._storage.put(_path(name), file)

    async def _keep_earlier(self, digest: str, story: Story) -> None:
        """Put another story of the same id, if there is one, beside its place."""
        file = await self._storage.get(_path(digest))
        if file is None:
            return
        try:
            earlier, header = await asyncio.to_thread(read_story, file)
        except (
            ChainBroken
        ):  # it was changed: as evidence it stays, where nobody takes it for a task
            changed = hashlib.blake2b(file, digest_size=8).hexdigest()
            await self._storage.put(_path(f"{digest}@{changed}"), file)
            return
        if earlier.position != story.position:
            name = f"{digest}@{earlier.position}"
            await self._put(name, earlier.owner, header["expires"], file)

    async def find(self, task_id: str) -> Story | None:
        """Return a task's story; None if there is none.

        Args:
            task_id: The task, by its stored id.
        """
        story = await self.at(digest_of(task_id))
        return story if story is not None and story.id == task_id else None

    async def at(self, digest: str) -> Story | None:
        """Return the story of a digest, as `of_owner` tells it; None if there is none, or it was changed.

        Args:
            digest: The digest of a task's stored id.
        """
        file = await self._storage.get(_path(digest))
        if file is None:
            return None
        try:
            story, _ = await asyncio.to_thread(read_story, file)
        except ChainBroken as error:
            _log.error("an archived task isn't what it was", path=_path(digest), reason=str(error))
            return None
        return story

    async def of_owner(self, owner: str) -> list[str]:
        """Return the digests of an owner's tasks.

        Args:
            owner: The owner.
        """
        paths = await self._storage.first(_of_owner(owner), count=_EVERY)
        return [path.rpartition("/")[2] for path in paths]

    async def page(self, owner: str | None, *, after: str, count: int) -> tuple[list[Story], str]:
        """Return stories: an owner's, or all, those first whose time is over first.

        Args:
            owner: Whose; None for everybody's.
            after: Where the page begins, as the one before said; empty for the first.
            count: How many are looked at.

        Returns:
            The stories, and where the next page begins; empty for the latter: there are no more.
        """
        folder = "expires" if owner is None else _of_owner(owner)
        begin = f"{folder}/{after}" if after else ""
        paths = await self._storage.first(folder, count=count, after=begin)
        stories: list[Story] = []
        for start in range(0, len(paths), _READ_AT_ONCE):
            digests = [path.rpartition("/")[2] for path in paths[start : start + _READ_AT_ONCE]]
            found = await asyncio.gather(*map(self.at, digests))
            stories += [story for story in found if story is not None]
        more = len(paths) == count
        return stories, paths[-1].removeprefix(f"{folder}/") if more else ""

    async def forget(self, digest: str, owner: str) -> None:
        """Remove a task.

        Args:
            digest: The digest of its stored id.
            owner: Whose it is.
        """
        await self._storage.delete(_path(digest))
        # Last: who is killed before has still told whose it was. The day's marker goes on its day.
        await self._storage.delete(f"{_of_owner(owner)}/{digest}")

    async def expire(self, today: date | None = None) -> int:
        """Remove the tasks whose time is over; returns how many.

        Args:
            today: The day it is; by default as the clock says.
        """
        day = (today or datetime.now(UTC).date()).isoformat()
        count = 0
        while True:
            found = await self._storage.first("expires", count=_AT_ONCE)
            over = [path for path in found if path.split("/")[1] <= day]
            for path in over:
                count += await self._expire(path.rpartition("/")[2], day)
                await self._storage.delete(path)
            if len(over) < _AT_ONCE:
                return count

    async def _expire(self, digest: str, day: str) -> int:
        """Remove a task, unless it was archived anew for longer."""
        file = await self._storage.get(_path(digest))
        if file is None:
            return 0
        try:
            story, header = await asyncio.to_thread(read_story, file)
        except ChainBroken as error:
            # It can't say whose it is; what was changed is evidence, and stays.
            _log.error("an archived task isn't what it was", path=_path(digest), reason=str(error))
            return 0
        if header["expires"] > day:
            return 0
        await self.forget(digest, story.owner)
        return 1


_EVERY = 1_000_000
"""More tasks than an owner has."""


async def open_archive(settings: Settings) -> Archive | None:
    """Return the archive that the settings name; None if they name none.

    Args:
        settings: The settings.

    Raises:
        SetupError: It can't be used as the settings have it.
    """
    url = settings.archive_url
    if not url:
        return None
    if url.startswith("file:"):
        return Archive(FileStorage(Path(url.removeprefix("file://"))))
    return Archive(await BucketStorage.open(settings))


def digest_of(name: str) -> str:
    """Return what stands for a task's or an owner's name in paths: they may have characters that no path has."""
    return hashlib.blake2b(name.encode(), digest_size=20).hexdigest()


def _path(digest: str) -> str:
    return f"tasks/{digest[:2]}/{digest}.jsonl"


def _of_owner(owner: str) -> str:
    return f"owners/{digest_of(owner)}"
