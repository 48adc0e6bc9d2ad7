"""What crashes leave behind goes away: of processes that are killed, and of tasks that are forgotten."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import redis.asyncio

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Failing, Noted, Webhook
from a2a_streaming.settings import Settings
from processes import started
from streams import asked, message, streaming
from tasks import accepted, connected, everything, now_ms, offer, until

APP = ("serve", "apps.overseen:OverseenAgent")


async def consumers(raw: redis.asyncio.Redis) -> set[str]:
    """The workers of the agent's group."""
    found: Any = await raw.xinfo_consumers("work:overseen", "workers")
    return {one["name"].decode() for one in found}


async def test_what_killed_processes_leave_behind_goes_away_by_itself(
    http: httpx2.AsyncClient,
    settings: Settings,
    raw: redis.asyncio.Redis,
    redis_url: str,
    tmp_path: Path,
) -> None:
    told: dict[str, Any] = {
        "A2A_REDIS_URL": redis_url,
        "A2A_BEAT_SECONDS": "0.1",
        "A2A_LEASE_SECONDS": "0.5",
        "A2A_WATCHER_SECONDS": "2",
        # What has ended is forgotten at once; its lists are kept for longer.
        "A2A_HISTORY_TTL": "1",
        "A2A_SNAPSHOT_TTL": "1",
    }
    names: set[str] = set()
    for n in range(2):
        with started(*APP, data_dir=tmp_path / "data", **told) as server:
            await asked(http, f"{server.url}/", "tasks/send", f"done-{n}", message("done"))
            async with streaming(
                http, f"{server.url}/", "tasks/sendSubscribe", f"hang-{n}", message("hang")
            ) as story:
                async for frame in story:
                    if frame.data.get("status", {}).get("state") == "working":
                        break
                await until(partial(raw.zcard, f"subscriptions:{{hang-{n}}}"))
                assert server.process.poll() is None
                server.process.send_signal(signal.SIGKILL)
                server.process.wait(10)
        names |= await consumers(raw)
    assert len(names) == 2
    assert await raw.zcard("index:nodes") == 2
    assert await raw.zcard("index:owner:") == 4
    # They have been silent for long; nobody waits for that here.
    for name in names:
        await raw.zadd("index:nodes", {name: await now_ms(raw) - 40_000})
    with started(*APP, data_dir=tmp_path / "data", A2A_JANITOR_SECONDS="0.1", **told) as server:

        async def goes_on() -> bool:
            """What hung is done, by the process that is there, and forgotten after its time."""
            return not [key async for key in raw.scan_iter("task:*")]

        async def is_clean() -> bool:
            lists = [
                key
                async for key in raw.scan_iter("index:*")
                if key not in (b"index:nodes", b"index:agents")
            ]
            watchers = [key async for key in raw.scan_iter("subscriptions:*")]
            dead = names & await consumers(raw)
            listed: Any = await raw.zrange("index:nodes", 0, -1)
            nodes = names & {name.decode() for name in listed}
            return not (lists or watchers or dead or nodes)

        await until(goes_on)
        await until(is_clean)
        metrics = (await http.get(f"{server.url}/metrics")).text
    counts = {
        line.split('"')[1]: float(line.rsplit(" ", 1)[1])
        for line in metrics.splitlines()
        if line.startswith("a2a_janitor_cleaned_total{")
    }
    assert counts["workers"] == 2
    assert counts["nodes"] == 2
    assert counts["tasks"] >= 4


