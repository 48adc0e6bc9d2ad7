"""Streams under strain: many tasks on one connection, browsers, clients that don't read, a drain."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.http.server import config
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from conftest import Served, serving
from processes import started
from streams import called, frames, message, states
from tasks import until

QUESTION = "Which one?"


class Talker(Agent):
    """Says as much as it is asked for."""

    card = agent_card("talker")

    async def run(self, run: Run) -> None:
        if run.text == "ask":
            await run.input_required(QUESTION)
            return
        count, _, size = run.text.partition("x")
        async with run.artifact("talk") as talk:
            for n in range(int(count)):
                await talk.write(f"{n} ".ljust(int(size or 1), "-"))
        await run.complete()


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(create_app(Talker(), settings=settings)) as running:
        yield running


async def follow(
    http: httpx2.AsyncClient, url: str, cursors: dict[str, str | None], enough: int
) -> list[tuple[str, str]]:
    """Ids and data of so many events of several tasks."""
    tasks = [{"id": task, **({"after": after} if after else {})} for task, after in cursors.items()]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/follow", "params": {"tasks": tasks}}
    decoder, seen = Decoder(), []
    async with http.stream("POST", f"{url}/", json=body) as response:
        async for chunk in response.aiter_raw():
            seen += [(told.id, told.data) for told in decoder.feed(chunk)]
            if len(seen) >= enough:
                break
    return seen


async def test_a_watcher_follows_several_tasks_with_one_cursor_each(
    served: Served, http: httpx2.AsyncClient
) -> None:
    url = f"{served.url}/"
    stories = {
        task: await called(http, url, "tasks/sendSubscribe", task, message(text))
        for task, text in {"a": "3", "b": "ask", "c": "2"}.items()
    }
    count = sum(map(len, stories.values()))
    seen = await follow(http, served.url, dict.fromkeys(stories), count)
    for task, story in stories.items():
        own = [entry for entry in seen if entry[0].startswith(f"{task}@")]
        assert [entry[0].removeprefix(f"{task}@") for entry in own] == [f.id for f in story]

    # It comes back with its cursors; what waits for its customer goes on live.
    cursors: dict[str, str | None] = {
        "a": stories["a"][1].id,
        "b": stories["b"][-1].id,
        "c": stories["c"][-1].id,
    }
    rest = len(stories["a"]) - 2
    following = asyncio.create_task(follow(http, served.url, cursors, rest + 4))
    more = await called(http, url, "tasks/sendSubscribe", "b", message("1"))
    seen = await following
    assert [i for i, _ in seen if i.startswith("a@")] == [f"a@{f.id}" for f in stories["a"][2:]]
    assert [i for i, _ in seen if i.startswith("b@")] == [f"b@{f.id}" for f in more]
    assert not [i for i, _ in seen if i.startswith("c@")]


async def test_following_an_unknown_task_is_refused_and_a_foreign_cursor_is_reset(
    served: Served, http: httpx2.AsyncClient
) -> None:
    url = f"{served.url}/"
    await called(http, url, "tasks/sendSubscribe", "a", message("1"))
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/follow"}
    answer = await http.post(url, json={**body, "params": {"tasks": [{"id": "a"}, {"id": "zzz"}]}})
    assert answer.json()["error"]["code"] == -32001
    answer = await http.post(url, json={**body, "params": {"tasks": []}})
    assert answer.json()["error"]["code"] == -32602
    seen = await follow(http, served.url, {"a": "123-4"}, 1)
    assert json.loads(seen[0][1])["metadata"]["reset"]["reason"] == "forked"


async def test_an_event_source_gets_the_story_and_is_told_when_to_stop(
    served: Served, http: httpx2.AsyncClient
) -> None:
    told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("3"))
    url = f"{served.url}/tasks/resubscribe"
    response = await http.get(url, params={"id": "t1"})
    assert re.findall(r"^id: (.*)$", response.text, re.MULTILINE) == [frame.id for frame in told]
    response = await http.get(url, params={"id": "t1"}, headers={"Last-Event-ID": told[1].id})
    assert re.findall(r"^id: (.*)$", response.text, re.MULTILINE) == [
        frame.id for frame in told[2:]
    ]
    response = await http.get(url, params={"id": "t1"}, headers={"Last-Event-ID": told[-1].id})
    assert response.status_code == 204
    response = await http.get(url, params={"id": "nobody"})
    assert response.json()["error"]["code"] == -32001


async def test_a_client_that_reads_nothing_is_closed_and_slows_nobody(
    settings: Settings, http: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    impatient = settings.model_copy(update={"stall_seconds": 2.0})
    app = create_app(Talker(), settings=impatient)
    async with serving(app, config=config) as served:
        url = f"{served.url}/"
        told = await called(http, url, "tasks/sendSubscribe", "t1", message("400x20000"))
        stalled = _stalled_watcher(served.url, "t1")
        try:
            again = await called(http, url, "tasks/resubscribe", "t1")
            assert frames(again) == frames(told)

            async def closed() -> bool:
                return "reads nothing" in caplog.text

            await until(closed)
            shown = (await http.get(f"{served.url}/metrics")).text
            assert 'a2a_streams_closed_total{reason="stalled"}' in shown
        finally:
            stalled.close()


async def test_a_slow_client_misses_nothing(served: Served, http: httpx2.AsyncClient) -> None:
    url = f"{served.url}/"
    told = await called(http, url, "tasks/sendSubscribe", "t1", message("200x20000"))
    slow = _stalled_watcher(served.url, "t1")
    await called(http, url, "tasks/resubscribe", "t1")  # meanwhile others are served
    reader, writer = await asyncio.open_connection(sock=slow)
    raw = await reader.read()
    writer.close()
    assert re.findall(r"^id: (.*)$", _body(raw), re.MULTILINE) == [frame.id for frame in told]


def _body(raw: bytes) -> str:
    """The body of a chunked response."""
    rest, body = raw.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body.decode()


def _stalled_watcher(url: str, task: str) -> socket.socket:
    """A connection that asks for a story and doesn't read it."""
    host, _, port = url.removeprefix("http://").partition(":")
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect((host, int(port)))
    request = (
        f"GET /tasks/resubscribe?id={task} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    stalled.sendall(request.encode())
    return stalled


async def test_a_stalled_clients_server_lets_go_of_its_connection(settings: Settings) -> None:
    impatient = settings.model_copy(update={"stall_seconds": 0.2})
    app = create_app(Talker(), settings=impatient)
    async with serving(app, config=config) as served, httpx2.AsyncClient(timeout=20) as http:
        await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("400x20000"))
        stalled = _stalled_watcher(served.url, "t1")
        stalled.setblocking(False)
        try:

            async def aborted() -> bool:
                try:
                    return stalled.send(b"x") < 0
                except BlockingIOError:
                    return False
                except (ConnectionResetError, BrokenPipeError):
                    return True

            await until(aborted)
        finally:
            stalled.close()


