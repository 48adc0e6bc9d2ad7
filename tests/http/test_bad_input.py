"""What clients must not send, over real HTTP: a clear error, nothing stored, and the server lives on."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import httpx2
import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from a2a_streaming.sse import Message as Block
from conftest import serving
from tasks import until

METHODS = (
    "tasks/send",
    "tasks/sendSubscribe",
    "tasks/get",
    "tasks/cancel",
    "tasks/resubscribe",
    "tasks/follow",
    "tasks/pushNotification/set",
    "tasks/pushNotification/get",
)
LIMIT = 64 * 1024


class Scripted(Agent):
    """Says again what it is told; asks first if it is told to."""

    card = agent_card("scripted")

    async def run(self, run: Run) -> None:
        if run.text == "ask":
            await run.input_required("What else?")
            return
        await run.working(run.text)
        await run.attach("echo", *run.message["parts"])
        await run.complete(run.text)


Text: TypeAlias = str | bytes


def headers(position: Text | None, mode: Text | None) -> list[tuple[bytes, bytes]]:
    """The headers by which clients choose what a stream tells them."""
    named = {"Last-Event-ID": position, "A2A-Legacy-SSE": mode}
    return [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in named.items()
        if value is not None
    ]


class Server:
    """The server under test, and a look into what it has stored."""

    def __init__(self, url: str, client: httpx2.AsyncClient, raw: redis.asyncio.Redis) -> None:
        self.url = url
        self.client = client
        self.raw = raw

    async def post(
        self, body: Any, path: str = "/", *, position: Text | None = None, mode: Text | None = None
    ) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(
            f"{self.url}{path}", content=content, headers=headers(position, mode)
        )

    async def refuses(
        self, body: Any, path: str = "/", *, mode: Text | None = None
    ) -> dict[str, Any]:
        """Send what must be refused; return the error's answer, after the checks that hold for all."""
        before = await self.stored()
        response = await self.post(body, path, mode=mode)
        answer = checked(response)
        assert response.status_code == 200
        assert await self.stored() == before
        await self.lives()
        return answer

    async def watched_by_nobody(self) -> bool:
        """Whether every stream that has ended has given its claim back."""
        return not await self.raw.keys("subscriptions:*")

    async def lives(self) -> None:
        """The next request is served."""
        answer = (await self.post(call("tasks/get", id="nobody"))).json()
        assert answer["error"]["code"] == -32001

    async def does(self, text: str, task: str = "t1", **params: Any) -> dict[str, Any]:
        """Let the agent handle a message, and return the task."""
        response = await self.post(call("tasks/send", id=task, message=says(text), **params))
        return response.json()["result"]

    async def stream(
        self, body: Any, *, position: Text | None = None, mode: Text | None = None
    ) -> list[Block]:
        """A whole stream, to its end."""
        response = await self.post(body, position=position, mode=mode)
        assert response.headers["content-type"].startswith("text/event-stream"), response.text
        return Decoder().feed(response.content)

    async def stored(self) -> dict[str, Any]:
        """Everything that Redis holds for clients; an empty queue of work counts for nothing."""
        held: dict[str, Any] = {}
        for key in (name.decode() for name in cast("list[bytes]", await self.raw.keys("*"))):
            if key.startswith(("node:", "index:nodes", "index:agents")):
                continue  # that there is a process
            match await self.raw.type(key):
                case b"string":
                    held[key] = await self.raw.get(key)
                case b"hash":
                    held[key] = await self.raw.hgetall(key)
                case b"list":
                    held[key] = await self.raw.lrange(key, 0, -1)
                case b"zset":
                    held[key] = await self.raw.zrange(key, 0, -1, withscores=True)
                case b"stream":
                    held[key] = await self.raw.xrange(key)
                case kind:
                    assert kind == b"none", f"{key} is a {kind}"
        held = {key: value for key, value in held.items() if value}
        return {key: value for key, value in held.items() if not is_passing(key)}


def is_passing(key: str) -> bool:
    """Whether a key comes and goes by itself, some time after the answer; or tells of processes."""
    of_processes = ("format", "janitor", "node", "index:agents", "index:nodes")
    return key.startswith(("subscriptions:", "work:", "index:open:", *of_processes))