async def test_a_whole_walk_leaves_what_is_in_use_as_it_is(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        for n in range(3):
            await accepted(manager, f"t{n}")
            await manager.index.open("echo", f"t{n}")
        work = manager.work("echo")
        await work.prepare()
        await work.hint("t0")
        await work.next("somebody", 1)
        await work.aclose()
        await manager.subscriptions.change(come=[("t0", "n/1")])
        before = await everything(raw)
        assert not any((await manager.janitor.whole()).values())
        assert await everything(raw) == before


async def test_forgotten_tasks_leave_every_list_in_bounded_rounds(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    count = 3_000
    async with connected(settings) as manager:
        kept = await accepted(manager, "kept")
        assert kept.code == "CREATED"
        lists = [
            "index:owner:anna",
            "index:agent:echo",
            "index:state:echo:completed",
            "index:context:c1",
        ]
        for name in lists:
            await raw.zadd(name, {f"gone-{n}": n for n in range(count)} | {"kept": count})
            await raw.expire(name, 1000)
        rounds = 0
        cleaned = 0
        while cleaned < count * len(lists):
            found = await manager.janitor.round()
            assert found["tasks"] <= 20 * 700  # ZSCAN gives about as many as it is asked for
            cleaned += found["tasks"]
            rounds += 1
            assert rounds < 20
        assert cleaned == count * len(lists)
        for name in lists:
            assert await raw.zrange(name, 0, -1) == [b"kept"]


async def test_keys_that_lost_their_lifetime_get_one_and_those_of_others_dont(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        await accepted(manager)
        await raw.persist("task:{t1}:meta")
        await raw.set("theirs", "1")
        await raw.set("audit", "a name of ours, and another type")
        facts = await manager.health.keys(1000)
        assert set(facts.named) == {"audit", "task:{t1}:meta"}
        assert (await manager.janitor.whole())["keys"] == 1
        assert await raw.ttl("task:{t1}:meta") > 0
        assert await raw.ttl("theirs") == await raw.ttl("audit") == -1


async def test_one_process_cleans_up_and_another_when_it_has_gone(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as one, connected(settings) as other:
        assert await one.janitor.elect("one")
        assert not await other.janitor.elect("other")
        assert await one.janitor.elect("one")
        await other.janitor.resign("other")
        assert not await other.janitor.elect("other")
        await one.janitor.resign("one")
        assert await other.janitor.elect("other")
        await raw.delete("janitor")  # its time was over
        assert await one.janitor.elect("one")


async def test_a_dead_workers_hints_are_given_to_others(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    quick: dict[str, Any] = {"lease_seconds": 0.01, "beat_seconds": 0.01}
    async with connected(settings, **quick) as manager:
        work = manager.work("echo")
        await manager.inbox.accept(offer("t1"))
        await work.prepare()
        await work.hint("t1")
        assert [hint.task_id for hint in await work.next("dead", 1)] == ["t1"]

        async def is_removed() -> bool:
            return (await manager.janitor.whole())["workers"] == 1

        await until(is_removed)
        assert [hint.task_id for hint in await work.next("alive", 5)] == ["t1"]
        found: Any = await raw.xinfo_consumers("work:echo", "workers")
        assert [one["name"] for one in found] == [b"alive"]
        await work.aclose()


async def test_an_owners_open_tasks_are_counted_right_again(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        await _owned(manager, "t1")
        await raw.zadd("index:active:anna", {"t1": 1, "ended": 1, "gone": 1})
        await raw.expire("index:active:anna", 100)
        await _owned(manager, "ended")
        await raw.hset("task:{ended}:meta", "terminal", "1")
        assert (await manager.janitor.whole())["tasks"] == 2
        assert await raw.zrange("index:active:anna", 0, -1) == [b"t1"]
        assert await manager.index.active("anna") == 1


async def _owned(manager: RedisManager, task: str) -> None:
    await manager.inbox.accept(offer(task, owner="anna"))


async def test_webhooks_and_dead_letters_whose_lists_were_lost_are_on_them_again(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager:
        keys = manager.keys
        config = {"url": "https://example.com/hook"}
        for task in ("open", "behind", "told"):
            await accepted(manager, task)
            last: Any = await raw.hget(keys.meta(task), "last")
            told = "" if task == "behind" else last.decode()
            await manager.webhooks.put(Webhook(task, "hook", config, "1.0", told))
            if task != "open":
                await raw.hset(keys.meta(task), "terminal", "1")  # pyright: ignore[reportGeneralTypeIssues]
        gone = Webhook("open", "gone", config, "1.0")
        await manager.webhooks.put(gone)
        await manager.webhooks.take("open", "somebody")
        [kept] = [one for one in await manager.webhooks.of_task("open") if one.id == "gone"]
        failing = Failing(1, 9, await now_ms(raw), "HTTP 503")
        assert await manager.webhooks.give_up(kept, "somebody", "", failing) is Noted.OK
        await manager.outbox.settle("told")
        assert not any((await manager.janitor.whole()).values())
        await raw.delete(keys.pushing, keys.dead_letters)
        cleaned = await manager.janitor.whole()
        assert cleaned["webhooks"] == 3
        assert sorted(await manager.outbox.claim(count=9)) == ["behind", "open"]
        letters, _ = await manager.letters.page("", 9)
        assert [(one.webhook.task_id, one.webhook.id) for one in letters] == [("open", "gone")]
        assert await raw.pttl(keys.dead_letters) > 0