async def test_a_signal_ends_a_thousand_streams_at_once(
    tmp_path: Path, raw: redis.asyncio.Redis, settings: Settings
) -> None:
    with started(
        *("serve", "apps.greeting:GreetingAgent"),
        data_dir=tmp_path / "data",
        A2A_REDIS_URL=settings.redis_url,
    ) as up:
        async with httpx2.AsyncClient(timeout=20) as http:
            await called(http, f"{up.url}/", "tasks/sendSubscribe", "t1", message("ask"))
        host, port = up.url.removeprefix("http://").split(":")
        watchers = [await asyncio.open_connection(host, int(port)) for _ in range(1000)]
        for _, writer in watchers:
            writer.write(b"GET /tasks/resubscribe?id=t1 HTTP/1.1\r\nhost: localhost\r\n\r\n")

        async def all_watch() -> bool:
            return await raw.zcard("subscriptions:{t1}") == 1000

        await until(all_watch, 40)
        began = time.monotonic()
        up.process.send_signal(signal.SIGTERM)
        ended = await asyncio.gather(*(reader.read() for reader, _ in watchers))
        assert await asyncio.to_thread(up.process.wait, 20) == 0
        took = time.monotonic() - began
        for _, writer in watchers:
            writer.close()
    assert all(told.endswith(b"0\r\n\r\n") for told in ended)
    assert took < 10, "the goal is 2 s; this only notices a hang"
    assert await raw.zcard("subscriptions:{t1}") == 0


async def test_states_are_told_in_metrics_and_readiness(
    served: Served, http: httpx2.AsyncClient
) -> None:
    told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("1"))
    assert states(told)[-1] == "completed"
    shown = (await http.get(f"{served.url}/metrics")).text
    assert "a2a_deliveries_total" in shown
    assert "a2a_streams_open" in shown
    assert (await http.get(f"{served.url}/healthz")).text == "alive\n"
    assert (await http.get(f"{served.url}/readyz")).text == "ready\n"
