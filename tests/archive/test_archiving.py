"""Ended tasks are archived before Redis forgets them, whatever dies, and found as if it hadn't."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.archive import Archive, open_archive
from a2a_streaming.archive.story import Story
from a2a_streaming.archiving import Archiver
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import Unavailable
from a2a_streaming.event import text_part
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.retention import Retention
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import Desk, Scripted, echo, last_words, working
from auth.signing_in import V1, front
from conftest import serving
from processes import started
from speakers import speakers
from streams import called, frames, message, request
from tasks import log_of, until
from transports import serving_both


class Answering(Agent):
    """Completes."""

    card = agent_card("answering")

    async def run(self, run: Run) -> None:
        await run.attach("note", run.text)
        await run.complete(f"You said {run.text}")


async def forgotten(raw: redis.asyncio.Redis, manager: RedisManager, task: str) -> None:
    """Let Redis forget a task, as when its time is over."""
    await until(lambda: raw.hexists(manager.keys.meta(task), "archived"))
    await raw.delete(*manager.keys.task(task)[:5])


async def test_redis_may_forget_a_task_and_every_dialect_still_tells_it(
    archiving: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with (
        serving_both(Answering(), archiving) as both,
        grpc.aio.insecure_channel(both.address) as channel,
    ):
        spoken = speakers(both, http, channel)
        tasks = {name: await one.begin(f"by-{i}") for i, (name, one) in enumerate(spoken.items())}
        for task in tasks.values():
            await forgotten(raw, both.node.manager, task)
        for birth, task in tasks.items():
            for name, one in spoken.items():
                assert await one.state(task) == "completed", (birth, name)
        # Without a version, a shared method is answered in the dialect of the task's birth.
        for birth, said in (("JSON-RPC 0.1", "type"), ("JSON-RPC 0.3", "kind")):
            body = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tasks/get",
                "params": {"id": tasks[birth]},
            }
            told = (await http.post(f"{both.http.url}/", json=body)).json()["result"]
            assert told["status"]["message"]["parts"][0][said] == "text"


async def test_an_archived_task_is_its_owners_and_who_else_looks_is_noted(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    changed: Any = {"archive_url": f"file://{tmp_path}/archive", "agent": Answering()}
    async with front(settings, http, **changed) as desk:
        ann, bob = await desk.customer("ann"), await desk.customer("bob")
        boss = await desk.customer("boss", Role.OPERATOR)
        await ann.begins("t1")
        [stored] = [task for _, task in await desk.node.manager.index.tasks([("owner", "ann")])]
        await forgotten(raw, desk.node.manager, stored)
        told = (await ann.asks("GetTask", V1, id="t1"))["result"]
        assert told["id"] == "t1"
        assert last_words(told) == "You said hello"
        assert (await bob.asks("GetTask", V1, id="t1"))["error"]["code"] == -32001
        assert (await bob.asks("GetTask", V1, id=stored))["error"]["code"] == -32001
        assert (await bob.rest("GET", f"/tasks/{stored}")).status_code == 404
        assert (await boss.asks("GetTask", V1, id=stored))["result"]["id"] == stored
        assert [one[:5] for one in await desk.audit()] == [
            ("boss", "operator", "get", stored, "ann")
        ]
        # It can be read again, but in 1.0 there is nothing to subscribe to.
        assert (await boss.asks("SubscribeToTask", V1, id=stored))["error"]["code"] == -32004
        assert (await bob.asks("tasks/resubscribe", {}, id=stored))["error"]["code"] == -32001


async def test_an_archived_tasks_story_is_told_as_it_was_from_any_position_of_it(
    filing: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    node = Node([Answering()], filing)
    async with serving(node_app(node, {"": node.agents[0]})) as served:
        url = f"{served.url}/"
        told = await called(http, url, "tasks/sendSubscribe", "t1", message("hello"))
        await forgotten(raw, node.manager, "t1")
        again = await called(http, url, "tasks/resubscribe", "t1")
        assert frames(again) == frames(told)
        rest = await called(http, url, "tasks/resubscribe", "t1", after=told[1].id)
        assert frames(rest) == frames(told)[2:]
        assert await called(http, url, "tasks/resubscribe", "t1", after=told[-1].id) == []
        epoch, last = told[-1].id.split("-")
        for position, why in (
            (f"{epoch}-99", "future"),
            (f"1-{last}", "forked"),
            ("x", "malformed"),
        ):
            [reset] = await called(http, url, "tasks/resubscribe", "t1", after=position)
            assert (reset.id, reset.data["final"]) == (told[-1].id, True)
            assert why in repr(reset.data["metadata"])
        body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/resubscribe", "params": {"id": "t1"}}
        old = await http.post(f"{url}rpc/0.3", json=body)
        assert old.text.count("data:") == 1
        assert '"kind":"task"' in old.text


@asynccontextmanager
async def archiver(
    desk: Desk, settings: Settings, **changed: Any
) -> AsyncIterator[tuple[Archiver, Archive]]:
    """What archives, asked by hand."""
    archive = await open_archive(settings)
    assert archive is not None
    retention = Retention.from_settings(settings.model_copy(update=changed))
    yield Archiver(desk.manager, archive, retention), archive


@pytest.fixture
def filing(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with an archive of files."""
    return settings.model_copy(update={"archive_url": f"file://{tmp_path}/archive"})


