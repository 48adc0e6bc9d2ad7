"""Copies of an SQLite database: made while it is in use, and put back while it isn't. They look at the disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from a2a_streaming.errors import SetupError

_SECONDS = 30.0


def save(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment; readers and writers go on meanwhile.

    Args:
        path: Its file.
        target: The file to write.

    Raises:
        SetupError: It is damaged, or can't be read.
    """
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.execute(f"PRAGMA busy_timeout = {int(_SECONDS * 1000)}")
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
            [found] = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise SetupError(f"The database {path} can't be copied: {error}.") from error
    if found != "ok":
        raise SetupError(f"The database {path} is damaged: {found}.")
    target.chmod(0o600)


def put_back(source: Path, path: Path) -> Path | None:
    """Put a copy in a database's place.

    Args:
        source: What `save` has written.
        path: The database's file.

    Returns:
        Where what was there before is now; None if nothing was.

    Raises:
        SetupError: Somebody uses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _settle(path)
    ready = path.with_name(f"{path.name}.restoring")
    shutil.copyfile(source, ready)
    ready.chmod(0o600)
    aside = None
    if path.exists():
        aside = path.with_name(time.strftime(f"{path.name}.before-restore-%Y%m%d-%H%M%S"))
        path.rename(aside)
        for left in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(f"{path}{left}")  # noqa: PTH108 - no path of its own
    ready.rename(path)
    return aside


def _settle(path: Path) -> None:
    """Make one file of a database, which nobody else may use for it."""
    try:
        with closing(sqlite3.connect(path, timeout=1)) as database:
            database.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise SetupError(
                f"The database {path} is in use. Stop the processes that use it, then restore."
            ) from error
