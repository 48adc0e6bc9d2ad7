"""Fuzzing: whatever is sent over REST and JSON-RPC, the server answers, never with a fault of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.caller import Role
from a2a_streaming.settings import Settings
from a2a_streaming.wire.dialects import METHODS
from auth.signing_in import front
from conftest import serving
from issuers import issuing

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def deep(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = {"a": value}
    return value


VALUES = (
    JSON
    | st.sampled_from(
        ["t1", "", "x" * 200, "\0", "ROLE_USER", "user", -1, 2**40, [], {}, [{"text": "hi"}]]
    )
    | st.integers(20, 70).map(deep)
)
PART = st.dictionaries(
    st.sampled_from(
        ["text", "kind", "type", "raw", "url", "data", "file", "metadata", "mediaType"]
    ),
    VALUES,
    max_size=3,
)
MESSAGE = st.dictionaries(
    st.sampled_from(["messageId", "role", "taskId", "contextId", "kind", "metadata", "extensions"]),
    VALUES,
    max_size=6,
).flatmap(lambda said: st.lists(PART, max_size=2).map(lambda parts: {**said, "parts": parts}))
GOOD = st.sampled_from(
    [
        {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]},
        {
            "messageId": "m2",
            "role": "user",
            "kind": "message",
            "parts": [{"kind": "text", "text": "hi"}],
        },
        {"role": "user", "parts": [{"type": "text", "text": "hi"}]},
    ]
)
PARAMS = st.dictionaries(
    st.sampled_from(
        [
            *("id", "taskId", "contextId", "sessionId", "historyLength", "pageSize", "pageToken"),
            *("status", "configuration", "metadata", "url", "token", "pushNotificationConfig"),
            *(
                "pushNotification",
                "pushNotificationConfigId",
                "tasks",
                "tenant",
                "includeArtifacts",
            ),
        ]
    ),
    VALUES,
    max_size=4,
).flatmap(lambda rest: st.one_of(GOOD, MESSAGE, VALUES).map(lambda said: {**rest, "message": said}))
VERSIONS = st.sampled_from([None, None, "0.1", "0.3", "1.0", "1.0.7", "1.7", "x", "\xff"])
POSITIONS = st.sampled_from([None, None, "1-1", "99999999999999999999-1", "nonsense", "0-0"])
CALLS = st.tuples(
    st.sampled_from(["/", "/rpc/0.1", "/rpc/0.3", "/rpc/1.0", "/rpc/1.0/"]),
    st.sampled_from([*{name for names in METHODS.values() for name in names}, "nothing"]),
    PARAMS | VALUES,
)
SEGMENTS = st.sampled_from(
    [
        *("message:send", "message:stream", "tasks", "tasks/t1", "tasks/t1:cancel", "tasks/none"),
        *("tasks/t1:subscribe", "tasks/t1/pushNotificationConfigs", "extendedAgentCard", "card"),
        *("tasks/t1/pushNotificationConfigs/x", "tasks/%00", "tasks/%ff:cancel", "nowhere", ""),
        *("tasks?pageSize=x", "tasks?pageSize=3&status=nonsense", "tasks?historyLength=-1"),
        *("tasks?pageToken=%7B", "tasks/t1?historyLength=x", "tasks?statusTimestampAfter=x"),
    ]
)


class Quick(Agent):
    """Answers at once."""

    card = agent_card("quick")

    async def run(self, run: Run) -> None:
        await run.complete("well")


def headers(version: str | None, position: str | None) -> dict[str, str]:
    said = {"content-type": "application/json"}
    if version is not None:
        said["a2a-version"] = version
    if position is not None:
        said["last-event-id"] = position
    return said


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode("utf-8", "surrogatepass")


async def answered(http: httpx2.AsyncClient, method: str, url: str, **request: Any) -> None:
    """The answer comes, and isn't a fault of the server's."""
    async with asyncio.timeout(20), http.stream(method, url, **request) as response:
        assert response.status_code < 500, (method, url, request)
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            async for _ in response.aiter_bytes():
                break  # it streams; how it ends is other tests' subject
            return
        body = await response.aread()
    if body:
        told = json.loads(body)
        code = told.get("error", {}).get("code") if isinstance(told, dict) else None
        assert code != -32603, (method, url, request, told)


# The server, in the same process, draws lots while hypothesis does.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_whatever_is_sent_is_answered(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    quick = settings.model_copy(update={"send_seconds": 0.5})
    async with (
        serving(create_app(Quick(), settings=quick)) as served,
        httpx2.AsyncClient(timeout=20) as http,
    ):
        before = len(asyncio.all_tasks())

        def asks(method: str, url: str, **request: Any) -> None:
            asking = answered(http, method, url, **request)
            asyncio.run_coroutine_threadsafe(asking, loop).result(30)

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
        @given(call=CALLS, version=VERSIONS, position=POSITIONS)
        def over_jsonrpc(
            call: tuple[str, str, Any], version: str | None, position: str | None
        ) -> None:
            path, method, params = call
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            said = {k: v.encode("latin-1") for k, v in headers(version, position).items()}
            asks("POST", served.url + path, content=encoded(body), headers=said)

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
        @given(
            method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
            segment=SEGMENTS,
            body=PARAMS | VALUES | st.binary(max_size=40),
            version=VERSIONS,
            position=POSITIONS,
        )
        def over_rest(
            method: str, segment: str, body: Any, version: str | None, position: str | None
        ) -> None:
            content = body if isinstance(body, bytes) else encoded(body)
            said = {k: v.encode("latin-1") for k, v in headers(version, position).items()}
            asks(method, f"{served.url}/v1/{segment}", content=content, headers=said)

        await asyncio.to_thread(over_jsonrpc)
        await asyncio.to_thread(over_rest)
        async with asyncio.timeout(20):  # nothing is left behind
            while len(asyncio.all_tasks()) > before + 2:
                await asyncio.sleep(0.01)


def segment(part: Any) -> bytes:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(part if isinstance(part, bytes) else encoded(part)).rstrip(b"=")


JWT_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["RS256", "ES256", "HS256", "none", "EdDSA"]) | VALUES,
        "typ": st.sampled_from(["JWT", "act+jwt", "ticket+jwt"]) | VALUES,
        "kid": st.sampled_from(["one", "two", "\ud800"]) | VALUES,
        "crit": st.sampled_from([["b64"], ["exp"], ["\ud800"]]) | VALUES,
        "b64": VALUES,
        "jwk": VALUES,
        "x5u": VALUES,
    },
)
JWTS = st.builds(
    lambda *parts: b".".join(map(segment, parts)),
    JWT_HEADERS | VALUES | st.binary(max_size=20),
    VALUES | st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "act"]), VALUES),
    st.binary(max_size=70),
)
KEYS = st.from_regex(rb"a2a_[0-9a-f]{12}_[A-Za-z0-9-]{43}", fullmatch=True)
PRINTABLE = st.binary(max_size=40).map(lambda raw: bytes(b for b in raw if b > 31 and b != 127))
CREDENTIALS = JWTS | KEYS | PRINTABLE | st.sampled_from([b"a2a_", b"a2a__", b"..", b"." * 9000])
SCHEMES = st.sampled_from([b"Bearer ", b"bearer  ", b"Bearer", b"Basic ", b"", b"DPoP ", b"\xff "])


async def test_whatever_somebody_signs_in_with_is_answered(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    body = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
    async with (
        issuing() as issuer,
        serving(create_app(Quick(), settings=issuer.settings(settings, auth_keys=True))) as served,
        httpx2.AsyncClient(timeout=20) as http,
    ):

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
        @given(SCHEMES, CREDENTIALS, st.none() | CREDENTIALS, st.integers(0, 3))
        def signing_in(scheme: bytes, credential: bytes, key: bytes | None, where: int) -> None:
            said = [(b"authorization", (scheme + credential).strip())]
            if key is not None:
                said.append((b"x-api-key", key.strip()))
            method, path = (
                ("POST", "/"),
                ("GET", "/v1/tasks"),
                ("POST", "/auth/ticket"),
                ("GET", "/tasks/resubscribe"),
            )[where]
            asking = answered(
                http,
                method,
                served.url + path,
                params={"id": "t1", "ticket": credential.decode("latin-1")} if where == 3 else {},
                json=body,
                headers=said,
            )
            asyncio.run_coroutine_threadsafe(asking, loop).result(30)

        await asyncio.to_thread(signing_in)
    assert len(issuer.asked) <= 2 * 10


TAGS = PRINTABLE | st.sampled_from([b"*", b'W/"x"', b'"', b'"a", "b"', b","])
DATES = PRINTABLE | st.sampled_from(
    [
        b"Wed, 25 Nov 2026 10:00:00 GMT",
        b"Wed, 99 Nov 2026 10:00:00 GMT",
        b"0",
        b"Sat, 1 Jan 1 0:0:0",
    ]
)
OFFERS = st.dictionaries(st.sampled_from(["id", "customer"]), VALUES, max_size=2) | VALUES


async def test_whatever_is_asked_of_tokens_and_cards_is_answered(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    async with httpx2.AsyncClient(timeout=20) as http, front(settings, http) as served:
        shop = await served.customer("shop", Role.SERVICE)

        def asks(method: str, path: str, **request: Any) -> None:
            asking = answered(http, method, served.url + path, **request)
            asyncio.run_coroutine_threadsafe(asking, loop).result(30)

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
        @given(st.sampled_from(["ticket", "token"]), OFFERS | st.binary(max_size=40))
        def tokens(kind: str, body: Any) -> None:
            content = body if isinstance(body, bytes) else encoded(body)
            asks("POST", f"/auth/{kind}", content=content, headers=shop.headers)

        @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
        @given(st.sampled_from(["agent-card.json", "agent.json"]), TAGS, DATES, VERSIONS)
        def cards(name: str, tag: bytes, date: bytes, version: str | None) -> None:
            said = [(b"if-none-match", tag.strip()), (b"if-modified-since", date.strip())]
            if version is not None:
                said.append((b"a2a-version", version.encode("latin-1")))
            asks("GET", f"/.well-known/{name}", headers=said)
            asks("GET", f"/.well-known/{name}", headers=said[1:])

        await asyncio.to_thread(tokens)
        await asyncio.to_thread(cards)
