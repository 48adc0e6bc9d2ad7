"""What an owner may ask of a process: requests in a time, and streams held open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming import create_app
from a2a_streaming.caller import ANYBODY, Caller
from a2a_streaming.errors import TooManyRequests, Unavailable
from a2a_streaming.metrics import LIMITS
from a2a_streaming.node import Node
from a2a_streaming.quotas import Quotas
from a2a_streaming.settings import Settings
from agents import Patient
from conftest import serving
from keyholders import signed_in
from streams import message, request
from tasks import until

V1 = {"A2A-Version": "1.0"}


@dataclass
class Limited:
    """A server with limits, and its customers."""

    url: str
    node: Node
    agent: Patient
    mia: httpx2.AsyncClient
    tom: httpx2.AsyncClient


@asynccontextmanager
async def limited(settings: Settings, **changed: Any) -> AsyncIterator[Limited]:
    agent = Patient()
    wanted = settings.model_copy(update={"auth_keys": True, **changed})
    app = create_app(agent, settings=wanted)
    node: Node = app.state.node
    async with (
        serving(app) as served,
        signed_in(node, "mia") as mia,
        signed_in(node, "tom") as tom,
    ):
        try:
            yield Limited(served.url, node, agent, mia, tom)
        finally:
            agent.gate.set()


def sending(text: str, message_id: str = "m1") -> dict[str, Any]:
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": text}]}
    return {"message": said}


def call(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "my id", "method": method, "params": params}


def streams(url: str, task: str, text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """A stream of every kind: method, address, and the rest of the request."""
    said = sending(text, f"m-{task}")
    old = {"kind": "message", "messageId": f"o-{task}", "role": "user"}
    part = {"kind": "text", "text": text}
    first = call("tasks/sendSubscribe", {"id": f"{task}-new", "message": message(text)})
    v03 = call("message/stream", {"message": {**old, "parts": [part]}})
    rest = [("POST", f"{url}/v1/message:stream", {"json": said, "headers": V1})]
    return [
        ("POST", url, {"json": first}),
        ("POST", url, {"json": v03}),
        ("POST", url, {"json": call("SendStreamingMessage", said)}),
        *rest,
        *following(url, task),
    ]


def following(url: str, task: str) -> list[tuple[str, str, dict[str, Any]]]:
    """A stream of every kind that follows a task."""
    return [
        ("POST", url, {"json": call("tasks/resubscribe", {"id": task})}),
        ("POST", url, {"json": call("tasks/follow", {"tasks": [{"id": task}]})}),
        ("POST", url, {"json": call("SubscribeToTask", {"id": task})}),
        ("POST", f"{url}/tasks/resubscribe", {"json": call("tasks/resubscribe", {"id": task})}),
        ("GET", f"{url}/v1/tasks/{task}:subscribe", {"headers": V1}),
        ("GET", f"{url}/tasks/resubscribe?id={task}", {}),
    ]


async def opened(
    stack: AsyncExitStack, http: httpx2.AsyncClient, asking: tuple[str, str, dict[str, Any]]
) -> httpx2.Response:
    """A stream that has begun, as soon as there is a place for it."""
    method, url, rest = asking

    async def begun() -> httpx2.Response | None:
        streaming = http.stream(method, url, **rest)
        response = await streaming.__aenter__()
        if response.status_code == 429:
            await streaming.__aexit__(None, None, None)
            return None
        stack.push_async_exit(streaming)
        assert response.status_code == 200, await response.aread()
        return response

    response = await until(begun)
    assert response is not None
    return response


async def begin(of: Limited, http: httpx2.AsyncClient, task: str, text: str = "wait") -> None:
    """Begin a task of the first dialect, without a stream."""
    sent = of.node.settings.send_seconds
    assert sent < 1
    answer = await http.post(of.url, json=request("tasks/send", task, message(text)))
    assert answer.json()["result"]["id"] == task


# Requests


async def test_more_requests_than_the_rate_are_refused_in_each_protocols_words(
    settings: Settings,
) -> None:
    async with limited(settings, limit_rate="3/hour") as of:
        for _ in range(3):
            answer = await of.mia.post(of.url, json=call("ListTasks", {}))
            assert answer.status_code == 200
        for method in ("ListTasks", "SendStreamingMessage", "tasks/get", "message/send"):
            answer = await of.mia.post(of.url, json=call(method, {"id": "t1"}))
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 3600
            told = answer.json()
            assert (told["id"], told["error"]["code"]) == ("my id", -31429)
            assert "3" in told["error"]["data"]["detail"]
            assert told["error"]["data"]["retryAfterSeconds"] > 0
        for path in ("tasks", "tasks/t1", "message:send"):
            rest = await of.mia.get(f"{of.url}/v1/{path}", headers=V1)
            assert rest.status_code == 429
            assert int(rest.headers["retry-after"]) > 0
            assert rest.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
        source = await of.mia.get(f"{of.url}/tasks/resubscribe?id=t1")
        token = await of.mia.post(f"{of.url}/auth/ticket", json={"id": "t1"})
        assert [source.status_code, token.status_code] == [429, 429]
        # Others aren't concerned, nor is what needs no owner.
        assert (await of.tom.post(of.url, json=call("ListTasks", {}))).status_code == 200
        assert (await of.mia.get(f"{of.url}/.well-known/agent-card.json")).status_code == 200
        assert (await of.mia.get(f"{of.url}/healthz")).status_code == 200


async def test_requests_of_nobody_count_for_nobody(settings: Settings) -> None:
    async with (
        limited(settings, limit_rate="1/hour") as of,
        httpx2.AsyncClient(headers={"X-API-Key": "a2a_000000000000_nonsense"}) as thief,
    ):
        for _ in range(3):
            assert (await thief.post(of.url, json=call("ListTasks", {}))).status_code == 401
        assert (await of.mia.post(of.url, json=call("ListTasks", {}))).status_code == 200


async def test_without_authentication_nobody_is_limited(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    bare = settings.model_copy(update={"limit_rate": "1/hour", "limit_streams": 1})
    agent = Patient()
    async with serving(create_app(agent, settings=bare)) as served, AsyncExitStack() as stack:
        for asking in streams(served.url, "t1", "wait")[:4]:
            await opened(stack, http, asking)
        agent.gate.set()


# Streams


async def test_a_stream_beyond_the_limit_is_refused_and_begins_nothing(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with limited(settings, limit_streams=1, send_seconds=0.05) as of:
        await begin(of, of.mia, "t1")
        async with AsyncExitStack() as stack:
            await opened(stack, of.mia, following(of.url, "t1")[0])
            before = set(await raw.keys("task:*"))
            for method, url, rest in streams(of.url, "t1", "hello"):
                answer = await of.mia.request(method, url, **rest)
                assert answer.status_code == 429, (method, url)
                assert answer.headers["retry-after"] == "5"
                if "/v1/" not in url and method == "POST":
                    assert answer.json()["id"] == "my id"
            assert set(await raw.keys("task:*")) == before
            listed = await of.mia.post(of.url, json=call("ListTasks", {}))
            assert len(listed.json()["result"]["tasks"]) == 1
            await opened(stack, of.tom, streams(of.url, "t2", "hello")[0])


async def test_a_place_is_free_again_when_a_stream_has_ended(settings: Settings) -> None:
    async with limited(settings, limit_streams=1, send_seconds=0.05) as of:
        await begin(of, of.mia, "t1")
        asking = streams(of.url, "t1", "hello")
        of.agent.gate.set()
        for method, url, rest in asking:
            async with of.mia.stream(method, url, **rest) as response:
                assert response.status_code != 429, (url, rest)
                async for _ in response.aiter_bytes():
                    pass


async def test_a_place_is_free_again_when_a_client_has_left(settings: Settings) -> None:
    async with limited(settings, limit_streams=1, send_seconds=0.05) as of:
        await begin(of, of.mia, "t1")
        for asking in following(of.url, "t1"):
            async with AsyncExitStack() as stack:
                await opened(stack, of.mia, asking)


async def test_a_stream_that_cant_be_opened_holds_no_place(settings: Settings) -> None:
    async with limited(settings, limit_streams=1) as of:
        wrong = [
            *following(of.url, "none"),
            *following(of.url, "%00"),
            ("POST", of.url, {"json": call("SendStreamingMessage", {"message": 7})}),
            ("POST", of.url, {"json": call("message/stream", {})}),
            ("POST", of.url, {"json": call("tasks/sendSubscribe", {"id": "t1"})}),
            ("POST", of.url, {"json": call("tasks/follow", {"tasks": [{"id": "none"}] * 3})}),
            ("POST", f"{of.url}/v1/message:stream", {"json": {}, "headers": V1}),
        ]
        for method, url, rest in wrong:
            answer = await of.mia.request(method, url, **rest)
            assert answer.status_code != 429
            assert b"error" in answer.content
        async with AsyncExitStack() as stack:
            await opened(stack, of.mia, streams(of.url, "t1", "hello")[0])


async def test_streams_over_several_tasks_hold_one_place(settings: Settings) -> None:
    async with (
        limited(settings, limit_streams=1, send_seconds=0.05) as of,
        AsyncExitStack() as stack,
    ):
        for task in ("t1", "t2"):
            await begin(of, of.mia, task)
        both = call("tasks/follow", {"tasks": [{"id": "t1"}, {"id": "t2"}]})
        await opened(stack, of.mia, ("POST", of.url, {"json": both}))


# The counters themselves


class Clock:
    """Time that goes by when a test says so."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def counts(**limits: Any) -> tuple[Quotas, Clock]:
    clock = Clock()
    return Quotas(Settings(**limits), clock=clock), clock