@asynccontextmanager
async def scripted(
    settings: Settings, client: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> AsyncIterator[Server]:
    settings = settings.model_copy(update={"max_body_bytes": LIMIT})
    async with serving(create_app(Scripted(), settings=settings)) as served:
        yield Server(served.url, client, raw)


@pytest.fixture
async def server(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> AsyncIterator[Server]:
    async with scripted(settings, http, raw) as server:
        yield server
        await until(server.watched_by_nobody)


def call(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "r1", "method": method, "params": params}


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": text}], **more}


def with_data(raw: bytes) -> bytes:
    """A message that is right but for this piece of its JSON."""
    return (
        b'{"jsonrpc":"2.0","id":"r1","method":"tasks/send","params":{"id":"t1","message":'
        b'{"role":"user","parts":[{"type":"data","data":{"x":%b}}]}}}' % raw
    )


def checked(response: httpx2.Response) -> dict[str, Any]:
    """A JSON-RPC error, as every client can read it; it says what to do."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert set(answer) == {"jsonrpc", "id", "error"}
    assert answer["jsonrpc"] == "2.0"
    error = answer["error"]
    assert set(error) == {"code", "message", "data"}
    assert error["message"]
    assert 20 < len(error["data"]["detail"]) < 3000
    return answer


# --- bodies ---

BODIES = {
    "empty": (b"", -32700, "no JSON"),
    "half": (b'{"jsonrpc":"2.0"', -32700, "no JSON"),
    "a form": (b"method=tasks/send&id=t1", -32700, "no JSON"),
    "invalid UTF-8": (with_data(b'"\xff\xfe"'), -32700, "UTF-8"),
    "UTF-16": (with_data(b'"x"').decode().encode("utf-16"), -32700, "UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf" + with_data(b'"x"'), -32700, "UTF-8"),
    "a lone surrogate": (with_data(b'"\\ud800"'), -32700, "surrogate"),
    "a bare NUL": (with_data(b'"\0"'), -32700, "no JSON"),
    "NaN": (with_data(b"NaN"), -32700, "no JSON"),
    "Infinity": (with_data(b"-Infinity"), -32700, "no JSON"),
    "1e400": (with_data(b"1e400"), -32600, "as a string"),
    "2^53+1": (with_data(b"9007199254740993"), -32600, "as a string"),
    "-2^60": (with_data(b"-1152921504606846976"), -32600, "as a string"),
    "a number of 400 digits": (with_data(b"9" * 400), -32600, "as a string"),
    "a number of 10,000 digits": (with_data(b"9" * 10_000), -32600, "as a string"),
    "arrays 100 deep": (with_data(b"[" * 100 + b"]" * 100), -32600, "flatter"),
    "objects 100 deep": (with_data(b'{"a":' * 100 + b"1" + b"}" * 100), -32600, "flatter"),
    "arrays 20,000 deep": (with_data(b"[" * 20_000 + b"]" * 20_000), -32600, "flatter"),
    "arrays that don't end": (b"[" * 20_000, -32600, "flatter"),
    "a batch": (json.dumps([call("tasks/get", id="t1")]).encode(), -32600, "one request"),
    "null": (b"null", -32600, "object"),
    "a string": (b'"tasks/get"', -32600, "object"),
    "no version": (b'{"id":"r1","method":"tasks/get","params":{"id":"t1"}}', -32600, '"2.0"'),
    "another version": (
        b'{"jsonrpc":"1.0","method":"tasks/get","params":{}}',
        -32600,
        '"2.0"',
    ),
    "no method": (b'{"jsonrpc":"2.0","id":"r1","params":{}}', -32600, '"method"'),
    "params in a list": (
        b'{"jsonrpc":"2.0","method":"tasks/get","params":["t1"]}',
        -32600,
        '"params"',
    ),
}


async def test_a_body_that_is_no_request_is_refused(
    server: Server, subtests: pytest.Subtests
) -> None:
    for name, (body, code, hint) in BODIES.items():
        with subtests.test(name):
            answer = await server.refuses(body)
            assert answer["error"]["code"] == code
            assert hint in answer["error"]["data"]["detail"]
    assert await server.stored() == {}


async def test_the_error_carries_the_requests_id_where_it_can_be_read(server: Server) -> None:
    for body in (
        {"id": "r1"},
        {"jsonrpc": "2.0", "id": "r1", "method": 1},
        call("no/such", id="t1"),
        call("tasks/get"),
        call("tasks/get", id="nobody"),
        call("tasks/get", id="t1", x=2**60),
    ):
        assert (await server.refuses(body))["id"] == "r1"
    assert (await server.refuses(b'{"id":"r1",'))["id"] is None
    assert (await server.refuses({"id": [1]}))["id"] is None


def sends(url: str, body: bytes | Iterable[bytes], *, chunked: bool) -> tuple[int, dict[str, Any]]:
    """Send a body as plainly as can be, and read the answer even if it comes before the body's end."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        headers = {"Transfer-Encoding": "chunked"} if chunked else {}
        with contextlib.suppress(OSError):  # the server may hang up when it has read enough
            connection.request("POST", "/", body, headers, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
async def test_a_body_over_the_limit_is_refused(
    server: Server, subtests: pytest.Subtests, chunked: bool
) -> None:
    for size in (LIMIT + 1, 2 * LIMIT, 100 * LIMIT):
        body = with_data(b'"%b"' % (b"x" * size))
        with subtests.test(size=size):
            status, answer = await asyncio.to_thread(
                sends, server.url, pieces(body) if chunked else body, chunked=chunked
            )
            assert status == 413
            assert answer["jsonrpc"] == "2.0"
            assert answer["id"] is None
            assert answer["error"]["code"] == -32600
            assert str(LIMIT) in answer["error"]["data"]["detail"]
            assert "A2A_MAX_BODY_BYTES" in answer["error"]["data"]["detail"]
            await server.lives()
    assert await server.stored() == {}


async def test_a_body_of_just_the_limit_is_served(server: Server) -> None:
    body = json.dumps(call("tasks/send", id="t1", message=says("hi"))).encode().ljust(LIMIT)
    for chunked in (False, True):
        status, answer = await asyncio.to_thread(
            sends, server.url, pieces(body) if chunked else body, chunked=chunked
        )
        assert status == 200
        assert answer["result"]["status"]["state"] == "completed"


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + with_data(b"1")
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await server.lives()
    assert await server.stored() == {}


# --- ids ---

BAD_IDS = {
    "empty": "",
    "a space": "my task",
    "spaces around": " t1 ",
    "braces": "t{1}",
    "an open brace": "{",
    "a closing brace": "}t1",
    "a newline": "t1\nid: 1-1",
    "a carriage return": "t1\r",
    "a NUL": "t\x001",
    "a tab": "t\t1",
    "a slash": "../t1",
    "wildcards": "t*[1]?",
    "quotes": "t'1\"",
    "an escape": "t1\x1b[31m",
    "a line separator": "t1\u2028",
    "a character beyond ASCII": "tâche",
    "an emoji": "😀",
    "full-width digits": "１",
    "129 characters": "t" * 129,
    "10,000 characters": "t" * 10_000,
}


async def test_a_task_or_session_id_that_could_break_a_key_is_refused(
    server: Server, subtests: pytest.Subtests
) -> None:
    for name, bad in BAD_IDS.items():
        for body, what in [
            (call("tasks/send", id=bad, message=says("hi")), "task"),
            (call("tasks/sendSubscribe", id=bad, message=says("hi")), "task"),
            (call("tasks/get", id=bad), "task"),
            (call("tasks/cancel", id=bad), "task"),
            (call("tasks/resubscribe", id=bad), "task"),
            (call("tasks/follow", tasks=[{"id": bad}]), "task"),
            (call("tasks/send", id="t1", message=says("hi"), sessionId=bad), "session"),
            (call("tasks/sendSubscribe", id="t1", message=says("hi"), sessionId=bad), "session"),
        ]:
            with subtests.test(name, method=body["method"], what=what):
                answer = await server.refuses(body)
                assert answer["error"]["code"] == -32602
                detail = answer["error"]["data"]["detail"]
                assert what in detail
                assert "1 to 128 characters of A-Z" in detail
                assert len(detail) < 500
    assert await server.stored() == {}


async def test_every_id_of_the_allowed_characters_works(server: Server) -> None:
    for good in ("t", "T" * 128, "a.b_c~d@e:f+g=h-i", "-", "task:x:stream", "0-0"):
        assert (await server.does("hi", task=good, sessionId=good))["id"] == good
        body = call("tasks/resubscribe", id=good)
        assert json.loads((await server.stream(body))[-1].data)["final"] is True
        task = (await server.post(call("tasks/get", id=good))).json()["result"]
        assert (task["id"], task["sessionId"]) == (good, good)


async def test_a_requests_own_id_comes_back_as_it_was(server: Server) -> None:
    await server.does("hi")
    for own in ("", "\n\ndata: x\n\n", "\0", "{id}", "\u2028", "😀", "x" * 256, 0, -1, 2**53):
        answer = (await server.post({**call("tasks/get", id="nobody"), "id": own})).json()
        assert answer["id"] == own
        body = {**call("tasks/resubscribe", id="t1"), "id": own}
        told = await server.stream(body, mode="enveloped")
        assert {json.dumps(json.loads(one.data)["id"]) for one in told} == {json.dumps(own)}


async def test_a_requests_own_id_of_another_kind_is_refused(server: Server) -> None:
    for own in (True, 1.5, [], {}, "x" * 257, "x" * 10_000):
        body = {**call("tasks/send", id="t1", message=says("hi")), "id": own}
        answer = await server.refuses(body)
        assert answer["error"]["code"] == -32600
        assert answer["id"] is None
    assert await server.stored() == {}


# --- methods and parameters ---


async def test_an_unknown_method_is_refused_with_those_that_there_are(server: Server) -> None:
    for path in ("/", "/rpc/0.1"):
        for method in ("tasks/sent", "TASKS/GET", "tasks/get ", "\n", "m" * 10_000):
            answer = await server.refuses(call(method, id="t1"), path)
            assert answer["error"]["code"] == -32601
            assert all(known in answer["error"]["data"]["detail"] for known in METHODS)


async def test_a_method_that_contradicts_the_path_is_refused(
    server: Server, subtests: pytest.Subtests
) -> None:
    for path in METHODS:
        for method in {"tasks/send", "tasks/sendSubscribe", "tasks/get", "no/such"} - {path}:
            with subtests.test(path=path, method=method):
                body = call(method, id="t1", message=says("hi"))
                answer = await server.refuses(body, f"/{path}")
                assert answer["error"]["code"] == -32600
                assert path in answer["error"]["data"]["detail"]
                assert method in answer["error"]["data"]["detail"]
    assert await server.stored() == {}


PARAMS = {
    "none": ({}, "params.id"),
    "no message": ({"id": "t1"}, "params.message"),
    "no id": ({"message": says("hi")}, "params.id"),
    "a number for an id": ({"id": 1, "message": says("hi")}, "params.id"),
    "a text for a message": ({"id": "t1", "message": "hi"}, "params.message"),
    "no parts": ({"id": "t1", "message": {"role": "user", "parts": []}}, "params.message.parts"),
    "the agent's role": (
        {"id": "t1", "message": says("hi", role="agent")},
        "params.message.role",
    ),
    "a part of no kind": (
        {"id": "t1", "message": {"role": "user", "parts": [{"text": "hi"}]}},
        "params.message.parts.0",
    ),
    "text that is none": (
        {"id": "t1", "message": {"role": "user", "parts": [{"type": "text", "text": ["hi"]}]}},
        "params.message.parts.0.text",
    ),
    "data that are no object": (
        {"id": "t1", "message": {"role": "user", "parts": [{"type": "data", "data": 1}]}},
        "params.message.parts.0.data",
    ),
    "a file without content": (
        {"id": "t1", "message": {"role": "user", "parts": [{"type": "file", "file": {}}]}},
        "params.message.parts.0.file",
    ),
    "bytes that aren't base64": (
        {
            "id": "t1",
            "message": {"role": "user", "parts": [{"type": "file", "file": {"bytes": "!"}}]},
        },
        "params.message.parts.0.file.bytes",
    ),
    "a negative history": (
        {"id": "t1", "message": says("hi"), "historyLength": -1},
        "params.historyLength",
    ),
    "metadata in a list": ({"id": "t1", "message": says("hi"), "metadata": []}, "params.metadata"),
}


async def test_wrong_parameters_are_refused_by_name(
    server: Server, subtests: pytest.Subtests
) -> None:
    for name, (params, field) in PARAMS.items():
        for method in ("tasks/send", "tasks/sendSubscribe"):
            with subtests.test(name, method=method):
                answer = await server.refuses(call(method, **params), f"/{method}")
                assert answer["error"]["code"] == -32602
                assert field in answer["error"]["data"]["detail"]
    assert await server.stored() == {}


async def test_a_task_must_be_named(server: Server) -> None:
    for method in ("tasks/get", "tasks/cancel", "tasks/resubscribe"):
        for params in ({}, {"id": None}, {"id": 7}, {"id": ["t1"]}):
            answer = await server.refuses(call(method, **params))
            assert answer["error"]["code"] == -32602
            assert "params.id" in answer["error"]["data"]["detail"]


FOLLOWED = {
    "nothing": ({}, "params.tasks"),
    "one task alone": ({"tasks": {"id": "known"}}, "params.tasks"),
    "no tasks": ({"tasks": []}, "params.tasks"),
    "ids alone": ({"tasks": ["known"]}, "params.tasks.0"),
    "a task without id": ({"tasks": [{"id": "known"}, {"after": "1-1"}]}, "params.tasks.1.id"),
    "a position in a number": ({"tasks": [{"id": "known", "after": 1}]}, "params.tasks.0.after"),
    "201 tasks": ({"tasks": [{"id": "known"}] * 201}, "params.tasks"),
}


async def test_what_names_no_tasks_to_follow_is_refused(
    server: Server, subtests: pytest.Subtests
) -> None:
    await server.does("hi", task="known")
    for name, (params, field) in FOLLOWED.items():
        with subtests.test(name):
            answer = await server.refuses(call("tasks/follow", **params))
            assert answer["error"]["code"] == -32602
            assert answer["error"]["data"]["detail"].startswith(f"{field}: ")


async def test_an_unknown_task_is_not_found(server: Server) -> None:
    await server.does("hi", task="known")
    for method in ("tasks/get", "tasks/cancel", "tasks/resubscribe"):
        answer = await server.refuses(call(method, id="unknown"), f"/{method}")
        assert answer["error"]["code"] == -32001
        assert "'unknown'" in answer["error"]["data"]["detail"]


async def test_an_event_source_that_names_no_task_is_refused(server: Server) -> None:
    for query, code in [("", -32602), ("?id=", -32602), ("?id=a%00b", -32602), ("?id=x", -32001)]:
        response = await server.client.get(f"{server.url}/tasks/resubscribe{query}")
        assert checked(response)["error"]["code"] == code
    assert await server.stored() == {}
    await server.lives()


async def test_a_finished_task_cannot_be_canceled(server: Server) -> None:
    await server.does("hi")
    answer = await server.refuses(call("tasks/cancel", id="t1"))
    assert answer["error"]["code"] == -32002
    assert "already ended as completed" in answer["error"]["data"]["detail"]


async def test_a_canceled_task_cannot_be_canceled_again(server: Server) -> None:
    await server.does("ask")
    canceled = (await server.post(call("tasks/cancel", id="t1"))).json()["result"]
    assert canceled["status"]["state"] == "canceled"
    answer = await server.refuses(call("tasks/cancel", id="t1"))
    assert answer["error"]["code"] == -32002


async def test_a_finished_task_takes_no_other_message(server: Server) -> None:
    await server.does("hi")
    for method in ("tasks/send", "tasks/sendSubscribe"):
        answer = await server.refuses(call(method, id="t1", message=says("and now?")))
        assert answer["error"]["code"] == -32004
        assert "new task id" in answer["error"]["data"]["detail"]


async def test_a_task_stays_in_its_session(server: Server) -> None:
    await server.does("ask", sessionId="s1")
    body = call("tasks/send", id="t1", message=says("more"), sessionId="s2")
    answer = await server.refuses(body)
    assert answer["error"]["code"] == -32602
    assert "another session" in answer["error"]["data"]["detail"]


async def test_a_webhook_that_cant_be_is_refused(server: Server) -> None:
    private: dict[str, Any] = {"url": "http://127.0.0.1/hook"}
    for method in ("tasks/send", "tasks/sendSubscribe"):
        for push in (private, {}, {"url": "nonsense"}, {"url": 1}):
            body = call(method, id="t1", message=says("hi"), pushNotification=push)
            answer = await server.refuses(body)
            assert answer["error"]["code"] == -32602
    assert await server.stored() == {}
    answer = await server.refuses(call("tasks/pushNotification/get", id="t1"))
    assert answer["error"]["code"] == -32001
    params = {"id": "t1", "pushNotificationConfig": private}
    answer = await server.refuses(call("tasks/pushNotification/set", **params))
    assert answer["error"]["code"] == -32001


# --- what is right, but awkward ---

AWKWARD = {
    "a NUL": "a\0b",
    "line separators": "a\u2028b\u2029c\u0085d",
    "an emoji": "👩\u200d🚀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 e\u0301",
    "newlines": "a\nb\r\nc\rd\n\n",
    "what looks like frames": (
        "x\n\nevent: status\nid: 1-1\ndata: {}\n\n: comment\nretry: 1\ndata: forged\n\n"
    ),
    "control characters": "".join(map(chr, range(32))) + "\x7f",
    "noncharacters": "\ufffe\uffff\ufeff\U0010ffff",
    "text from right to left": "\u202eabc\u200f שלום",
    "spaces": "  \t  ",
    "what looks like a script": '</script>{{7*7}}%s%(x)s${jndi}"\\u0000\\',
    "what looks like keys": "task:{t1}:stream\n0-0 1-1 {}",
    "30,000 characters": "ab\n" * 10_000,
}


def texts_of(parts: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for part in parts]


async def survives(server: Server, task: str, text: str) -> None:
    """Send a text through the agent and back, and compare it wherever it is told."""
    raw = (await server.post(call("tasks/sendSubscribe", id=task, message=says(text)))).content
    for block in raw.removesuffix(b"\n\n").split(b"\n\n"):
        fields = [line.partition(b":")[0] for line in block.split(b"\n")]
        assert [field for field in fields if field] in (
            [b"retry", b"event", b"id", b"data"],
            [b"event", b"id", b"data"],
        )
    again = await server.stream(call("tasks/resubscribe", id=task))
    told = Decoder().feed(raw)
    assert again == told
    data = [json.loads(one.data) for one in told]
    assert [one["artifact"] for one in data if "artifact" in one] == [
        {"name": "echo", "index": 0, "lastChunk": True, "parts": [{"type": "text", "text": text}]}
    ]
    said = [one["status"]["message"]["parts"] for one in data if "message" in one.get("status", ())]
    assert [texts_of(parts) for parts in said] == [[text]] * 2
    stored = (await server.post(call("tasks/get", id=task, historyLength=10))).json()["result"]
    assert texts_of(stored["status"]["message"]["parts"]) == [text]
    assert texts_of(stored["artifacts"][0]["parts"]) == [text]
    assert [texts_of(one["parts"]) for one in stored["history"]] == [[text]] * 2


async def test_awkward_text_survives_in_frames_and_in_the_task(
    server: Server, subtests: pytest.Subtests
) -> None:
    for number, (name, text) in enumerate(AWKWARD.items()):
        with subtests.test(name):
            await survives(server, f"t{number}", text)


@given(texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=3))
@hypothesis_settings(max_examples=15)
async def test_any_text_survives_in_frames_and_in_the_task(
    server: Server, texts: list[str]
) -> None:
    for text in texts:
        used = len(await server.raw.keys("task:*:meta"))
        await survives(server, f"t{used}", text)


async def test_awkward_metadata_and_names_survive(server: Server) -> None:
    awkward = {"a\nb": "c\0d", "\u2028": ["data: x\n\n"], "": {"{}": None}}
    part = {"type": "data", "data": awkward, "metadata": awkward}
    file = {"type": "file", "file": {"name": "a\n\0.txt", "mimeType": "x\ny", "bytes": "aGk="}}
    message = {"role": "user", "parts": [part, file], "metadata": awkward}
    body = call("tasks/sendSubscribe", id="t1", message=message, metadata=awkward)
    data = [json.loads(one.data) for one in await server.stream(body)]
    assert next(one["artifact"]["parts"] for one in data if "artifact" in one) == [part, file]
    stored = (await server.post(call("tasks/get", id="t1", historyLength=1))).json()["result"]
    assert stored["history"][0] == message
    assert stored["metadata"] == awkward


# --- positions ---

UNREADABLE = ["abc", "0-0", "-1", "1-", "1-0", "01-2", "1-2-3", "+1-2", "1 -2", "$", "NaN", "-"]
TOO_LARGE = [f"{2**64}-1", f"1-{2**64}", "9" * 30, f"{'9' * 5000}-1", "x" * 10_000]
OTHER_CHARACTERS = ["١-٢".encode(), "１-１".encode(), b"\xff\xfe", b"1-\xb2"]


def resets_of(told: list[Block]) -> list[dict[str, Any]]:
    data = [json.loads(one.data) for one in told]
    return [one["metadata"]["reset"] for one in data if "reset" in one.get("metadata", {})]


async def resets(server: Server, task: str, position: str | bytes, reason: str) -> None:
    """A finished task's watcher with this position is told the task anew, and why."""
    whole = await server.stream(call("tasks/resubscribe", id=task))
    (told,) = await server.stream(call("tasks/resubscribe", id=task), position=position)
    assert told.event == "status"
    assert told.id == whole[-1].id
    data = json.loads(told.data)
    assert data["id"] == task
    assert data["status"] == json.loads(whole[-1].data)["status"]
    assert data["final"] is True
    now = (await server.post(call("tasks/get", id=task))).json()["result"]
    assert data["metadata"]["reset"] == {"reason": reason, "task": now}


async def test_a_position_that_cannot_be_read_is_answered_by_a_reset(
    server: Server, subtests: pytest.Subtests
) -> None:
    await server.does("hi")
    for position in (*UNREADABLE, *TOO_LARGE, *OTHER_CHARACTERS):
        with subtests.test(position=position[:24]):
            await resets(server, "t1", position, "malformed")


async def test_a_position_that_the_log_never_had_is_answered_by_a_reset(
    server: Server, subtests: pytest.Subtests
) -> None:
    await server.does("hi")
    await server.does("hi", task="t2")
    whole = await server.stream(call("tasks/resubscribe", id="t1"))
    epoch, _, offset = whole[-1].id.partition("-")
    foreign = (await server.stream(call("tasks/resubscribe", id="t2")))[0].id
    most = 2**64 - 1
    never = {
        foreign: "forked",
        f"{int(epoch) - 1}-{offset}": "forked",
        f"{epoch}-1": "forked",
        "1-1": "forked",
        f"{most}-1": "forked",
        f"{epoch}-{int(offset) + 1}": "future",
        f"{epoch}-{most}": "future",
        f"1-{most}": "future",
        f"{most}-{most}": "future",
    }
    for position, reason in never.items():
        with subtests.test(position=position):
            await resets(server, "t1", position, reason)
    await server.lives()


async def test_a_position_that_the_log_has_is_continued(server: Server) -> None:
    await server.does("hi")
    whole = await server.stream(call("tasks/resubscribe", id="t1"))
    assert resets_of(whole) == []
    for place, seen in enumerate(whole):
        told = await server.stream(call("tasks/resubscribe", id="t1"), position=seen.id)
        assert told == whole[place + 1 :]


async def test_an_empty_position_is_none(server: Server) -> None:
    await server.does("hi")
    whole = await server.stream(call("tasks/resubscribe", id="t1"))
    assert await server.stream(call("tasks/resubscribe", id="t1"), position="") == whole


@pytest.mark.parametrize("position", ["abc", "1-1", f"1-{2**64 - 1}"])
async def test_after_a_reset_the_story_goes_on_from_its_position(
    server: Server, position: str
) -> None:
    await server.does("ask")
    request = server.client.stream(
        "POST",
        f"{server.url}/",
        json=call("tasks/resubscribe", id="t1"),
        headers={"Last-Event-ID": position},
    )
    told: list[Block] = []
    async with asyncio.timeout(20), request as response:
        decoder = Decoder()
        async for chunk in response.aiter_raw():
            told += decoder.feed(chunk)
            if len(told) == 1:
                assert (await server.does("go on"))["status"]["state"] == "completed"
    assert len(resets_of(told)) == 1
    whole = await server.stream(call("tasks/resubscribe", id="t1"))
    following = [one.id for one in whole]
    assert [one.id for one in told] == following[following.index(told[0].id) :]
    assert json.loads(told[-1].data)["final"] is True


async def test_an_event_source_with_a_position_that_cannot_be_read_gets_a_reset(
    server: Server,
) -> None:
    await server.does("hi")
    for position in ("abc", "0-0", "x" * 10_000, "%00", "%D9%A1-1"):
        url = f"{server.url}/tasks/resubscribe?id=t1&after={position}"
        (told,) = Decoder().feed((await server.client.get(url)).content)
        assert resets_of([told])[0]["reason"] == "malformed"


async def test_a_new_task_with_a_position_is_begun_and_told_from_a_reset(server: Server) -> None:
    body = call("tasks/sendSubscribe", id="t1", message=says("hi"))
    told = await server.stream(body, position="abc")
    assert [one["reason"] for one in resets_of(told)] == ["malformed"]
    assert "reset" in json.loads(told[0].data)["metadata"]
    assert json.loads(told[-1].data)["status"]["state"] == "completed"


# --- the header that chooses how events are wrapped ---


async def test_the_header_chooses_bare_or_enveloped_events(server: Server) -> None:
    await server.does("hi")
    body = call("tasks/resubscribe", id="t1")
    default = await server.stream(body)
    bare = await server.stream(body, mode="bare")
    enveloped = await server.stream(body, mode="enveloped")
    assert bare == default
    assert [(one.id, one.event) for one in enveloped] == [(one.id, one.event) for one in bare]
    assert [json.loads(one.data) for one in enveloped] == [
        {"jsonrpc": "2.0", "id": "r1", "result": json.loads(one.data)} for one in bare
    ]


async def test_a_reset_is_enveloped_like_the_rest(server: Server) -> None:
    await server.does("hi")
    (told,) = await server.stream(
        call("tasks/resubscribe", id="t1"), mode="enveloped", position="abc"
    )
    data = json.loads(told.data)
    assert (data["jsonrpc"], data["id"]) == ("2.0", "r1")
    assert data["result"]["metadata"]["reset"]["reason"] == "malformed"


async def test_another_value_of_the_header_is_refused(server: Server) -> None:
    await server.does("hi")
    for mode in ("", "BARE", "json", "x" * 10_000, b"\xff", "bare, enveloped"):
        answer = await server.refuses(call("tasks/resubscribe", id="t1"), mode=mode)
        assert answer["error"]["code"] == -32602
        assert "A2A-Legacy-SSE must be bare or enveloped" in answer["error"]["data"]["detail"]


# --- whatever comes ---

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(
        ["t1", "t2", "2.0", "user", "text", "tasks/get", "x" * 300, "\0", "{}", 2**60]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
requests = st.builds(
    lambda method, params: call(method, **params),
    st.sampled_from(METHODS),
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["t1", "t2", "t3"]),
            "message": st.sampled_from(
                [
                    says("hi"),
                    says("ask"),
                    says("hi", metadata={"m": [1]}),
                    {"role": "user", "parts": [{"type": "data", "data": {"a": {}}}]},
                    {"role": "user", "parts": [{"type": "file", "file": {"bytes": "aGk="}}]},
                ]
            ),
        },
        optional={
            "sessionId": st.sampled_from(["s1", "s2"]),
            "historyLength": st.integers(0, 3),
            "metadata": st.just({"m": 1}),
            "tasks": st.lists(
                st.builds(
                    lambda task, after: {"id": task, "after": after},
                    st.sampled_from(["t1", "t2", "t3"]),
                    st.sampled_from([None, "abc", "1-1"]),
                ),
                max_size=3,
            ),
        },
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A request that is right, but for one or two places."""
    whole: Any = json.loads(json.dumps(draw(requests)))
    for _ in range(draw(st.integers(0, 2))):
        here = whole
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(here[key], dict | list) and here[key] and draw(st.booleans()):
                here = here[key]
                continue
            if draw(st.booleans()):
                here[key] = draw(anything)
            else:
                del here[key]
            break
    return whole


bodies = (anything | mutated()).map(lambda value: json.dumps(value).encode())


@given(
    body=bodies | st.binary(max_size=50),
    path=st.sampled_from(["/", "/rpc/0.1", *(f"/{method}" for method in METHODS)]),
    position=st.sampled_from([None, "abc", "1-1", f"1-{2**64 - 1}", ""]),
    mode=st.sampled_from([None, "bare", "enveloped"]),
)
@hypothesis_settings(max_examples=300)
async def test_whatever_is_posted_gets_a_json_rpc_answer_or_a_stream(
    server: Server, body: bytes, path: str, position: str | None, mode: str | None
) -> None:
    async with server.client.stream(
        "POST", f"{server.url}{path}", content=body, headers=headers(position, mode)
    ) as response:
        if response.headers["content-type"].startswith("text/event-stream"):
            assert response.status_code == 200
            decoder, told = Decoder(), []
            async for chunk in response.aiter_raw():
                if told := decoder.feed(chunk):
                    assert json.loads(told[0].data)
                    break  # the rest may be long in coming: a task may wait for us
            assert told
            return
        await response.aread()
    answer = response.json()
    assert answer["jsonrpc"] == "2.0"
    if "result" in answer:
        assert response.status_code == 200
        assert answer["result"]["status"]["state"]
    else:
        assert checked(response)["error"]["code"] not in (-32603, None)
        assert response.status_code in (200, 413)


@pytest.mark.parametrize("size", [2_000_000, 20_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_client_that_sends_far_too_much_reads_why(
    server: Server, chunked: bool, size: int
) -> None:
    body = b" " * size

    async def piecewise() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    response = await server.client.post(f"{server.url}/", content=piecewise() if chunked else body)
    assert response.status_code == 413
    assert "A2A_MAX_BODY_BYTES" in response.json()["error"]["data"]["detail"]


async def test_a_wrong_header_of_a_new_task_stores_nothing(server: Server) -> None:
    body = call("tasks/sendSubscribe", id="t1", message=says("hi"))
    answer = await server.refuses(body, mode="wrong")
    assert answer["error"]["code"] == -32602


@pytest.mark.parametrize("place", ["task", "message", "part"])
async def test_our_own_metadata_key_is_refused_instead_of_being_lost(
    server: Server, place: str
) -> None:
    reserved = {"a2a_streaming": {"index": 7}}
    said = says("hi")
    params: dict[str, Any] = {"id": "t1", "message": said}
    {"task": params, "message": said, "part": said["parts"][0]}[place]["metadata"] = reserved
    answer = await server.refuses(call("tasks/send", **params))
    assert answer["error"]["code"] == -32602
    assert "reserved" in answer["error"]["data"]["detail"]
