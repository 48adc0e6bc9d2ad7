"""The archive itself, in files and in a bucket: what is kept, found, changed, and gone when its time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from a2a_streaming.archive import Archive, Story, open_archive
from a2a_streaming.archive.shelves import digest_of
from a2a_streaming.archive.storage import FileStorage, Storage
from a2a_streaming.errors import SetupError, Unavailable
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.task import State


def story(task: str = "t1", owner: str = "ann", text: str = "hello") -> Story:
    """A task's story."""
    event: dict[str, Any] = {"task": {"id": "t", "history": [{"parts": [{"text": text}]}]}}
    return Story(
        id=task,
        owner=owner,
        agent="echo",
        context="c1",
        dialect="0.1",
        state=State.COMPLETED,
        created=7,
        task={"id": "t", "status": {"state": State.COMPLETED.value}},
        position=Position(9, 2),
        events=[(Position(9, 1), orjson.dumps(event)), (Position(9, 2), b'{"statusUpdate":{}}')],
    )


@pytest.fixture
async def archive(archiving: Settings) -> Archive:
    opened = await open_archive(archiving)
    assert opened is not None
    return opened


def storage_of(archive: Archive) -> Storage:
    return archive._storage


async def test_a_story_is_found_by_its_id_and_by_its_owner_as_it_was(archive: Archive) -> None:
    for task, owner in (("t1", "ann"), ("T1", "ann"), ("..", "ann"), ("t2", "bob/../x")):
        await archive.put(story(task, owner), days=1)
    assert await archive.find("t1") == story()
    assert await archive.find("..") == story("..")
    assert await archive.find("t3") is None
    assert sorted(await archive.of_owner("ann")) == sorted(map(digest_of, ("t1", "T1", "..")))
    assert await archive.of_owner("bob/../x") == [digest_of("t2")]
    assert await archive.of_owner("nobody") == []


async def test_a_story_that_is_put_again_takes_the_place_of_the_first(archive: Archive) -> None:
    for text in ("first", "second"):
        await archive.put(story(text=text), days=1)
    assert await archive.find("t1") == story(text="second")
    assert len(await archive.of_owner("ann")) == 1


async def test_an_id_that_is_chosen_once_more_leaves_the_earlier_story_where_it_is_found(
    archive: Archive,
) -> None:
    earlier, later = story(text="first"), replace(story(text="second"), position=Position(12, 2))
    await archive.put(earlier, days=1)
    for _ in range(2):
        await archive.put(later, days=9)
    assert await archive.find("t1") == later
    assert sorted(map(repr, await all_of(archive, "ann"))) == sorted(map(repr, [earlier, later]))
    assert await archive.expire(datetime.now(UTC).date() + timedelta(days=2)) == 1
    assert await all_of(archive, "ann") == [later]
    for digest in await archive.of_owner("ann"):
        await archive.forget(digest, "ann")
    assert await all_of(archive, "ann") == []


async def test_stories_are_told_page_by_page_of_one_owner_and_of_all(archive: Archive) -> None:
    for n in range(5):
        await archive.put(story(f"t{n}", "ann" if n else "bob"), days=n % 2 + 1)
    for owner, count in (("ann", 4), (None, 5)):
        found: list[str] = []
        after = ""
        while True:
            stories, after = await archive.page(owner, after=after, count=2)
            found += [one.id for one in stories]
            if not after:
                break
        assert len(found) == len(set(found)) == count


async def test_what_is_forgotten_is_gone_and_may_be_forgotten_again(archive: Archive) -> None:
    for task, owner in (("t1", "ann"), ("t2", "ann"), ("t3", "bob")):
        await archive.put(story(task, owner), days=1)
    for _ in range(2):
        await archive.forget(digest_of("t1"), "ann")
    assert await archive.find("t1") is None
    assert await archive.of_owner("ann") == [digest_of("t2")]
    assert await archive.find("t2") == story("t2", "ann")
    assert await archive.find("t3") == story("t3", "bob")


