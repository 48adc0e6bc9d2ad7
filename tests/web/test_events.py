"""The one stream of a browser: any tasks, and topics, each as it stands."""

from __future__ import annotations

import asyncio
import re

import httpx2
import pytest

from a2a_streaming.caller import Role
from a2a_streaming.errors import Forbidden
from a2a_streaming.feeds import Feeds
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.task import State, state_of
from auth.signing_in import V1
from keyholders import key_for
from tasks import until
from web.browsing import Asking, Counter, Dictated, Told, site

SERVERS = pytest.mark.parametrize("ours", [True, False], ids=["our server", "any server"])


async def waits(node: Node, task: str) -> bool:
    """Whether a task waits for its customer."""
    snapshot = await node.manager.snapshots.get(task)
    return snapshot is not None and state_of(snapshot.task) is State.INPUT_REQUIRED


def of(told: list[Told], task: str) -> list[Told]:
    """What was told of one task."""
    return [one for one in told if one.id.startswith(f"{task}@")]


@SERVERS
async def test_tasks_of_several_agents_are_told_live_on_one_stream_and_resumed_without_a_gap(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    dictated, other = Dictated(), Asking()
    async with site(settings, http, [dictated, other], ours=ours) as served:
        a, b = dictated.of("a"), dictated.of("b")
        await served.begin("a", "a")
        await served.begin("b", "b")
        await served.begin("c", "hello", agent="/agents/asking")
        async with served.stream({"a": None, "b": None, "c": None}) as stream:
            for number in range(30):
                a.put_nowait(f"a{number}")
                b.put_nowait(f"b{number}")
            first = await stream.until(a="a29", b="b29", c="What else?")
        seen = {task: of(first, task)[-1].id.rpartition("@")[2] for task in "abc"}
        a.put_nowait("a30")
        b.put_nowait(None)  # it ends while nobody looks
        async with served.stream(dict(seen)) as stream:
            a.put_nowait("a31")
            second = await stream.until(a="a31", b="done for anybody")
            await served.begin("c", "go", agent="/agents/asking")
            second += await stream.until(c="done")
            a.put_nowait(None)
            second += await stream.rest()  # the last of them has ended
        told = first + second
        assert {one.event for one in told} == {"task", "status"}
        for task in "abc":
            mine = of(told, task)
            whole = (await served.ask({"tasks": {task: None}})).text
            ids = [line[4:] for line in whole.splitlines() if line.startswith("id: ")]
            assert [one.id for one in mine] == ids  # each once, in order
            assert mine[0].event == "task"
            assert mine[0].data["task"]["id"] == task
        said = [one.text for one in of(told, "a") if one.text]
        assert said == [*(f"a{number}" for number in range(32)), "done for anybody"]


@SERVERS
async def test_who_reads_slowly_misses_nothing_of_any_task(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    dictated, counter = Dictated(), Counter()
    async with site(settings, http, [dictated], topics=[counter], ours=ours) as served:
        for task in "ab":
            await served.begin(task, task)
        async with served.stream({"a": None, "b": None}, {"counter": None}) as stream:
            for task in "ab":  # both are up to date
                dictated.of(task).put_nowait("first")
            await stream.until(a="first", b="first")
            if ours:
                feeds = served.node._feeds
                assert feeds is not None
                await until(lambda: _true(_told_at_once(feeds, "a") and _told_at_once(feeds, "b")))
            for number in range(120):
                dictated.of("a").put_nowait("x" * 50_000)
                dictated.of("b").put_nowait(f"{number}" + "y" * 50_000)
                if number % 40 == 0:
                    counter.count()
                    await asyncio.sleep(0)
            for task in "ab":
                dictated.of(task).put_nowait(None)
            told = await stream.until(a="done for anybody", b="done for anybody")
        for task in "ab":
            offsets = [int(one.id.rpartition("-")[2]) for one in of(told, task)]
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            assert len(offsets) > 120


def _told_at_once(feeds: Feeds, task: str) -> bool:
    return bool(feeds._feeds[task].audiences._audiences)


async def _true(value: bool) -> bool:
    return value


async def test_a_position_that_cant_be_continued_is_a_reset_of_that_task_alone(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http) as served:
        await served.begin("t1", "go")
        await served.begin("t2", "go")
        async with served.stream({"t1": "nonsense", "t2": None}) as stream:
            told = await stream.rest()
        [reset] = of(told, "t1")
        assert reset.event == "reset"
        assert reset.data["reason"] == "malformed"
        assert reset.data["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
        last = of(told, "t2")[-1].id
        assert last.startswith("t2@")
        async with served.stream({"t1": reset.id.rpartition("@")[2], "t2": None}) as stream:
            assert {one.id.partition("@")[0] for one in await stream.rest()} == {"t2"}


async def test_a_page_may_begin_with_a_task_as_it_is_now(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http) as served:
        await served.begin("t1")
        await until(lambda: waits(served.node, "t1"))
        async with served.stream({"t1": "now"}) as stream:
            first = await stream.next()
            assert first is not None
            assert (first.event, first.data["reason"]) == ("reset", None)
            assert first.data["task"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
            await served.begin("t1", "go")
            told = await stream.rest()
            assert {one.event for one in told} == {"status"}
            assert told[-1].text == "done"


async def test_what_isnt_there_is_gone_and_the_others_go_on(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http) as served:
        await served.begin("t1", "go")
        wrong = "no id\n at all"
        async with served.stream({"t0": None, "t1": None, "t2": "1-1", wrong: None}) as stream:
            told = await stream.rest()
        gone = [one.data["task"] for one in told if one.event == "gone"]
        assert sorted(gone) == sorted(["t0", "t2", wrong])
        assert told[-1].text == "done"
        told = (await served.ask({"tasks": {"t0": None}})).text
        assert re.fullmatch(r'retry: \d+\nevent: gone\ndata: {"task":"t0"}\n\n', told)


async def test_a_task_that_vanishes_meanwhile_is_gone(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http) as served:
        await served.begin("t1")
        await until(lambda: waits(served.node, "t1"))
        async with served.stream({"t1": None}) as stream:
            await stream.until(t1="What else?")
            manager = served.node.manager
            await manager._store.call("DEL", *manager.keys.task("t1")[:5])
            feeds = served.node._feeds
            assert feeds is not None
            feeds._feeds["t1"].heal()  # at once, not with the next round
            told = await stream.rest()
        assert [(one.event, one.data) for one in told] == [("gone", {"task": "t1"})]


async def test_topics_are_told_as_they_stand_and_never_end(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    counter = Counter()
    async with site(settings, http, topics=[counter]) as served:
        await served.begin("t1", "go")
        async with served.stream({"t1": None}, {"counter": None}) as stream:
            told: list[Told] = []
            while not {"done", "0"} <= {one.data.get("version", one.text) for one in told}:
                one = await stream.next()
                assert one is not None
                told.append(one)
            assert [one.event for one in told].count("counter") == 1
            for number in range(1, 4):
                counter.count()
                one = await stream.next()
                assert one is not None
                assert (one.event, one.data["version"]) == ("counter", str(number))
                assert one.data["data"]["number"] == number
        counter.count()
        async with served.stream({}, {"counter": "3"}) as stream:  # it was away: the latest
            one = await stream.next()
            assert one is not None
            assert one.data["version"] == "4"


@SERVERS
async def test_a_page_that_reads_slowly_is_told_the_latest_of_a_topic(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    counter = Counter(weight=200_000)
    async with (
        site(settings, http, topics=[counter], ours=ours) as served,
        served.stream({}, {"counter": None}) as stream,
    ):
        for _ in range(400):  # 80 MB: more than all buffers on the way hold
            counter.count()
            for _ in range(20):
                await asyncio.sleep(0)
        seen = [-1]
        while seen[-1] < counter.number:
            one = await stream.next()
            assert one is not None
            seen.append(one.data["data"]["number"])
        assert seen == sorted(set(seen))
        assert len(seen) < 300  # what was in between is missed,
        assert counter.asked <= len(seen) + 1  # and was never asked for


async def test_a_request_that_cant_be_served_is_told_as_rest_tells_it(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    counter = Counter()
    async with site(settings, http, topics=[counter]) as served:
        for body in (
            *([], "x", {}, {"tasks": {}, "topics": {}}, {"tasks": ["t1"]}, {"tasks": {"t1": 1}}),
            *({"topics": {"nothing": None}}, {"topics": "counter"}, {"task": {"t1": None}}),
            {"tasks": {f"t{number}": None for number in range(201)}},
        ):
            told = await served.ask(body)
            assert told.status_code == 400, body
            assert told.json()["error"]["status"] == "INVALID_ARGUMENT", body
        told = await http.post(f"{served.url}/web/events", content=b"{")
        assert told.status_code == 400
        told = await http.post(
            f"{served.url}/web/events", content=b"x", headers={"content-type": "text/plain"}
        )
        assert told.status_code in (400, 415)
        assert (await http.get(f"{served.url}/web/events")).status_code in (404, 405)


class ForAgents(Counter):
    """A topic for people who answer customers."""

    def admit(self, caller: object) -> None:
        if getattr(caller, "role", None) is Role.CUSTOMER:
            raise Forbidden("For agents.")


async def test_each_sees_their_own_tasks_and_operators_all_by_stored_ids(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, topics=[ForAgents()], auth_keys=True) as served:
        keys = {
            name: {"authorization": f"Bearer {await key_for(served.node, name, role)}"}
            for name, role in (
                ("ann", Role.CUSTOMER),
                ("bob", Role.CUSTOMER),
                ("op", Role.OPERATOR),
            )
        }
        for name in ("ann", "bob"):
            await served.begin("t1", "go", **keys[name])
        assert (await served.ask({"tasks": {"t1": None}})).status_code == 401
        ann = (await served.ask({"tasks": {"t1": None}}, **keys["ann"])).text
        bob = (await served.ask({"tasks": {"t1": None}}, **keys["bob"])).text
        assert ann.count("event: ") == bob.count("event: ") > 1
        assert ann != bob
        listed = await http.get(f"{served.url}/v1/tasks", headers={**keys["op"], **V1})
        stored = [task["id"] for task in listed.json()["tasks"]]
        assert len(stored) == 2
        other = await served.ask({"tasks": {stored[0]: None, stored[1]: None}}, **keys["ann"])
        assert other.text.count("event: gone") == 1
        seen = await served.ask({"tasks": dict.fromkeys(stored)}, **keys["op"])
        assert all(f"id: {one}@" in seen.text for one in stored)
        assert "event: gone" not in seen.text
        manager = served.node.manager
        entries = await manager._store.call("XRANGE", manager.keys.audit, "-", "+")
        noted = [tuple(v.decode() for v in fields[1::2]) for _, fields in entries]
        watched = {(one[0], one[3], one[4]) for one in noted if one[2] == "watch"}
        assert watched == {("op", stored[0], "bob"), ("op", stored[1], "ann")}
        refused = await served.ask({"topics": {"counter": None}}, **keys["ann"])
        assert refused.status_code == 403
        async with served.stream({}, {"counter": None}, **keys["op"]) as stream:
            assert await stream.next()


async def test_a_page_holds_no_more_streams_than_its_owner_may(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, topics=[Counter()], auth_keys=True, limit_streams=1) as served:
        key = {"x-api-key": await key_for(served.node, "ann")}
        async with served.stream({}, {"counter": None}, **key) as stream:
            await stream.next()
            refused = await served.ask({"topics": {"counter": None}}, **key)
            assert refused.status_code == 429
            assert refused.headers["retry-after"]

        async def again() -> bool:
            async with http.stream(
                "POST",
                f"{served.url}/web/events",
                json={"topics": {"counter": None}},
                headers=key,
            ) as opened:
                return opened.status_code == 200

        assert await until(again)


@SERVERS
async def test_the_stream_ends_when_the_process_does(
    settings: Settings, http: httpx2.AsyncClient, ours: bool
) -> None:
    dictated = Dictated()
    async with site(settings, http, [dictated], topics=[Counter()], ours=ours) as served:
        await served.begin("t1", "a")
        async with served.stream({"t1": None}, {"counter": None}) as stream:
            await stream.next()
            draining = asyncio.create_task(served.node.drain())
            await stream.rest()
            await draining
        refused = await served.ask({"topics": {"counter": None}})
        assert refused.status_code == 503
