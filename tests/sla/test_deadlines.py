"""Tasks that exceed their limits: found by whichever process looks, raised once, and something is done about it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming import Run, agent_card
from a2a_streaming.alerting import DeadlineWatch, Doing
from a2a_streaming.alerting.watch import RAISED
from a2a_streaming.backbone.alerts import Alert
from a2a_streaming.caller import ANYBODY, Caller, Role
from a2a_streaming.event import text_part
from a2a_streaming.http.app import node_app
from a2a_streaming.intervening import Interventions
from a2a_streaming.ops import Operations
from a2a_streaming.settings import Settings
from a2a_streaming.sla import Waiting
from a2a_streaming.task import State
from agents import Desk, Scripted, hangs, working
from conftest import serving
from tasks import lifetimes, meta_of, now_ms, until

SECRET = "a secret of more than twenty-four bytes"  # noqa: S105


def limited(settings: Settings, tmp_path: Path, text: str, **changed: Any) -> Settings:
    """Settings with limits, and leases that don't lapse in a test: nothing happens by itself."""
    file = tmp_path / "sla.toml"
    file.write_text(text)
    told = {"sla": str(file), "sla_secret": SecretStr(SECRET), "lease_seconds": 60.0}
    return settings.model_copy(update={**told, "beat_seconds": 0.2, **changed})


def limit(measure: str, seconds: Any = 60, **more: Any) -> str:
    told = {"name": f"{measure} limit", "measure": measure, "seconds": seconds, **more}
    return "[[limits]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in told.items())


async def age(desk: Desk, seconds: float = 100, task: str = "t1") -> None:
    """Let a task be older than it is, and let it be looked at."""
    key = desk.manager.keys.meta(task)
    meta = await meta_of(desk.raw, desk.manager, task)
    for field in ("created", "since"):
        if field in meta:
            await desk.raw.hset(key, field, str(int(meta[field]) - int(seconds * 1000)))
    await looked_at(desk, task)


async def looked_at(desk: Desk, task: str = "t1") -> None:
    """Let a task be looked at now, if it is to be looked at at all."""
    await desk.raw.zadd(desk.manager.keys.due, {task: 0}, xx=True)


async def listed(desk: Desk) -> dict[str, float]:
    """Tasks that are to be looked at, and when, ms since 1970."""
    found: Any = await desk.raw.zrange(desk.manager.keys.due, 0, -1, withscores=True)
    return {task.decode(): at for task, at in found}


async def raised(desk: Desk) -> list[Alert]:
    return await desk.manager.alerts.page(size=100)


async def is_working(desk: Desk, task: str = "t1") -> None:
    await desk.until(State.WORKING, task=task)
    await is_listed(desk, task)


async def is_listed(desk: Desk, task: str) -> None:
    """Wait until it is noted when a task is to be looked at."""

    async def is_noted() -> bool:
        return task in await listed(desk)

    await until(is_noted)


async def can_escalate(desk: Desk) -> None:
    """Wait until the processes' word is out whose agents hand over, and which agents there are."""

    async def is_said() -> bool:
        nodes = await desk.manager.nodes.alive()
        return any(node["escalates"] for node in nodes)

    await until(is_said)


async def says_nothing(run: Run) -> None:
    if run.text == "quick":
        await run.complete("done")
    else:
        await run.working("thinking")
        await hangs(run)


# What is raised