def test_the_rate_begins_anew_when_its_time_is_over() -> None:
    quotas, clock = counts(limit_rate="2/minute")
    mia = Caller("mia")
    for _ in range(2):
        quotas.count_request(mia)
    clock.now += 50
    with pytest.raises(TooManyRequests) as refused:
        quotas.count_request(mia)
    assert refused.value.retry_after == 10
    clock.now += refused.value.retry_after
    quotas.count_request(mia)


def test_counters_whose_time_is_over_are_thrown_away() -> None:
    quotas, clock = counts(limit_rate="1/minute")
    held = quotas._limiter.storage
    most = 0
    for minute in range(10):
        clock.now += 61
        for at in range(9_000):
            quotas.count_request(Caller(f"{minute}-{at}"))
        most = max(most, len(vars(held)["_counts"]))
    assert most <= 20_000


@given(
    st.lists(st.tuples(st.sampled_from(["mia", "tom", "a/b", "a", ""]), st.booleans()), max_size=40)
)
def test_places_are_counted_for_each_owner_alone(steps: list[tuple[str, bool]]) -> None:
    quotas, _ = counts(limit_streams=2)
    held: dict[str, list[Callable[[], None]]] = {}
    for owner, opens in steps:
        mine = held.setdefault(owner, [])
        caller = Caller(owner) if owner else ANYBODY
        if not opens and mine:
            mine.pop()()
        elif opens and owner and len(mine) == 2:
            with pytest.raises(TooManyRequests):
                quotas.open_stream(caller)
        elif opens:
            mine.append(quotas.open_stream(caller))
    for close in [close for closes in held.values() for close in closes]:
        close()
    assert not quotas._streams  # owners that hold none aren't remembered


