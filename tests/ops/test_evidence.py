"""The audit as files that prove themselves, and what belongs to a customer: exported, and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
import redis.asyncio

from a2a_streaming.archive import Story, read_story
from a2a_streaming.archive.shelves import digest_of
from a2a_streaming.auth import authenticator
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.belongings import Keeper
from a2a_streaming.caller import DEMO_HEADER, Role
from a2a_streaming.chain import Verified, verify
from a2a_streaming.errors import Unavailable
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.ops import Operations, evidence
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.sla import Breach, Facts, Limit
from a2a_streaming.task import Json, State
from agents import Scripted, stubborn
from auth.signing_in import Asking, Customer, Front
from conftest import serving
from streams import message, request
from tasks import log_of, until


class Ledger:
    """Keeps a line for each customer beside their tasks."""

    name = "ledger"

    def __init__(self) -> None:
        self.lines = {"ann": "owes 7", "bob": "owes 9"}
        self.asked: list[str] = []

    async def export(self, owner: str) -> Sequence[tuple[str, Json]]:
        return [("line", {"text": self.lines[owner]})] if owner in self.lines else []

    def check(self) -> None:
        pass

    async def erase(self, owner: str, tasks: Sequence[str]) -> Mapping[str, int]:
        self.asked += tasks
        return {"line": 1} if self.lines.pop(owner, None) else {}


ANN = {DEMO_HEADER: "ann"}
"""How a demo customer asks."""


@asynccontextmanager
async def desk(
    settings: Settings,
    http: httpx2.AsyncClient,
    *keepers: Keeper,
    agent: Any = None,
    **changed: Any,
) -> AsyncIterator[Front]:
    """A server whose callers sign in, with the operators' API."""
    changed = {"auth_keys": True, **changed}
    node = Node([agent or Asking()], settings.model_copy(update=changed))
    routes = Operations(node, keepers).routes()
    async with serving(node_app(node, {"": node.agents[0]}, more=routes)) as served:
        yield Front(node, served.url, http)


async def fetched(who: Customer, path: str, status: int = 200, **asked: str) -> bytes:
    answer = await who.http.get(f"{who.url}{path}", params=asked, headers=who.headers)
    assert answer.status_code == status, answer.text
    return answer.content


async def exported(who: Customer, path: str, **asked: str) -> Verified:
    """An export, which is whole."""
    return verify((await fetched(who, path, 200, **asked)).splitlines(keepends=True))


def of_kind(told: Verified, kind: str) -> list[Any]:
    return [entry for entry in told.entries if entry["kind"] == kind]


async def stored_of(front: Front, owner: str) -> list[str]:
    return [task for _, task in await front.node.manager.index.tasks([("owner", owner)])]


