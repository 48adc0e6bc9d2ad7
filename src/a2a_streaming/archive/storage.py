"""Where the archive lies: objects by their path."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from a2a_streaming.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Storage(Protocol):
    """Keeps objects, whole or not at all.

    Whatever can't be reached raises `Unavailable`.
    """

    async def put(self, path: str, data: bytes) -> None:
        """Keep an object, in the place of what is there.

        Args:
            path: Its path, with `/` between names.
            data: What it is.
        """
        ...

    async def get(self, path: str) -> bytes | None:
        """Return an object; None if there is none."""
        ...

    async def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        ...

    async def first(self, folder: str, *, count: int, after: str = "") -> list[str]:
        """Return the paths of what is in a folder and its folders, the first so many in order.

        Args:
            folder: The folder, without `/` at its end.
            count: The most paths.
            after: The path behind which they begin; empty for the folder's first.
        """
        ...


class FileStorage:
    """Objects as files. A file is written beside its place, and put there when the disk has it.

    Args:
        root: The directory; it is made when needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, path: str, data: bytes) -> None:
        """Keep a file."""
        await _asked(self._put, self._root / path, data)

    async def get(self, path: str) -> bytes | None:
        """Return a file."""
        return await _asked(_read, self._root / path)

    async def delete(self, path: str) -> None:
        """Remove a file."""
        await _asked(_remove, self._root / path)

    async def first(self, folder: str, *, count: int, after: str = "") -> list[str]:
        """Return paths in a folder."""
        return await _asked(self._first, folder, count, after)

    def _put(self, place: Path, data: bytes) -> None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        try:
            with open(beside, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _first(self, folder: str, count: int, after: str) -> list[str]:
        found: list[str] = []
        behind = after.removeprefix(f"{folder}/").split("/") if after else []
        for path in _walk(self._root / folder, behind):
            if len(found) == count:
                break
            found.append(path.relative_to(self._root).as_posix())
        return found


async def _asked(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do work on the disk, in a thread.

    Raises:
        Unavailable: The disk refuses.
    """
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except OSError as error:
        raise Unavailable("The archive is away for the moment; try again.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _remove(place: Path) -> None:
    place.unlink(missing_ok=True)


def _walk(folder: Path, after: Sequence[str] = ()) -> Iterator[Path]:
    """Return the files in a folder and its folders, in order; folders that are empty are removed on the way.

    Args:
        folder: The folder.
        after: The names of the path, from there on, behind which they begin; none for the first.
    """
    begin = after[0] if after else ""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names alone, without an object for each
    except FileNotFoundError:
        return
    if not names:
        with contextlib.suppress(OSError):  # somebody may have put something there
            folder.rmdir()
    for name in names:
        if name.startswith("."):  # being written, or left behind by who was killed while writing
            continue
        if name < begin or (name == begin and len(after) == 1):
            continue
        place = folder / name
        if place.is_dir():
            yield from _walk(place, after[1:] if name == begin else ())
        else:
            yield place