# Limits of a process, of bytes, of open tasks, and of sign-ins


def limited_by(metrics: str) -> dict[str, float]:
    """What a process has refused, by limit."""
    return {
        line.split('"')[1]: float(line.rsplit(" ", 1)[1])
        for line in metrics.splitlines()
        if line.startswith("a2a_limited_total{")
    }


async def refused_by(of: Limited, limit: str) -> float:
    """How often a limit has refused something; this process' metrics outlive its servers."""
    answer = await of.mia.get(f"{of.url}/metrics")
    return limited_by(answer.text).get(limit, 0.0)


async def test_more_open_tasks_than_the_limit_are_refused_until_some_have_ended(
    settings: Settings,
) -> None:
    async with limited(settings, limit_tasks=2, send_seconds=0.05) as of:
        before = await refused_by(of, "tasks")
        for task in ("t1", "t2"):
            await begin(of, of.mia, task)
        await until(partial(_has_open, of, "mia", 2))
        for body in (
            request("tasks/send", "t3", message("wait")),
            call("SendMessage", sending("wait", "m3")),
        ):
            answer = await of.mia.post(of.url, json=body)
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "30"
            assert "A2A_LIMIT_TASKS" in answer.json()["error"]["data"]["detail"]
        await begin(of, of.mia, "t1")  # what is there already is joined
        await begin(of, of.tom, "t3")
        assert await refused_by(of, "tasks") == before + 2
        of.agent.gate.set()

        async def has_room() -> bool:
            answer = await of.mia.post(of.url, json=request("tasks/send", "t4", message("hello")))
            return answer.status_code == 200

        await until(has_room)