async def test_what_was_kept_for_long_enough_goes_and_what_was_kept_anew_stays(
    archive: Archive,
) -> None:
    await archive.put(story("old"), days=1)
    await archive.put(story("anew"), days=1)
    await archive.put(story("anew"), days=9)
    await archive.put(story("young"), days=9)
    today = datetime.now(UTC).date()
    assert await archive.expire(today) == 0
    assert await archive.expire(today + timedelta(days=2)) == 1
    assert await archive.find("old") is None
    assert await archive.of_owner("ann") != []
    assert {one.id for one in await all_of(archive, "ann")} == {"anew", "young"}
    assert await archive.expire(today + timedelta(days=10)) == 2
    assert await archive.of_owner("ann") == []
    assert await storage_of(archive).first("expires", count=10) == []


async def all_of(archive: Archive, owner: str) -> list[Story]:
    found = [await archive.at(digest) for digest in await archive.of_owner(owner)]
    return [one for one in found if one is not None]


async def test_a_story_that_was_changed_is_not_told(archive: Archive) -> None:
    await archive.put(story(text="I owe you 10"), days=1)
    digest = digest_of("t1")
    path = f"tasks/{digest[:2]}/{digest}.jsonl"
    file = await storage_of(archive).get(path)
    assert file is not None
    await storage_of(archive).put(path, file.replace(b"owe you 10", b"owe you 99"))
    assert await archive.find("t1") is None


@pytest.fixture
def files(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path)


async def test_a_file_that_was_being_written_when_its_writer_died_is_nothing(
    files: FileStorage, tmp_path: Path
) -> None:
    await files.put("a/one", b"1")
    (tmp_path / "a" / ".two.0123").write_bytes(b"half")
    assert await files.first("a", count=9) == ["a/one"]
    assert await files.get("a/two") is None
    assert (tmp_path / "a" / "one").stat().st_mode & 0o777 == 0o600


async def test_the_first_paths_are_told_in_order_and_empty_folders_go(
    files: FileStorage, tmp_path: Path
) -> None:
    for path in ("x/2/b", "x/1/c", "x/1/a", "y/1"):
        await files.put(path, b"")
    assert await files.first("x", count=2) == ["x/1/a", "x/1/c"]
    for path in ("x/1/a", "x/1/c"):
        await files.delete(path)
    assert await files.first("x", count=9) == ["x/2/b"]
    assert not (tmp_path / "x" / "1").exists()


async def test_an_archive_that_cannot_be_reached_is_away(tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason="the extra `archive` isn't installed")
    told: dict[str, Any] = {
        "archive_url": "s3://nowhere",
        "archive_endpoint": "http://127.0.0.1:9",
        "archive_key_id": "key",
        "archive_secret": "secret",
        "archive_timeout": 0.5,
    }
    away = await open_archive(Settings(**told))
    assert away is not None
    with pytest.raises(Unavailable, match="The archive is away"):
        await away.find("t1")
    with pytest.raises(Unavailable, match="The archive is away"):
        await away.put(story(), days=1)
    (tmp_path / "file").write_text("no directory")
    blocked = await open_archive(Settings(archive_url=f"file://{tmp_path / 'file'}"))
    assert blocked is not None
    with pytest.raises(Unavailable, match="The archive is away"):
        await blocked.put(story(), days=1)


async def test_an_address_that_no_archive_has_is_told_of() -> None:
    assert await open_archive(Settings()) is None
    for wrong in ("ftp://x", "s3://", "/var/lib", "s3://a b"):
        with pytest.raises(ValueError, match="must be such as"):
            Settings(archive_url=wrong)
    pytest.importorskip("obstore", reason="the extra `archive` isn't installed")
    with pytest.raises(SetupError, match="A2A_ARCHIVE_URL"):
        await open_archive(Settings(archive_url="az://container"))