async def test_a_tasks_story_is_told_with_who_has_looked_at_it_and_its_head_is_noted(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with desk(settings, http) as front:
        ann, boss = await front.customer("ann"), await front.customer("boss", Role.OPERATOR)
        await ann.begins("t1", "my card is 4242 4242 4242 4242")
        [stored] = await stored_of(front, "ann")
        await fetched(boss, f"/ops/api/tasks/{stored}")
        told = await exported(boss, f"/audit/tasks/{stored}")
        log = await log_of(front.node.manager, stored)
        assert [one["position"] for one in of_kind(told, "event")] == [
            str(event.position) for event in log
        ]
        header = told.entries[0]
        assert (header["id"], header["owner"], header["agent"]) == (stored, "ann", "asking")
        assert [(one["actor"], one["does"]) for one in of_kind(told, "access")] == [
            ("boss", "get"),
            ("boss", "audit"),
        ]
        assert b"4242" not in orjson.dumps(told.entries)
        assert b"[card number]" in orjson.dumps(told.entries)

        async def is_noted() -> bool:
            return f"head {told.head}" in [one[-1] for one in await front.audit()]

        await until(is_noted)
        # Its owner is told what they said, and not who works here.
        own = await exported(ann, "/audit/tasks/t1")
        assert b"4242 4242 4242 4242" in orjson.dumps(own.entries)
        assert of_kind(own, "access") == []
        assert of_kind(own, "event")[1:] == of_kind(told, "event")[1:]
        bob = await front.customer("bob")
        await fetched(bob, "/audit/tasks/t1", 404)
        await fetched(bob, f"/audit/tasks/{stored}", 404)
        await fetched(boss, "/audit/tasks/nothing", 404)
        await fetched(boss, "/audit/tasks/a%20b", 400)


async def test_the_trail_is_told_from_an_entry_on_to_operators_alone(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    async with desk(settings, http) as front:
        ann, boss = await front.customer("ann"), await front.customer("boss", Role.OPERATOR)
        for name in ("t1", "t2", "t3"):
            await ann.begins(name)
        for stored in await stored_of(front, "ann"):
            await fetched(boss, f"/ops/api/tasks/{stored}")
        told = await exported(boss, "/audit/trail")
        assert [one["does"] for one in told.entries] == ["get", "get", "get", "audit"]
        rest = await exported(boss, "/audit/trail", after=told.entries[1]["id"])
        assert rest.entries[:2] == told.entries[2:]
        await fetched(boss, "/audit/trail", 400, after="yesterday")
        for path in ("/audit/trail", "/ops/api/customer?owner=bob"):
            await fetched(ann, path, 403)
        refused = await ann.post({"owner": "bob"}, "/ops/api/customer/erase")
        assert refused.status_code == 403


async def test_an_archived_file_is_checked_like_an_export_and_its_task_is_told(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    async with desk(settings, http, archive_url=f"file://{tmp_path}") as front:
        ann, boss = await front.customer("ann"), await front.customer("boss", Role.OPERATOR)
        await ann.begins("t1", "go")
        [stored] = await stored_of(front, "ann")
        meta = front.node.manager.keys.meta(stored)
        await until(lambda: raw.hexists(meta, "archived"))
        digest = digest_of(stored)
        file = tmp_path / "tasks" / digest[:2] / f"{digest}.jsonl"
        flag: Any = await raw.hget(meta, "archived")
        head = flag.decode()
        assert verify(file.read_bytes().splitlines(keepends=True), head=head).head == head
        story, header = read_story(file.read_bytes())
        assert (story.id, story.owner, header["kind"]) == (stored, "ann", "task")
        await raw.delete(*front.node.manager.keys.task(stored)[:5])
        told = await exported(boss, f"/audit/tasks/{stored}")
        assert len(of_kind(told, "event")) == len(story.events)
        # Operators see it as they see those in Redis, and are noted likewise.
        one = f"/ops/api/tasks/{stored}"
        seen = orjson.loads(await fetched(boss, one))
        assert (seen["meta"]["owner"], seen["meta"]["flags"]) == ("ann", ["archived"])
        page = orjson.loads(await fetched(boss, f"{one}/events", size="2"))
        rest = orjson.loads(await fetched(boss, f"{one}/events", after=page["next"]))
        positions = [event["position"] for event in [*page["events"], *rest["events"]]]
        assert positions == [str(position) for position, _ in story.events]
        whole = await fetched(boss, f"{one}/events.jsonl")
        assert len(whole.splitlines()) == len(positions)
        assert of_kind(told, "access")[-1]["does"] == "audit"
        assert of_kind(await exported(ann, "/audit/tasks/t1"), "snapshot") != []


async def test_archived_tasks_are_listed_page_by_page_of_all_or_of_one_owner(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    async with desk(settings, http, archive_url=f"file://{tmp_path}", auth_keys=False) as front:
        archive = front.node.archive
        assert archive is not None
        for n in range(7):
            task: Json = {
                "id": f"t{n}",
                "status": {"state": "TASK_STATE_COMPLETED", "timestamp": "2026-01-02T00:00:00Z"},
                "history": [{"role": "ROLE_USER", "parts": [{"text": f"words {n}"}]}],
            }
            owner, agent = ("ann", "bob")[n % 2], "asking"
            story = Story(
                f"t{n}", owner, agent, "c1", "1.0", State.COMPLETED, 1000, task, Position(9, n + 1)
            )
            await archive.put(story, days=n % 3 + 1)

        async def listed(**asked: str) -> list[str]:
            """All pages' tasks."""
            found: list[str] = []
            token = ""
            while True:
                path = f"{front.url}/ops/api/tasks"
                answer = await http.get(path, params={"archived": "true", **asked, "token": token})
                page = answer.json()
                assert answer.status_code == 200, page
                found += [f"{row['id']} {row['text']}" for row in page["tasks"]]
                if (token := page["next"]) is None:
                    return found

        everybody = [f"t{n} words {n}" for n in range(7)]
        all_of_them = await listed(size="2")
        assert sorted(all_of_them) == everybody
        assert [int(one[1]) % 3 for one in all_of_them] == [0, 0, 0, 1, 1, 2, 2]  # the next to go
        assert sorted(await listed(owner="ann", size="3")) == everybody[::2]
        assert await listed(q="WORDS 4", unchanged="60") == ["t4 words 4"]
        assert await listed(state="failed", size="1") == []
        for wrong in ({"silent": "true"}, {"token": "../../x"}, {"archived": "perhaps"}):
            asked = {"archived": "true", **wrong}
            answer = await http.get(f"{front.url}/ops/api/tasks", params=asked)
            assert answer.status_code == 400


async def test_all_that_belongs_to_a_customer_is_exported_and_nothing_of_another(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    async with desk(settings, http, Ledger(), archive_url=f"file://{tmp_path}") as front:
        boss = await front.customer("boss", Role.OPERATOR)
        manager = front.node.manager
        for name in ("ann", "bob"):
            who = await front.customer(name)
            await who.begins("live", f"{name}'s secret")
            await who.begins("done", "go")
        tasks = await stored_of(front, "ann")
        done = next(task for task in tasks if task.startswith("done"))
        await until(lambda: raw.hexists(manager.keys.meta(done), "archived"))
        await raw.delete(*manager.keys.task(done)[:5])  # only the archive has it
        told = await exported(boss, "/ops/api/customer", owner="ann")
        assert told.entries[0]["owner"] == "ann"
        assert {one["id"] for one in of_kind(told, "task")} == set(tasks)
        assert [one["record"] for one in of_kind(told, "record")] == [{"text": "owes 7"}]
        assert [one["role"] for one in of_kind(told, "key")] == ["customer"]
        assert "export customer" in [one["does"] for one in of_kind(told, "access")]
        text = orjson.dumps(told.entries)
        assert b"ann's secret" in text
        assert b"bob" not in text
        await fetched(boss, "/ops/api/customer", 400)
        await fetched(boss, "/ops/api/customer", 400, owner="")


async def test_all_that_belongs_to_a_customer_is_deleted_and_the_audit_names_them_no_more(
    settings: Settings,
    http: httpx2.AsyncClient,
    raw: redis.asyncio.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authenticator, "KEYS_FRESH", 0.0)  # as if its time were over already
    ledger = Ledger()
    async with desk(settings, http, ledger, archive_url=f"file://{tmp_path}") as front:
        boss = await front.customer("boss", Role.OPERATOR)
        manager = front.node.manager
        ann, bob = await front.customer("ann-42"), await front.customer("bob")
        ledger.lines["ann-42"] = "owes 8"
        for who in (ann, bob):
            await who.begins("waits")
            await who.begins("done", "go")
            await who.begins("old", "go")
        tasks = await stored_of(front, "ann-42")
        for task in tasks:
            if not task.startswith("waits"):
                await until(lambda task=task: raw.hexists(manager.keys.meta(task), "archived"))
            await fetched(boss, f"/ops/api/tasks/{task}")
        done, old = (next(t for t in tasks if t.startswith(name)) for name in ("done", "old"))
        await has_an_alert_and_a_dead_letter(manager, raw, done)
        await raw.delete(*manager.keys.task(old)[:5])
        others = {key async for key in raw.scan_iter(match="*bob*")}
        told = await boss.post(
            {"owner": "ann-42", "reason": "they asked for it"}, "/ops/api/customer/erase"
        )
        assert told.status_code == 200, told.text
        outcome = told.json()
        assert outcome["tasks"] == 3
        assert outcome["archived"] in (2, 3)  # what waited has ended, and was archived or not
        assert outcome["keys"] == 1
        assert outcome["records"] == {"ledger": {"line": 1}}
        assert sorted(ledger.asked) == sorted(tasks)
        assert "bob" in ledger.lines

        # Nothing in Redis names them, nor any of their tasks, once workers have seen that there is nothing to do.
        async def is_clean() -> bool:
            said = repr([await content(raw, key) async for key in raw.scan_iter(count=1000)])
            keys = repr([key async for key in raw.scan_iter(count=1000)])
            return not any(one in said + keys for one in ("ann-42", *tasks))

        await until(is_clean)
        await until(lambda: asyncio.to_thread(lambda: b"ann-42" not in files_of(tmp_path)))
        assert {key async for key in raw.scan_iter(match="*bob*")} == others
        assert (await ann.post(request("tasks/get", "waits", None))).status_code == 401
        assert (await bob.asks("tasks/get", {}, id="waits"))["result"]["id"] == "waits"

        # What was done stays, under a name that nobody has.
        trail = await exported(boss, "/audit/trail")
        entries = [one for one in trail.entries if one.get("owner") == outcome["alias"]]
        assert {one["does"] for one in entries} == {"get", "erase customer", "erased customer"}
        assert {one["actor"] for one in entries} == {"boss"}
        assert {one["task"] for one in entries if one["does"] == "get"} == {"erased"}
        assert entries[-1]["reason"] == "they asked for it"
        assert all(one["at"] > 1_700_000_000_000 for one in entries)

        # Asked again there is nothing left.
        again = (await boss.post({"owner": "ann-42"}, "/ops/api/customer/erase")).json()
        assert (again["tasks"], again["archived"], again["keys"]) == (0, 0, 0)


async def has_an_alert_and_a_dead_letter(
    manager: RedisManager, raw: redis.asyncio.Redis, task: str
) -> None:
    """As if it had waited for too long, and a webhook of its had been given up."""
    breach = Breach(
        Limit(name="slow", measure="total", seconds={"normal": 1}),
        since=1,
        allowed=1,
        number=0,
        deadline=2,
    )
    await manager.alerts.raise_once(task, breach, Facts("asking"), actions=["notify", "cancel"])
    [alert] = await manager.alerts.page(size=9)
    await manager.alerts.done(alert.id, "notify", "sent")
    await raw.hset(manager.keys.push(task), "dead:hook", "{}")  # pyright: ignore[reportGeneralTypeIssues]
    await raw.zadd(manager.keys.dead_letters, {f"{task} hook": 1})
    await raw.expire(manager.keys.push(task), 99)
    await raw.expire(manager.keys.dead_letters, 99)


class Failing(Ledger):
    """Can't be reached at first."""

    async def erase(self, owner: str, tasks: Sequence[str]) -> Mapping[str, int]:
        first = not self.asked
        told = await super().erase(owner, tasks)
        if first:  # it did it, and its answer was lost
            raise Unavailable("The ledger is away.")
        return told


async def test_a_deletion_that_was_broken_off_goes_on_and_still_knows_which_tasks_there_were(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    ledger = Failing()
    async with desk(settings, http, ledger, auth_keys=False) as front:
        keys = front.node.manager.keys
        for name in ("t1", "t2"):
            asked = request("tasks/send", name, message("go"))
            await http.post(f"{front.url}/", json=asked, headers=ANN)
        tasks = await stored_of(front, "ann")
        url = f"{front.url}/ops/api/customer/erase"
        broken = await http.post(url, json={"owner": "ann"})
        assert broken.status_code == 503
        assert await stored_of(front, "ann") == []
        assert await raw.exists(keys.erasing("ann"), keys.erased("ann")) == 2
        told = (await http.post(url, json={"owner": "ann"})).json()
        assert told["tasks"] == 2
        assert sorted(ledger.asked) == sorted([*tasks, *tasks])
        assert not await raw.exists(keys.erasing("ann"), keys.erased("ann"))
        entries = [one async for one in front.node.manager.audit.trail()]
        did = [one.fields["does"] for one in entries if one.fields["owner"] == told["alias"]]
        assert did == ["erase customer", "erased customer"]


async def test_a_deletion_that_takes_longer_than_a_request_may_says_how_far_it_is_until_all_is_done(
    settings: Settings,
    http: httpx2.AsyncClient,
    raw: redis.asyncio.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evidence, "PATIENCE", 0.0)
    async with desk(settings, http, Ledger(), auth_keys=False) as front:
        of_ann = front.node.manager.keys.index("owner", "ann")
        await raw.zadd(of_ann, {f"t{n}": n for n in range(100)})  # as expired tasks leave it
        await raw.expire(of_ann, 99)
        said: list[tuple[int, str, int, int]] = []
        while True:
            answer = await http.post(f"{front.url}/ops/api/customer/erase", json={"owner": "ann"})
            told = answer.json()
            if answer.status_code == 200:
                break
            said.append((answer.status_code, told["at"], told["left"], told["tasks"]))
        assert said == [
            *((202, "tasks", left, 100 - left) for left in (68, 36, 4)),
            *((202, "alerts", left, 100) for left in (68, 36, 4)),
            *((202, "audit", 0, 100) for _ in range(2)),  # what was redacted is looked at once more
        ]
        assert (told["tasks"], told["records"]) == (100, {"ledger": {"line": 1}})


def files_of(archive: Path) -> bytes:
    """All that an archive's files say."""
    return b"".join(file.read_bytes() for file in archive.rglob("*") if file.is_file())


async def content(raw: redis.asyncio.Redis, key: bytes) -> Any:
    """All that a key holds."""
    match await raw.type(key):
        case b"stream":
            return await raw.xrange(key)
        case b"zset":
            return await raw.zrange(key, 0, -1)
        case b"hash":
            return await raw.hgetall(key)  # pyright: ignore[reportGeneralTypeIssues]
        case b"list":
            return await raw.lrange(key, 0, -1)  # pyright: ignore[reportGeneralTypeIssues]
        case _:
            return await raw.get(key)


async def test_a_run_of_a_customer_who_is_deleted_is_stopped_and_writes_no_more(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()
    agent = Scripted(stubborn(began, let_go))
    async with desk(
        settings, http, agent=agent, auth_keys=False, lease_seconds=1.0, cancel_seconds=0.2
    ) as front:
        asking = http.post(
            f"{front.url}/", json=request("tasks/send", "t1", message("hang")), headers=ANN
        )
        sending = asyncio.create_task(asking)
        await began.wait()
        [stored] = await stored_of(front, "ann")
        told = await http.post(f"{front.url}/ops/api/customer/erase", json={"owner": "ann"})
        assert told.json()["tasks"] == 1
        let_go.set()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await front.node.drain()
        for key in front.node.manager.keys.task(stored)[:5]:
            assert not await raw.exists(key)


@pytest.mark.parametrize("body", [{}, {"owner": 7}, {"owner": ""}, {"owner": "a", "reason": 7}, []])
async def test_who_is_to_be_deleted_must_be_said(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, body: Any
) -> None:
    async with desk(settings, http, auth_keys=False) as front:
        url = f"{front.url}/ops/api/customer/erase"
        assert (await http.post(url, json=body)).status_code == 400