async def _has_open(of: Limited, owner: str, count: int) -> bool:
    return await of.node.manager.index.active(owner) == count


async def test_more_bytes_than_the_limit_are_refused(settings: Settings) -> None:
    async with limited(settings, limit_bytes=3000) as of:
        before = await refused_by(of, "bytes")
        large = request("tasks/get", "t1", note="x" * 2000)
        assert (await of.mia.post(of.url, json=large)).status_code == 200
        answer = await of.mia.post(of.url, json=large)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert "3000 bytes a minute" in answer.json()["error"]["data"]["detail"]
        assert (await of.tom.post(of.url, json=large)).status_code == 200
        assert await refused_by(of, "bytes") == before + 1


async def test_a_process_that_is_full_sends_clients_to_another_one(settings: Settings) -> None:
    async with limited(
        settings, limit_process_streams=1, limit_process_rate="6/hour", send_seconds=0.05
    ) as of:
        await begin(of, of.mia, "t1")
        async with AsyncExitStack() as stack:
            await opened(stack, of.mia, following(of.url, "t1")[0])
            full = await of.tom.post(of.url, json=streams(of.url, "t2", "hello")[2][2]["json"])
            assert full.status_code == 503
            assert full.headers["retry-after"] == "5"
            assert "another one may serve you" in full.json()["error"]["data"]["detail"]
        answers = [await of.tom.post(of.url, json=call("ListTasks", {})) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
        assert answers[-1].headers["retry-after"] == "1"
        assert await refused_by(of, "process_streams") >= 1
        assert await refused_by(of, "process_rate") >= 1


async def test_bodies_that_are_being_sent_have_a_limit_together(settings: Settings) -> None:
    async with limited(settings, limit_process_bytes=1000) as of:
        going_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"t1","x":"'
            yield b"x" * 800
            await going_on.wait()
            yield b'"}}'

        sent = asyncio.create_task(of.mia.post(of.url, content=slow()))
        await until(lambda: _holds(of, 800))
        large = request("tasks/get", "t1", note="x" * 500)
        assert (await of.tom.post(of.url, json=large)).status_code == 503
        going_on.set()
        assert (await sent).status_code == 200
        assert (await of.tom.post(of.url, json=large)).status_code == 200
        assert of.node.quotas.bodies.held == 0
        assert await refused_by(of, "process_bytes") >= 1


async def _holds(of: Limited, size: int) -> bool:
    return of.node.quotas.bodies.held >= size


async def test_an_address_from_which_sign_ins_fail_is_refused_but_for_who_was_there_before(
    settings: Settings,
) -> None:
    async with limited(settings, limit_sign_ins="3/hour") as of:
        assert (await of.mia.post(of.url, json=call("ListTasks", {}))).status_code == 200
        async with httpx2.AsyncClient(timeout=20) as thief:
            for _ in range(3):
                headers = {"X-API-Key": "a2a_000000000000_nonsense"}
                tried = await thief.post(of.url, json=call("ListTasks", {}), headers=headers)
                assert tried.status_code == 401
            headers = {"X-API-Key": "a2a_000000000001_nonsense"}
            tried = await thief.post(of.url, json=call("ListTasks", {}), headers=headers)
            assert tried.status_code == 429
            assert "sign-ins" in tried.json()["error"]["data"]["detail"]
            assert int(tried.headers["retry-after"]) > 0
            rest = await thief.get(f"{of.url}/v1/tasks", headers=V1 | headers)
            assert rest.status_code == 429
            assert (await thief.post(of.url, json=call("ListTasks", {}))).status_code == 401
        assert (await of.mia.post(of.url, json=call("ListTasks", {}))).status_code == 200
        assert (await of.tom.post(of.url, json=call("ListTasks", {}))).status_code == 429
        assert await refused_by(of, "sign_ins") >= 3


def beyond_of_process() -> dict[str, Callable[[], object]]:
    """What goes beyond each limit that a process counts by itself."""
    one, mia = "1/hour", Caller("mia")
    limits = {f"limit_{name}": one for name in ("rate", "process_rate", "sign_ins")}
    sizes = {
        f"limit_{name}": 1 for name in ("bytes", "process_bytes", "streams", "process_streams")
    }

    def only(name: str) -> Quotas:
        return counts(**{name: {**limits, **sizes}[name]})[0]

    def twice(do: Callable[[], object]) -> None:
        do()
        do()

    def read(quotas: Quotas) -> None:
        with quotas.bodies.reading() as reading:
            reading(2)

    def sign_in(quotas: Quotas) -> None:
        quotas.sign_ins.check("::1", "a key")
        quotas.sign_ins.failed("::1")

    return {
        "rate": partial(twice, partial(only("limit_rate").count_request, mia)),
        "bytes": partial(only("limit_bytes").count_request, mia, 2),
        "streams": partial(twice, partial(only("limit_streams").open_stream, mia)),
        "sign_ins": partial(twice, partial(sign_in, only("limit_sign_ins"))),
        "process_rate": partial(twice, partial(only("limit_process_rate").count_request, ANYBODY)),
        "process_streams": partial(
            twice, partial(only("limit_process_streams").open_stream, ANYBODY)
        ),
        "process_bytes": partial(read, only("limit_process_bytes")),
    }


async def test_every_limit_has_a_setting_a_default_a_clear_error_and_a_count(
    settings: Settings,
) -> None:
    """Walks the table, and goes beyond each."""
    table = (Path(__file__).parents[2] / "docs" / "authentication.md").read_text()
    told = dict(re.findall(r"^\| `A2A_(\w+)` \|.*\| `(\w+)` \|$", table, re.MULTILINE))
    assert told == {setting.upper(): limit for limit, setting in LIMITS.items()}
    assert all(getattr(Settings.model_fields[name], "default", 0) for name in LIMITS.values())
    small = {
        "limit_tasks": 2,
        "inbox_limit": 2,
        "push_limit": 1,
        "max_body_bytes": 2000,
        "push_private": True,
    }
    async with limited(settings, **small, max_runs=1, send_seconds=0.05) as of:
        before = {limit: await refused_by(of, limit) for limit in LIMITS}
        for limit, go_beyond in beyond_of_process().items():
            with pytest.raises((TooManyRequests, Unavailable), match=r"[a-z]+ .*\.") as refused:
                go_beyond()
            assert refused.value.retry_after, limit
        await begin(of, of.mia, "t1")
        await begin(of, of.mia, "t2")  # the agent has as many runs as it may: this one waits
        await until(partial(_has_open, of, "mia", 2))
        await of.mia.post(of.url, json=request("tasks/send", "t1", message("one")))

        def hook(name: str) -> Any:
            config = {"id": name, "taskId": "t1", "url": "http://127.0.0.1:9/hook"}
            return call("CreateTaskPushNotificationConfig", config)

        assert (await of.mia.post(of.url, json=hook("first"))).status_code == 200
        beyond = {
            "tasks": (request("tasks/send", "t3", message("wait")), 429, "A2A_LIMIT_TASKS"),
            "body": (request("tasks/get", "t1", note="x" * 3000), 413, "A2A_MAX_BODY_BYTES"),
            "inbox": (request("tasks/send", "t1", message("two")), 200, "2 messages waiting"),
            "webhooks": (hook("second"), 200, "A2A_PUSH_LIMIT"),
        }
        for limit, (body, status, words) in beyond.items():
            answer = await of.mia.post(of.url, json=body)
            assert (answer.status_code, words in answer.text) == (status, True), answer.text
            assert "error" in answer.json(), limit
        after = {limit: await refused_by(of, limit) for limit in LIMITS}
        assert [limit for limit in LIMITS if after[limit] <= before[limit]] == []