async def test_who_dies_between_the_archive_and_its_note_archives_once_more(
    filing: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(filing, raw, Scripted(echo)) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        keys = desk.manager.keys
        await until(lambda: raw.hexists(keys.meta("t1"), "archived"))
        async with archiver(desk, filing) as (one, archive):
            story = await archive.find("t1")
            assert story is not None
            log = await log_of(desk.manager, "t1")
            assert [position for position, _ in story.events] == [e.position for e in log]
            assert [data for _, data in story.events] == [event.data for event in log]
            assert await raw.zcard(keys.ended) == 0
            await raw.hdel(keys.meta("t1"), "archived")  # as if nobody had noted it
            await one.see_to("t1")
            assert await archive.find("t1") == story
            assert await raw.hexists(keys.meta("t1"), "archived")


async def test_a_task_that_no_list_tells_of_is_found_by_the_sweep(
    filing: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(filing, raw, Scripted(echo), archive_url="", lease_seconds=0.5) as desk:
        await desk.send()  # before there was an archive, or by who died before the list
        await desk.until(State.COMPLETED)
        assert not await raw.exists(desk.manager.keys.ended)
    async with working(filing, raw, Scripted(echo), lease_seconds=0.5) as desk:
        await until(lambda: raw.hexists(desk.manager.keys.meta("t1"), "archived"))


class Away(Archive):
    """An archive that is away until it is told to be there."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive._storage)
        self.there = False

    async def put(self, story: Story, *, days: float) -> str:
        if not self.there:
            raise Unavailable("The archive is away for the moment; try again.")
        return await super().put(story, days=days)


async def test_what_cannot_be_archived_yet_is_not_forgotten_and_tried_again(
    filing: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(
        filing, raw, Scripted(echo), archive_url="", history_ttl=60, snapshot_ttl=90
    ) as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        keys = desk.manager.keys
        real = await open_archive(filing)
        assert real is not None
        away = Away(real)
        one = Archiver(desk.manager, away, Retention.from_settings(filing))
        assert await one._try("t1")
        for key in (keys.meta("t1"), keys.stream("t1"), keys.snapshot("t1")):
            assert await raw.pttl(key) > 3_600_000
        away.there = True
        assert not await one._try("t1")
        assert await away.find("t1") is not None


async def test_a_task_that_is_deleted_while_it_is_archived_is_not_kept(
    filing: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(filing, raw, Scripted(echo), archive_url="") as desk:
        await desk.send()
        await desk.until(State.COMPLETED)
        real = await open_archive(filing)
        assert real is not None

        class Slow(Archive):
            async def put(self, story: Story, *, days: float) -> str:
                await raw.delete(*desk.manager.keys.task("t1")[:5])
                return await super().put(story, days=days)

        slow = Slow(real._storage)
        await Archiver(desk.manager, slow, Retention.from_settings(filing)).see_to("t1")
        assert await real.find("t1") is None
        assert await real.of_owner("") == []
        assert not await raw.exists(desk.manager.keys.meta("t1"))


async def test_rules_say_what_is_archived_and_what_redis_forgets_before_its_time(
    filing: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[[rule]]\nowners = ['brief']\nredis_days = 0\n"
        "[[rule]]\nowners = ['unkept']\narchive_days = 0\n"
        "[[rule]]\nowners = ['later']\nredis_days = 1\n"
    )
    async with working(filing, raw, Scripted(echo), retention=str(rules)) as desk:
        manager, owners = desk.manager, ("brief", "unkept", "later", "other")
        sent = [
            await desk.service.send(
                [text_part("hi")], caller=Caller(owner), task_id="t", context=None, dialect="0.1"
            )
            for owner in owners
        ]
        stored = {owner: one.task_id for owner, one in zip(owners, sent, strict=True)}

        async def is_done() -> bool:
            kept = [await raw.hexists(manager.keys.meta(stored[o]), "archived") for o in owners[1:]]
            return all(kept) and not await raw.exists(manager.keys.meta(stored["brief"]))

        await until(is_done)
        archive = desk.node.archive
        assert archive is not None
        found = {o: await archive.find(stored[o]) is not None for o in owners}
        assert found == {"brief": True, "unkept": False, "later": True, "other": True}
        assert await manager.index.tasks([("owner", "brief")]) == []
        waiting: Any = await raw.zrange(manager.keys.ended, 0, -1)
        assert waiting == [stored["later"].encode()]  # a day from now


async def test_processes_share_what_has_ended_and_each_is_archived(
    filing: Settings, raw: redis.asyncio.Redis
) -> None:
    async with (
        working(filing, raw, Scripted(echo)) as desk,
        working(filing, raw, Scripted(echo)) as other,
    ):
        await asyncio.gather(*(desk.send(task=f"t{n}") for n in range(30)))
        archive = other.node.archive
        assert archive is not None

        async def are_there() -> bool:
            return len(await archive.of_owner("")) == 30 and not await raw.zcard(
                desk.manager.keys.ended
            )

        await until(are_there)


async def test_whichever_process_is_killed_every_ended_task_is_archived(
    filing: Settings, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    told: dict[str, Any] = {
        "A2A_REDIS_URL": redis_url,
        "A2A_ARCHIVE_URL": filing.archive_url,
    }
    archive = await open_archive(filing)
    assert archive is not None
    tasks = {f"t{n}" for n in range(40)}

    async def begun(url: str) -> None:
        async with httpx2.AsyncClient(timeout=20) as http:
            sends = (http.post(url, json=request("tasks/send", t, message("you"))) for t in tasks)
            assert {answer.status_code for answer in await asyncio.gather(*sends)} == {200}

    async def archived() -> set[str]:
        found = [await archive.at(digest) for digest in await archive.of_owner("")]
        return {story.id for story in found if story is not None}

    app = "apps.greeting:GreetingAgent"
    with started("serve", app, data_dir=tmp_path / "one", **told) as first:
        await begun(f"{first.url}/")
        await until(archived)
        assert first.ended(signal.SIGKILL) == -signal.SIGKILL
    # As if the time had passed for which it held what it had taken.
    held: Any = await raw.zrange("index:ended", 0, -1)
    if held:
        await raw.zadd("index:ended", dict.fromkeys(held, 0))
    with started("serve", app, data_dir=tmp_path / "other", **told):

        async def are_all() -> bool:
            return await archived() == tasks and not await raw.zcard("index:ended")

        await until(are_all)
