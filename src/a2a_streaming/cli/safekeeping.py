"""`backup` and `restore`: the embedded store, and SQLite or PostgreSQL, in a directory with a manifest.

Redis is copied first, then the systems of record. So no step is remembered whose effect the books don't have; the other
way round does no harm: an effect that is asked for again, under the same key, is known there (docs/backup.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import orjson
import typer
from sqlalchemy import URL

from a2a_streaming.backbone import backup as stores
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.cli.stores import store_url
from a2a_streaming.customer_service.records.sql import backup as databases
from a2a_streaming.customer_service.records.sql import dumps
from a2a_streaming.customer_service.records.sql.database import file_in
from a2a_streaming.customer_service.records.sql.examine import examine, sqlite_file
from a2a_streaming.errors import SetupError
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.task import Json
from a2a_streaming.version import VERSION

_MANIFEST, _REDIS, _RECORDS, _DUMP = "manifest.json", "redis.rdb", "records.db", "records.dump"
_VERSION = 1
"""Version of the manifest."""
_FOREIGN_REDIS = (
    "Redis is your own (A2A_REDIS_URL): copy it with redis-cli --rdb, before the systems of record."
)
_NO_PROGRAM = "The systems of record are PostgreSQL's, and pg_dump isn't on PATH: install PostgreSQL's client programs."


def backup(directory: Path, data_dir: Path | None) -> None:
    """Copy what is ours into a directory.

    Args:
        directory: The directory, which isn't there yet, or is empty.
        data_dir: Where everything is kept; as the settings have it if None.

    Raises:
        SetupError: It can't be copied.
    """
    settings = load_settings(data_dir=data_dir)
    if directory.exists() and any(directory.iterdir()):
        raise SetupError(f"{directory} isn't empty. Name a directory that isn't there yet.")
    parts = asyncio.run(_backup(directory, settings))
    for name, part in parts.items():
        typer.echo(f"{name}: {part.get('leftOut') or _told(directory, part)}")


def _told(directory: Path, part: Json) -> str:
    return f"{directory / part['file']} ({part['bytes']} bytes)"


async def _backup(directory: Path, settings: Settings) -> dict[str, Json]:
    # What is under way has another name: what bears this one is whole.
    making = directory.with_name(f"{directory.name}.partial")
    await asyncio.to_thread(making.mkdir, mode=0o700, parents=True, exist_ok=True)
    newest = FORMAT_VERSION
    parts: dict[str, Json] = {}
    if settings.redis_url:
        parts["redis"] = {"leftOut": _FOREIGN_REDIS}
    else:
        async with store_url(settings) as url:
            newest = await _format(url, settings)
            copied = await stores.save(
                url, settings.data_dir / "redis", making / _REDIS, patience=60.0
            )
        parts["redis"] = {**await _of_file(making / _REDIS), **copied._asdict()}
    parts["records"] = await _records(settings, making)
    if settings.archive_url:
        parts["archive"] = {
            "leftOut": f"The archive ({settings.archive_url}) isn't copied: its files don't change. Copy it after Redis."
        }
    if all("leftOut" in part for part in parts.values()):
        await asyncio.to_thread(making.rmdir)
        raise SetupError(
            " ".join(["There is nothing to copy here.", *(p["leftOut"] for p in parts.values())])
        )
    manifest = {
        "backup": _VERSION,
        "version": VERSION,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "eventFormat": newest,
        "parts": parts,
    }
    await asyncio.to_thread(_finish, making, directory, manifest)
    return parts


async def _format(url: str, settings: Settings) -> int:
    async with RedisManager(url, settings) as manager:
        return await manager.format.newest()


async def _records(settings: Settings, making: Path) -> Json:
    if settings.records:
        return {
            "leftOut": "The systems of record are your own (A2A_RECORDS): copy them, after Redis."
        }
    where = settings.database_url or file_in(settings.data_dir)
    path = sqlite_file(where)
    if path is None:
        if not dumps.is_postgresql(where):
            return {"leftOut": "The systems of record are in memory: there is nothing to copy."}
        if not dumps.can_save():
            return {"leftOut": _NO_PROGRAM}
        await asyncio.to_thread(dumps.save, where, making / _DUMP)
        return {**await _of_file(making / _DUMP), "migration": (await examine(where)).revision}
    if not await asyncio.to_thread(path.exists):
        return {"leftOut": f"There is no database yet at {path}."}
    await asyncio.to_thread(databases.save, path, making / _RECORDS)
    found = await examine(f"sqlite:///{making / _RECORDS}")
    return {**await _of_file(making / _RECORDS), "migration": found.revision}


async def _of_file(path: Path) -> Json:
    return await asyncio.to_thread(
        lambda: {"file": path.name, "bytes": path.stat().st_size, "sha256": _digest(path)}
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finish(making: Path, directory: Path, manifest: Json) -> None:
    """Write the manifest, let all reach the disk, and give the directory its name."""
    (making / _MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    for path in [*making.iterdir(), making]:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        path.chmod(0o700 if path is making else 0o600)
    if directory.exists():
        directory.rmdir()
    making.rename(directory)


def restore(directory: Path, data_dir: Path | None, *, replace: bool) -> None:
    """Put back what was copied.

    Args:
        directory: What `backup` has made.
        data_dir: Where everything is kept; as the settings have it if None.
        replace: Whether to move aside what is there.

    Raises:
        SetupError: It can't be put back.
    """
    settings = load_settings(data_dir=data_dir)
    parts = _checked(directory)
    database = settings.database_url or file_in(settings.data_dir)
    path = None if settings.records else sqlite_file(database)
    redis = parts.get("redis") if not settings.redis_url else None
    is_file = path is not None
    records = parts.get("records")
    if settings.records or (records is not None and (records["file"] == _RECORDS) != is_file):
        records = None  # of another kind of database
    if redis is None and records is None:
        raise SetupError(
            "There is nothing in this backup that could be put back here: Redis and the systems of record are your "
            "own. docs/backup.md says how."
        )
    there = records is not None and _holds_tables(database, path)
    taken = [
        *(
            [str(settings.data_dir / "redis")]
            if redis and stores.holds(settings.data_dir / "redis")
            else []
        ),
        *([str(path or "the database of A2A_DATABASE_URL")] if there else []),
    ]
    if taken and not replace:
        raise SetupError(
            f"There is something already: {', '.join(taken)}. Use --replace to move it aside (what a PostgreSQL holds is "
            "lost), or name another data directory with --data-dir."
        )
    with ExitStack() as held:
        if redis is not None:
            held.enter_context(stores.unused(settings.data_dir))

        # The books first: if somebody uses them, nothing is changed yet.
        def put_back_records(file: str) -> Path | None:
            if path is not None:
                return databases.put_back(directory / file, path)
            dumps.put_back(directory / file, database)
            return None

        _put_back("records", records, put_back_records)
        _put_back("redis", redis, lambda file: stores.put_back(directory / file, settings.data_dir))
    if redis is not None:
        count = asyncio.run(_opened(settings))
        typer.echo(
            f"The embedded store has read it: {count} keys; {redis['keys']} were copied, some may have expired."
        )


def _holds_tables(database: str | URL, path: Path | None) -> bool:
    """Say whether a database holds something already.

    Raises:
        SetupError: It can't be asked.
    """
    if path is not None:
        return path.exists()
    found = asyncio.run(examine(database))
    if found.problem:
        raise SetupError(f"{found.where} can't be used: {found.problem}.")
    return found.revision is not None


def _put_back(name: str, part: Json | None, do: Callable[[str], Path | None]) -> None:
    if part is None:
        return
    aside = do(part["file"])
    typer.echo(f"{name}: restored" + (f"; what was there is now {aside}" if aside else ""))


async def _opened(settings: Settings) -> int:
    """Let the store read what was put back, and return how many keys it has."""
    async with store_url(settings) as url, RedisManager(url, settings) as manager:
        await manager.format.agree()
        return await manager.health.size()


def _checked(directory: Path) -> dict[str, Json]:
    """Return the parts of a backup, each as it was when it was made.

    Raises:
        SetupError: It is none, a newer version's, or damaged.
    """
    try:
        manifest: Any = orjson.loads((directory / _MANIFEST).read_bytes())
        version, newest = int(manifest["backup"]), int(manifest["eventFormat"])
        parts = cast("dict[str, Json]", manifest["parts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{directory} is no backup: {error}.") from error
    if version > _VERSION or newest > FORMAT_VERSION:
        raise SetupError(
            f"The backup was made by version {manifest.get('version')}, in a format that is newer than this version "
            f"reads (backup {version}, events {newest}). Install that version, then restore."
        )
    found = {name: part for name, part in parts.items() if "file" in part}
    for part in found.values():
        path = directory / Path(part["file"]).name
        if not path.exists() or _digest(path) != part["sha256"]:
            raise SetupError(f"The backup is damaged: {path} isn't as it was written.")
    return found
