"""Copies of the embedded store: made while it is in use, and put back while it isn't."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from a2a_streaming.backbone.connection import CommandFailed, Store
from a2a_streaming.errors import DataDirInUse, SetupError

_SNAPSHOT = "dump.rdb"
"""Where the server writes one; the embedded one keeps an AOF, and writes none of its own accord."""
_LOG = "appendonly.aof"
"""A snapshot of this name is what the server begins with: it makes an AOF of it."""
_KEPT = (_SNAPSHOT, _LOG, "appendonlydir")
"""What the server keeps."""
_POLL = 0.05


class Copied(NamedTuple):
    """What was copied.

    Args:
        server: The server, as in `valkey 9.1.0`: an older one may not read the copy.
        keys: How many keys there were.
    """

    server: str
    keys: int


async def save(url: str, directory: Path, target: Path, *, patience: float) -> Copied:
    """Copy what a store holds, as it is at one moment, while others use it.

    Args:
        url: The store.
        directory: Where its server keeps its files.
        target: The file to write.
        patience: Seconds that a command may take.

    Raises:
        SetupError: The server can't write the copy; the message says why.
        Unavailable: The store is away.
    """
    store = Store(url, timeout=patience)
    lock = await asyncio.to_thread(_alone, directory)
    try:
        snapshot = directory / _SNAPSHOT
        while True:
            await _until_idle(store)
            await asyncio.to_thread(snapshot.unlink, missing_ok=True)
            try:
                await store.call("BGSAVE")
                break
            except CommandFailed as error:
                if "in progress" not in error.reason:
                    raise SetupError(f"The store can't be copied: {error.reason}.") from error
        info = await _until_idle(store)
        if info.get("rdb_last_bgsave_status") != "ok":
            raise SetupError(
                f"The store can't be copied: its snapshot failed. Is the disk of {directory} full?"
            )
        await asyncio.to_thread(shutil.move, snapshot, target)
        keys = int(await store.call("DBSIZE"))
        info = await _info(store, "server")
        name = info.get("server_name", "redis")
        return Copied(f"{name} {info.get(f'{name}_version', info['redis_version'])}", keys)
    finally:
        os.close(lock)
        await store.aclose()


def _alone(directory: Path) -> int:
    lock = os.open(directory / "backup", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise SetupError("Another backup is being made of this data directory.") from None
    return lock


async def _until_idle(store: Store) -> dict[str, str]:
    """Wait until the server writes neither a snapshot nor its AOF anew, and return what it says of the last one."""
    while True:
        info = await _info(store, "persistence")
        if info.get("rdb_bgsave_in_progress") == info.get("aof_rewrite_in_progress") == "0":
            return info
        await asyncio.sleep(_POLL)


async def _info(store: Store, section: str) -> dict[str, str]:
    reply: bytes = await store.call("INFO", section)
    pairs = (line.partition(":") for line in reply.decode().splitlines())
    return {name: value for name, colon, value in pairs if colon}


def holds(directory: Path) -> bool:
    """Say whether a store's directory has data of a server."""
    return any((directory / name).exists() for name in _KEPT)


def put_back(source: Path, data_dir: Path) -> Path | None:
    """Have the embedded store begin with a copy, while it is `unused`. Looks at the disk.

    Args:
        source: What `save` has written.
        data_dir: The data directory; the store is in its subdirectory `redis`.

    Returns:
        Where what was there before is now; None if nothing was.
    """
    directory = data_dir / "redis"
    ready = directory / f"{_LOG}.restoring"
    shutil.copyfile(source, ready)
    ready.chmod(0o600)
    aside = None
    if holds(directory):
        aside = directory / time.strftime("before-restore-%Y%m%d-%H%M%S")
        aside.mkdir(mode=0o700)
        for name in _KEPT:
            if (directory / name).exists():
                (directory / name).rename(aside / name)
    ready.rename(directory / _LOG)
    return aside


@contextmanager
def unused(data_dir: Path) -> Generator[None]:
    """Keep everybody from the embedded store meanwhile: who joins waits at its gate.

    Args:
        data_dir: The data directory.

    Raises:
        DataDirInUse: Somebody uses it.
    """
    directory = data_dir / "redis"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        for name in ("owner", "gate", "lock"):
            file = os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o600)
            held.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataDirInUse(data_dir) from None
        yield
