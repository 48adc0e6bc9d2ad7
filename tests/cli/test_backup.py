"""`backup` and `restore`: copies made under load, put back, and stories that go on from them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from customer_service.records.databases import Filled, create
from processes import ran, started
from streams import Frame, asked, called, message, states, streaming

QUESTION = "Please refund the baggage fee for MT4821"


async def to_the_end(http: httpx2.AsyncClient, url: str, task: str) -> list[Frame]:
    """Say yes to whatever is asked, to the task's end; the whole story."""
    told: list[Frame] = []
    for _ in range(4):
        told = await called(http, url, "tasks/resubscribe", task)
        if states(told)[-1] != "input-required":
            return told
        await asked(http, url, "tasks/send", task, message("yes"))
    raise AssertionError(f"it goes on asking: {told[-1]}")


def refunds(data: Path) -> int:
    """How many refunds the books have."""
    with closing(sqlite3.connect(data / "records.db")) as database:
        [count] = database.execute("SELECT count(*) FROM refunds").fetchone()
    return int(count)


def backup(data: Path, to: Path, code: int = 0, **settings: str) -> str:
    """What `backup` says."""
    ended = ran("backup", str(to), "--data-dir", str(data), **settings)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def restore(source: Path, data: Path, *more: str, code: int = 0) -> str:
    """What `restore` says."""
    ended = ran("restore", str(source), "--data-dir", str(data), *more)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


async def test_stories_go_on_from_a_copy_that_was_made_while_everything_ran(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    data, copy, other = (tmp_path / name for name in ("data", "copy", "other"))
    with started("up", data_dir=data) as up:
        url = f"{up.url}/"
        await called(http, url, "tasks/sendSubscribe", "done", message("What's my balance?"))
        before = await called(http, url, "tasks/sendSubscribe", "refund", message(QUESTION))
        assert states(before)[-1] == "input-required"
        backup(data, copy)
        assert "is using the data directory" in restore(copy, data, "--replace", code=1)
        done = await called(http, url, "tasks/resubscribe", "done")
        after = await to_the_end(http, url, "refund")
        paid = refunds(data)
        assert up.ended() == 0
    manifest: dict[str, Any] = json.loads((copy / "manifest.json").read_text())
    assert set(manifest["parts"]) == {"redis", "records"}
    assert (manifest["backup"], manifest["eventFormat"]) == (1, 1)
    assert {path.stat().st_mode & 0o777 for path in copy.iterdir()} == {0o600}

    assert "have read it" in restore(copy, other).replace("has read it", "have read it")
    assert refunds(other) == paid - 1
    with started("up", data_dir=other) as up:
        url = f"{up.url}/"
        assert await called(http, url, "tasks/resubscribe", "done") == done
        for place, frame in enumerate(before[:-1]):  # a client with a position of before the copy
            rest = await called(http, url, "tasks/resubscribe", "refund", after=frame.id)
            assert [one.id for one in rest] == [one.id for one in before[place + 1 :]]
        # One who has seen more than the copy knows isn't left in silence.
        known = {one.id for one in before}
        seen = next(one.id for one in after if one.id not in known)
        async with streaming(http, url, "tasks/resubscribe", "refund", after=seen) as told:
            first = await anext(told)
        assert first.data["metadata"]["reset"]["reason"] in ("future", "forked")
        again = await to_the_end(http, url, "refund")
        assert states(again)[-1] == "completed"
        assert not {one.id for one in again} & ({one.id for one in after} - known)
        assert refunds(other) == paid  # once, in these books
        assert up.ended() == 0


async def test_what_is_there_is_moved_aside_and_only_when_asked(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with started("up", data_dir=data) as up:
        await called(http, f"{up.url}/", "tasks/sendSubscribe", "t1", message("My balance?"))
        assert up.ended() == 0
    backup(data, copy)  # nothing runs: the store is started for it
    assert "--replace" in restore(copy, data, code=1)
    said = restore(copy, data, "--replace")
    assert said.count("what was there is now") == 2
    assert list(data.glob("redis/before-restore-*/*"))
    assert list(data.glob("records.db.before-restore-*"))
    with started("up", data_dir=data) as up:
        told = await called(http, f"{up.url}/", "tasks/resubscribe", "t1")
        assert states(told)[-1] == "completed"

    assert "isn't empty" in backup(data, copy, code=1)
    with (copy / "redis.rdb").open("ab") as file:
        file.write(b"x")
    assert "damaged" in restore(copy, tmp_path / "third", code=1)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "eventFormat": 99}))
    assert "Install that version" in restore(copy, tmp_path / "third", code=1)
    assert "is no backup" in restore(tmp_path / "nowhere", tmp_path / "third", code=1)
    assert not (tmp_path / "third").exists()


def test_what_is_your_own_is_left_out_and_named(tmp_path: Path, redis_url: str) -> None:
    own: Any = {
        "A2A_REDIS_URL": redis_url,
        "A2A_RECORDS": "apps.seats:records",
        "A2A_ARCHIVE_URL": f"file://{tmp_path}/archive",
    }
    said = backup(tmp_path / "data", tmp_path / "copy", code=1, **own)
    assert "redis-cli --rdb" in said
    assert "A2A_RECORDS" in said
    assert f"file://{tmp_path}/archive" in said
    assert not list(tmp_path.glob("copy*"))


async def test_books_in_postgresql_are_copied_and_put_back_whole(
    tmp_path: Path, redis_socket: Path, postgresql_url: str, filled: Filled
) -> None:
    for program in ("pg_dump", "pg_restore"):
        if shutil.which(program) is None and os.environ.get("CI") != "true":
            pytest.skip(f"not on PATH: {program}")
    today = datetime.now(UTC).date()
    full = await filled.postgresql(postgresql_url, f"full-{tmp_path.name}", today)
    empty = await create(postgresql_url, f"empty-{tmp_path.name}")
    own: Any = {"A2A_REDIS_URL": f"unix://{redis_socket}"}
    said = await asyncio.to_thread(
        backup, tmp_path / "data", tmp_path / "copy", A2A_DATABASE_URL=full, **own
    )
    assert "records.dump" in said
    for code, more in ((0, ()), (1, ()), (0, ("--replace",))):  # what is there isn't lost unasked
        ended = await asyncio.to_thread(
            ran, "restore", str(tmp_path / "copy"), *more, A2A_DATABASE_URL=empty, **own
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
    assert await counted(empty) == await counted(full)
    assert (await counted(full))["bookings"] > 0


async def counted(url: str) -> dict[str, int]:
    """How many rows each table of a database has."""
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    try:
        async with engine.connect() as connection:
            listed = await connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            names = [str(row[0]) for row in listed]
            told = [
                await connection.scalar(text(f'SELECT count(*) FROM "{name}"'))  # noqa: S608 - our own tables
                for name in names
            ]
        return dict(zip(names, map(int, told), strict=True))
    finally:
        await engine.dispose()