async def test_a_task_that_works_for_too_long_is_raised_once_whoever_looks(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working", agents=["scripted"]))
    async with (
        working(limits, raw, says_nothing, role="worker") as desk,
        working(limits, raw, says_nothing, role="front") as other,
    ):
        await desk.send()
        await is_working(desk)
        counted = RAISED.labels("working limit", "working", "scripted")
        before = counted._value.get()
        one, two = DeadlineWatch(desk.manager), DeadlineWatch(other.manager)
        assert await one.look() == 0  # nothing is due
        await age(desk)
        assert await one.look() == 1
        await looked_at(desk)
        assert await two.look() == 1
        [alert] = await raised(desk)
        told = alert.to_json()
        assert told["task"] == "t1"
        assert (told["limit"], told["measure"], told["state"]) == (
            "working limit",
            "working",
            "working",
        )
        assert (told["seconds"], told["number"], told["acknowledged"]) == (60.0, 0, None)
        assert told["deadline"] == told["since"] + 60_000 <= told["at"]
        assert counted._value.get() == before + 1
        await lifetimes(raw)


async def test_a_process_that_dies_between_an_alert_and_the_next_deadline_raises_nothing_twice(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("total", repeats=2, repeat_seconds=3600))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        await desk.send()
        await is_working(desk)
        await age(desk)
        watch = DeadlineWatch(desk.manager)
        await watch.look()
        await looked_at(desk)  # as if what follows the alert had not been written
        await watch.look()
        assert [alert.about["number"] for alert in await raised(desk)] == [0]
        [at] = (await listed(desk)).values()
        assert at == (await raised(desk))[0].about["deadline"] + 3_600_000
        await age(desk, 7200)  # two repeats are due, and both weren't raised: the latest is
        meta = await meta_of(raw, desk.manager)
        # The same occasion, though the test has moved its beginning.
        await raw.rename(desk.manager.keys.raised("t1"), "before")
        await raw.hset(desk.manager.keys.raised("t1"), f"n:total limit@{meta['created']}", "0")
        await watch.look()
        assert [alert.about["number"] for alert in await raised(desk)] == [2, 0]


async def test_a_task_that_moves_on_in_time_is_never_raised_and_leaves_nothing(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    text = limit("first-event") + limit("total") + limit("input-required", 1000)
    limits = limited(settings, tmp_path, text)

    async def asks(run: Run) -> None:
        await (run.input_required("And?") if run.text == "hello" else run.complete("done"))

    async with working(limits, raw, asks, role="worker") as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        await age(desk, 59)
        await DeadlineWatch(desk.manager).look()
        assert await raised(desk) == []
        assert list(await listed(desk)) == ["t1"]
        await desk.send("done")
        await desk.until(State.COMPLETED)

        async def is_gone() -> bool:
            return not await listed(desk)

        await until(is_gone)


async def test_a_state_that_changes_while_somebody_looks_is_looked_at_anew(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working"))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        await desk.send()
        await is_working(desk)
        deadlines = desk.manager.deadlines
        [(facts, _)] = await deadlines.known(["t1"])
        await raw.hset(desk.manager.keys.meta("t1"), "since", "1000")  # another stay
        await deadlines.settle([("t1", facts, 2**50)])
        assert await listed(desk) == {"t1": 0}


async def test_without_limits_nothing_is_noted_of_tasks(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with working(settings, raw, says_nothing, role="worker") as desk:
        await desk.send("quick")
        await desk.until(State.COMPLETED)
        assert not await raw.keys("*sla*")


async def test_what_a_crash_left_out_the_sweep_puts_in(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("total") + limit("working", 10))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        await desk.send()
        await is_working(desk)
        before = await listed(desk)
        await raw.delete(desk.manager.keys.due)
        await desk.manager.sweep.page("scripted")
        meta = await meta_of(raw, desk.manager)
        assert await listed(desk) == {"t1": int(meta["since"]) + 10_000}
        assert before.keys() == {"t1"}
        await lifetimes(raw)


async def test_looking_costs_what_is_due_however_many_tasks_there_are(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working"))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        await desk.send()
        await is_working(desk)
        many: dict[str, float] = {f"other-{n}": 2.0**50 for n in range(20_000)}
        await raw.zadd(desk.manager.keys.due, many)
        await age(desk)
        watch = DeadlineWatch(desk.manager)
        before = await _calls(raw)
        assert await watch.look() == 1
        assert await watch.look() == 0
        made = await _calls(raw) - before
        assert made < 60, f"{made} commands for one task"


async def _calls(raw: redis.asyncio.Redis) -> int:
    stats: Any = await raw.info("commandstats")
    return sum(one["calls"] for name, one in stats.items() if not name.endswith("info"))


# Priorities


async def test_a_limit_for_urgent_tasks_is_for_those_alone_whose_metadata_say_so(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working").replace("60", "{ urgent = 60 }"))

    async def urgent(run: Run) -> None:
        metadata = {"priority": "urgent"} if run.text == "urgent" else {}
        await run.working("thinking", metadata=metadata)
        await hangs(run)

    async with working(limits, raw, urgent, role="worker") as desk:
        for task in ("urgent", "usual"):
            await desk.send(task, task=task)
            await desk.until_said("thinking", task)
            await is_working(desk, task)
            await age(desk, task=task)
        await DeadlineWatch(desk.manager).look()
        assert [alert.task for alert in await raised(desk)] == ["urgent"]
        assert (await raised(desk))[0].about["priority"] == "urgent"
        assert (await listed(desk))["usual"] > await now_ms(raw)


@pytest.mark.parametrize(
    ("caller", "allowed", "given"),
    [
        (ANYBODY, "normal", "normal"),
        (Caller("mia"), "high", "high"),
        (Caller("mia"), "urgent", "urgent"),
        (Caller("mia", Role.SERVICE, actor="intent"), "normal", "urgent"),
        (Caller("", Role.OPERATOR), "normal", "urgent"),
    ],
)
async def test_customers_give_their_tasks_no_higher_priority_than_they_may(
    settings: Settings, raw: redis.asyncio.Redis, caller: Caller, allowed: str, given: str
) -> None:
    bound = settings.model_copy(update={"client_priority": allowed})
    async with working(bound, raw, says_nothing, role="front") as desk:
        for task, asked, got in (("t1", "urgent", given), ("t2", "low", "low")):
            await desk.service.send(
                [text_part("hello")],
                caller=caller,
                task_id=task,
                context=None,
                task_metadata={"priority": asked, "more": 1},
                dialect="0.1",
            )
            told = await desk.service.get(task, caller=caller)
            assert told["metadata"] == {"priority": got, "more": 1}


# Waits for a person


async def test_who_waits_for_a_person_is_raised_once_and_again_until_somebody_comes(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("human", 60, repeats=9, repeat_seconds=10))

    async def hands_over(run: Run) -> None:
        state = "waiting" if run.text == "hello" else "claimed"
        told = {"handover": {"ticket": "T-1", "reason": "asked", "state": state, "open": True}}
        await run.input_required("A person comes", metadata=told)

    async with working(limits, raw, hands_over, role="worker") as desk:
        await desk.send()
        await desk.until(State.INPUT_REQUIRED)
        since = await now_ms(raw) - 65_000
        waiting = Waiting("T-1", since, since + 60_000, "high")
        watch = DeadlineWatch(desk.manager)
        for _ in range(2):  # whoever finds it in the book says so, and may die behind that
            await desk.manager.deadlines.wait("t1", waiting)
            await watch.look()
            await looked_at(desk)
        [alert] = await raised(desk)
        assert (alert.about["ticket"], alert.about["priority"]) == ("T-1", "high")
        await raw.hset(
            desk.manager.keys.raised("t1"), "human", json.dumps({"ticket": "T-1", "since": since - 30_000, "due": 0, "priority": "high"})
        )  # fmt: skip
        await raw.hset(desk.manager.keys.raised("t1"), f"n:human limit@{since - 30_000}", "0")
        await looked_at(desk)
        await watch.look()
        assert [one.about["number"] for one in await raised(desk)] == [3, 0]
        await desk.send("claimed")

        async def is_claimed() -> bool:
            metadata = (await desk.get())["metadata"]
            return metadata["handover"]["state"] == "claimed"

        await until(is_claimed)
        await raw.hset(desk.manager.keys.raised("t1"), f"n:human limit@{since - 30_000}", "0")
        await looked_at(desk)
        await watch.look()
        assert len(await raised(desk)) == 2
        assert await raw.hget(desk.manager.keys.raised("t1"), "human") is None


# What is done


class Handing(Scripted):
    """Works for ever, but in another attempt; hands over what it is asked to."""

    card = agent_card("scripted")

    def __init__(self) -> None:
        super().__init__(says_nothing)

    async def run(self, run: Run) -> None:
        if run.attempt > 1:
            await run.complete(f"attempt {run.attempt}")
        else:
            await super().run(run)

    async def escalate(self, run: Run, reason: str) -> None:
        await run.input_required(f"a person comes: {reason}")


class Hanging(Handing):
    """Works for ever, in whichever attempt."""

    async def run(self, run: Run) -> None:
        await says_nothing(run)


@asynccontextmanager
async def doing(desk: Desk) -> AsyncIterator[None]:
    does = Doing(desk.manager, desk.node.feeds)
    await does.start()
    try:
        yield
    finally:
        await does.stop()


@pytest.mark.parametrize(
    ("does", "state", "outcome"),
    [
        ("retry", State.COMPLETED, "revoked"),
        ("cancel", State.CANCELED, "canceled"),
        ("escalate", State.INPUT_REQUIRED, "asked"),
    ],
)
async def test_something_is_done_about_a_task_that_takes_too_long(
    settings: Settings,
    raw: redis.asyncio.Redis,
    tmp_path: Path,
    does: str,
    state: State,
    outcome: str,
) -> None:
    limits = limited(settings, tmp_path, limit("working", actions=[does]))
    async with working(limits, raw, Handing(), role="worker") as desk, doing(desk):
        await desk.send()
        await is_working(desk)

        await can_escalate(desk)
        await age(desk)
        await DeadlineWatch(desk.manager).look()
        await desk.until(state)

        async def is_done() -> Any:
            [alert] = await raised(desk)
            return alert.to_json()["actions"][does]

        assert (await until(is_done))["outcome"] == outcome
        entries: Any = await raw.xrange("audit")
        assert [(e[b"actor"], e[b"does"].decode()) for _, e in entries] == [(b"(sla)", does)]


class Specialist(Scripted):
    """Hands nothing over."""

    card = agent_card("specialist")


async def test_for_a_specialist_who_hands_nothing_over_the_agent_does_for_whom_it_works(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    text = limit("working", actions=["escalate"], agents=["specialist"])
    limits = limited(settings, tmp_path, text)
    async with (
        working(limits, raw, Handing(), role="worker") as desk,
        working(limits, raw, Specialist(says_nothing), role="worker") as other,
        doing(desk),
    ):
        await desk.send(task="parent")
        await other.node.service("specialist").send(
            [text_part("look for it")],
            caller=ANYBODY,
            task_id="child",
            context=None,
            message_metadata={"parent": {"task": "parent"}},
            dialect="0.1",
        )
        await desk.until_said("thinking", "parent")
        await is_listed(desk, "child")
        await can_escalate(desk)
        await age(desk, task="child")
        await DeadlineWatch(desk.manager).look()
        await desk.until(State.INPUT_REQUIRED, task="parent")

        async def is_done() -> Any:
            [alert] = await raised(desk)
            return alert.did.get("escalate")

        assert (await until(is_done))["outcome"] == "asked: parent"


async def test_what_was_exceeded_while_nobody_looked_is_acted_on_when_somebody_does(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    text = limit("total", actions=["cancel"], repeats=5, repeat_seconds=1)
    limits = limited(settings, tmp_path, text)
    async with working(limits, raw, says_nothing, role="worker") as desk, doing(desk):
        await desk.send()
        await is_working(desk)
        await age(desk, 3600)
        await DeadlineWatch(desk.manager).look()
        await desk.until(State.CANCELED)
        [alert] = await raised(desk)
        assert alert.about["number"] == 5


async def test_nothing_is_done_to_a_task_that_has_moved_on_meanwhile_nor_what_cant_be(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working", actions=["escalate"]))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        for task in ("t1", "t2"):
            await desk.send(task=task)
            await is_working(desk, task)
            await age(desk, task=task)
        await DeadlineWatch(desk.manager).look()
        await desk.cancel("t1")
        async with doing(desk):

            async def outcomes() -> Any:
                told = {one.task: one.did.get("escalate") for one in await raised(desk)}
                return told if all(told.values()) else None

            told = await until(outcomes)
        assert told["t1"]["outcome"] == "not needed any more"
        assert told["t2"]["outcome"].startswith("refused: The agent 'scripted' hands nothing over")


async def test_what_a_process_had_to_do_that_died_another_one_does(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = limited(settings, tmp_path, limit("working", actions=["cancel"]))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        await desk.send()
        await is_working(desk)
        await age(desk)
        await DeadlineWatch(desk.manager).look()
        [(alert, does)] = await desk.manager.alerts.claim(seconds=60, count=10)
        assert await desk.manager.alerts.claim(seconds=60, count=10) == []
        await raw.zadd(desk.manager.keys.to_do, {f"{alert} {does}": 0})  # it holds it no more
        async with doing(desk):
            await desk.until(State.CANCELED)


@pytest.mark.parametrize("does", ["retry", "escalate"])
async def test_what_a_process_did_that_died_before_it_said_so_isnt_done_again(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path, does: str
) -> None:
    limits = limited(settings, tmp_path, limit("total", actions=[does]))
    async with working(limits, raw, Hanging(), role="worker") as desk:
        await desk.send()
        await is_working(desk)
        await can_escalate(desk)
        await age(desk)
        await DeadlineWatch(desk.manager).look()
        [(alert, _)] = await desk.manager.alerts.claim(seconds=60, count=10)
        dies = Interventions(desk.manager, desk.node.feeds)
        meta = desk.manager.keys.meta("t1")
        epoch = await raw.hget(meta, "epoch")  # pyright: ignore[reportGeneralTypeIssues]
        if does == "retry":
            await dies.retry("t1", asked=alert)
            await until(lambda: _differs(raw, meta, epoch))
        else:
            await dies.escalate("t1", by="(sla)", reason="too long", asked=alert)
            await desk.until(State.INPUT_REQUIRED)
        await until(lambda: _is_released_or_held(raw, meta, held=does == "retry"))
        after = await raw.hgetall(meta)  # pyright: ignore[reportGeneralTypeIssues]
        await raw.zadd(desk.manager.keys.to_do, {f"{alert} {does}": 0})  # it holds it no more
        async with doing(desk):

            async def is_done() -> Any:
                [one] = await raised(desk)
                return one.did.get(does)

            assert (await until(is_done))["outcome"] == "done before"
        again = await raw.hgetall(meta)  # pyright: ignore[reportGeneralTypeIssues]
        assert {k: again.get(k) for k in (b"epoch", b"escalate", b"state")} == {
            k: after.get(k) for k in (b"epoch", b"escalate", b"state")
        }


async def _differs(raw: redis.asyncio.Redis, meta: str, epoch: Any) -> bool:
    return await raw.hget(meta, "epoch") != epoch  # pyright: ignore[reportGeneralTypeIssues]


async def _is_released_or_held(raw: redis.asyncio.Redis, meta: str, *, held: bool) -> bool:
    return bool(await raw.hexists(meta, "holder")) is held  # pyright: ignore[reportGeneralTypeIssues]


# The webhook


class Receiver:
    """A webhook that fails at first."""

    def __init__(self) -> None:
        self.failing = 1
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refused: list[str] = []

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        if self.failing:
            self.failing -= 1
            self.refused.append(request.headers["webhook-id"])
            return Response(status_code=503)
        self.taken.append((dict(request.headers), body))
        return Response(status_code=204)


async def test_the_webhook_is_told_signed_and_told_again_until_it_takes_it(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    receiver = Receiver()
    app = Starlette(routes=[Route("/hook", receiver.__call__, methods=["POST"])])
    async with serving(app) as served:
        text = f'[webhook]\nurl = "{served.url}/hook"\n' + limit("working")
        limits = limited(settings, tmp_path, text)
        async with working(limits, raw, says_nothing, role="worker") as desk, doing(desk):
            await desk.send()
            await is_working(desk)
            await age(desk)
            await DeadlineWatch(desk.manager).look()

            async def is_tried() -> bool:
                return bool(receiver.refused)

            await until(is_tried)

            async def is_taken() -> Any:
                [alert] = await raised(desk)
                if alert.tried:  # it is tried again at once, not in a second
                    await raw.zadd(desk.manager.keys.to_do, {f"{alert.id} notify": 0}, xx=True)
                return alert.to_json()["actions"]["notify"]

            assert (await until(is_taken))["outcome"] == "delivered"
            [(headers, body)] = receiver.taken
            [alert] = await raised(desk)
            assert headers["webhook-id"] == alert.id == receiver.refused[0]
            told = json.loads(body)
            assert told["type"] == "sla.exceeded"
            assert told["data"]["task"] == "t1"
            assert told["data"]["limit"] == "working limit"
            signed = f"{alert.id}.{headers['webhook-timestamp']}.".encode() + body
            digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
            assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


# Operators


async def test_operators_see_alerts_page_by_page_and_who_acknowledged_them(
    settings: Settings, raw: redis.asyncio.Redis, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    limits = limited(settings, tmp_path, limit("total", repeats=5, repeat_seconds=1))
    async with working(limits, raw, says_nothing, role="worker") as desk:
        app = node_app(desk.node, {}, owns_node=False, more=Operations(desk.node).routes())
        async with serving(app) as served:
            for n in range(5):
                await desk.send(task=f"t{n}")
                await is_working(desk, f"t{n}")
                await age(desk, task=f"t{n}")
            watch = DeadlineWatch(desk.manager)
            await watch.look()

            async def get(path: str, status: int = 200, **asked: Any) -> Any:
                answer = await http.get(f"{served.url}/ops/api/{path}", params=asked)
                assert answer.status_code == status, answer.text
                return answer.json()

            async def tasks(**asked: Any) -> list[str]:
                found: list[str] = []
                token = ""
                while True:
                    page = await get("alerts", token=token, size=2, **asked)
                    found += [alert["task"] for alert in page["alerts"]]
                    if page["next"] is None:
                        return found
                    token = page["next"]

            everything = await tasks()
            assert sorted(everything) == [f"t{n}" for n in range(5)]
            first = (await get("alerts"))["alerts"][0]
            url = f"{served.url}/ops/api/alerts/{first['id']}/acknowledge"
            seen = await http.post(url, json={"reason": "on it"})
            assert seen.json()["acknowledged"]["at"] >= first["at"]
            assert (await http.post(url)).json() == seen.json()
            assert sorted(await tasks(open="true")) == sorted(set(everything) - {first["task"]})
            summary = await get("summary")
            assert summary["alerts"]["open"] == 4
            assert summary["alerts"]["latest"][0]["id"] == first["id"]
            # Nobody is reminded of it any more.
            known: Any = await raw.hkeys(desk.manager.keys.raised(first["task"]))
            assert f"a:total limit@{first['since']}".encode() in known
            missing = await http.post(f"{served.url}/ops/api/alerts/1-1/acknowledge")
            assert missing.status_code == 404
            await get("alerts", 400, token="later")  # noqa: S106 - no password
            await get("alerts", 400, open="perhaps")
