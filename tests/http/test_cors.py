"""Pages in browsers: which may call us, and what a page of elsewhere can't do without authentication."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.caller import Role
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import serving
from keyholders import key_for
from streams import message, request

PAGE, OTHER = "https://shop.example", "https://elsewhere.example"
CARD = "/.well-known/agent-card.json"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
V1 = {"A2A-Version": "1.0"}
HOOK = "/v1/tasks/t1/pushNotificationConfigs/none"


class Quick(Agent):
    """Answers at once."""

    card = agent_card("quick")

    async def run(self, run: Run) -> None:
        await run.complete("well")


def send(task: str = "t1") -> dict[str, Any]:
    return request("tasks/send", task, message("hello"))


def every_call(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Everything that reads or changes tasks: method, address, and the rest of the request."""
    plain = {"content": json.dumps(send()), "headers": {"content-type": "text/plain"}}
    stream = request("tasks/sendSubscribe", "t1", message("hello"))
    return [
        ("POST", url, {"json": send()}),
        ("POST", url, plain),
        ("POST", f"{url}/tasks/send", plain),
        ("POST", url, {"json": stream}),
        ("POST", f"{url}/rpc/1.0", {"json": LIST}),
        ("GET", f"{url}/tasks/resubscribe?id=t1", {}),
        ("GET", f"{url}/v1/tasks", {"headers": V1}),
        ("GET", f"{url}/v1/tasks/t1", {}),
        ("POST", f"{url}/v1/message:send", {"json": {}}),
        ("DELETE", url + HOOK, {}),
        ("POST", f"{url}/auth/ticket", {"json": {"id": "t1"}}),
        ("POST", f"{url}/auth/token", {"json": {"customer": "mia"}}),
    ]


async def statuses(
    http: httpx2.AsyncClient, url: str, headers: dict[str, str]
) -> dict[tuple[str, str], int]:
    """How every call is answered, when a client sends some headers."""
    found: dict[tuple[str, str], int] = {}
    for method, address, rest in every_call(url):
        whole = {**rest, "headers": {**rest.get("headers", {}), **headers}}
        answer = await http.request(method, address, **whole)
        found[method, address] = answer.status_code
    return found


@asynccontextmanager
async def quick(settings: Settings, **changed: Any) -> AsyncIterator[tuple[str, Node]]:
    app = create_app(Quick(), settings=settings.model_copy(update=changed))
    async with serving(app) as served:
        yield served.url, app.state.node


# Pages that were allowed


def preflight(method: str, headers: str, origin: str = PAGE) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": headers,
    }


WANTED = (
    "authorization,x-api-key,content-type,last-event-id,a2a-version,a2a-extensions,"
    "x-a2a-extensions,a2a-legacy-sse"
)


@pytest.mark.parametrize("keys", [True, False])
async def test_a_page_that_is_allowed_calls_reads_and_streams(
    settings: Settings, http: httpx2.AsyncClient, keys: bool
) -> None:
    async with quick(settings, cors_origins=[PAGE], auth_keys=keys) as (url, node):
        key = {"X-API-Key": await key_for(node, "router", Role.SERVICE)} if keys else {}
        for method in ("GET", "POST", "DELETE"):
            for path in ("/", "/rpc/1.0", "/v1/tasks", HOOK, "/tasks/resubscribe", "/auth/ticket"):
                asked = await http.options(url + path, headers=preflight(method, WANTED))
                assert asked.status_code == 200, (path, asked.text)
                assert asked.headers["access-control-allow-origin"] == PAGE
                assert method in asked.headers["access-control-allow-methods"]
        found: list[httpx2.Response] = []
        for method, address, rest in every_call(url):
            headers = {**rest.get("headers", {}), **key, "origin": PAGE}
            answer = await http.request(method, address, **{**rest, "headers": headers})
            assert answer.status_code not in (401, 403, 429), address
            found.append(answer)
        found.append(await http.get(url + CARD, headers={"origin": PAGE}))
        # Also what is refused is told to the page.
        wrong = {"origin": PAGE, "X-API-Key": "nonsense"}
        found.append(await http.post(url, json=LIST, headers=wrong))
        assert found[-1].status_code == (401 if keys else 200)
        for answer in found:
            assert answer.headers["access-control-allow-origin"] == PAGE
            exposed = answer.headers["access-control-expose-headers"].lower()
            assert {"retry-after", "www-authenticate", "etag"} <= set(exposed.split(", "))
            assert "origin" in answer.headers["vary"].lower()
            assert "access-control-allow-credentials" not in answer.headers
        streams = [one for one in found if "event-stream" in one.headers.get("content-type", "")]
        assert streams
        assert all(b"completed" in one.content for one in streams)


async def test_other_pages_get_no_leave(settings: Settings, http: httpx2.AsyncClient) -> None:
    async with quick(settings, cors_origins=[PAGE], auth_keys=True) as (url, node):
        for origin in (OTHER, "null", f"{PAGE}.elsewhere.example", "http://shop.example"):
            asked = await http.options(url, headers=preflight("POST", WANTED, origin))
            assert asked.status_code == 400
            key = {"X-API-Key": await key_for(node, "mia"), "origin": origin}
            for answer in (
                asked,
                await http.post(url, json=LIST, headers=key),
                await http.get(url + CARD, headers={"origin": origin}),
            ):
                assert "access-control-allow-origin" not in answer.headers
        for method, headers in (("PUT", "content-type"), ("POST", "x-other")):
            asked = await http.options(url, headers=preflight(method, headers))
            assert asked.status_code == 400


async def test_without_the_setting_no_page_gets_leave(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with quick(settings, auth_keys=True) as (url, _):
        for path in ("/", CARD, "/v1/tasks"):
            asked = await http.options(url + path, headers=preflight("POST", WANTED))
            assert asked.status_code >= 400
            assert not [name for name in asked.headers if name.startswith("access-control")]


async def test_a_star_allows_every_page(settings: Settings, http: httpx2.AsyncClient) -> None:
    async with quick(settings, cors_origins=["*"]) as (url, _):
        for origin in (PAGE, OTHER, "null"):
            found = await statuses(http, url, {"origin": origin})
            assert not {401, 403} & set(found.values())
            told = await http.post(url, json=LIST, headers={"origin": origin})
            assert told.headers["access-control-allow-origin"] == "*"


# Without authentication


@pytest.mark.parametrize("cors", [[], [PAGE]])
async def test_a_page_of_elsewhere_is_refused_although_its_browser_is_here(
    settings: Settings, http: httpx2.AsyncClient, cors: list[str]
) -> None:
    async with quick(settings, cors_origins=cors) as (url, _):
        port = url.rpartition(":")[2]
        for headers in (
            *({"origin": origin} for origin in (OTHER, "null", "", "nonsense", "http://[", "//")),
            {"origin": f"http://localhost.elsewhere.example:{port}"},
            {"origin": "http://127.0.0.1:1"},
            {"origin": f"http://{'1' * 5000}"},
            {"origin": OTHER, "sec-fetch-site": "same-origin"},
            # What a page reads without asking, as for <script>.
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
            {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        ):
            found = await statuses(http, url, headers)
            assert set(found.values()) == {403}, (headers, found)
        told = await http.post(url, json=LIST, headers={"origin": OTHER})
        assert "A2A_CORS_ORIGINS" in told.json()["error"]["data"]["detail"]
        assert told.json()["id"] == 1
        listed = await http.post(url, json=LIST)
        assert listed.json()["result"]["tasks"] == []  # nothing was begun


async def test_a_name_that_somebody_elses_dns_leads_here_is_refused(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with quick(settings) as (url, _):
        port = url.rpartition(":")[2]
        for host in (
            *("rebound.example", f"rebound.example:{port}", "localhost.example", "169.254.1.1"),
            *("[", "[::1", "a b", "127.0.0.1.rebound.example", "0.0.0.0", "[::ffff:8.8.8.8]", "@"),
        ):
            for headers in (
                # By plain http, a browser sends neither of these with what a page GETs from its own origin.
                {},
                {"origin": f"http://{host}"},
                {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
            ):
                found = await statuses(http, url, {"host": host, **headers})
                assert set(found.values()) == {403}, (host, headers, found)
        told = await http.post(url, json=LIST, headers={"host": "rebound.example"})
        assert "A2A_PUBLIC_URL" in told.json()["error"]["data"]["detail"]


async def test_programs_and_pages_of_this_server_are_served(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with quick(settings, public_url="https://agents.example/path") as (url, _):
        port = url.rpartition(":")[2]
        here = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "app.localhost", "[::1]")]
        for host in (*here, "agents.example", "localhost", "LOCALHOST", "agents.example:8443"):
            for headers in (
                {},
                {"origin": f"http://{host}", "sec-fetch-site": "same-origin"},
                {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
                {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
            ):
                found = await statuses(http, url, {"host": host, **headers})
                assert not {401, 403} & set(found.values()), (host, headers, found)
    async with quick(settings, public_url="https://agents.example/a") as (url, _):
        # Behind a proxy that calls us by our own name.
        found = await statuses(http, url, {"origin": "https://agents.example"})
        assert not {401, 403} & set(found.values())


async def call(
    app: Starlette, client: tuple[str, int] | None, headers: dict[str, str], path: str = "/"
) -> tuple[int, Any]:
    """Call an application as a server would, for a client that is anywhere."""
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(LIST).encode(), "more_body": False}

    async def send(said: Any) -> None:
        told.append(said)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), said.encode()) for name, said in headers.items()],
        "client": client,
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    body = b"".join(said.get("body", b"") for said in told[1:])
    return told[0]["status"], json.loads(body)


HERE = {"host": "127.0.0.1"}


async def test_only_clients_of_this_machine_are_served_without_authentication(
    settings: Settings,
) -> None:
    app = create_app(Quick(), settings=settings)
    try:
        for far in (
            *(
                "192.0.2.1",
                "10.0.0.1",
                "0.0.0.0",
                "2001:db8::1",
                "::ffff:192.0.2.1",
                "fe80::1%eth0",
            ),
            *("::", "elsewhere.example", "127.0.0.1.elsewhere.example", "", "2130706433", "127.1"),
        ):
            status, told = await call(app, (far, 4000), HERE)
            assert (status, told["error"]["code"]) == (401, -31401), far
            assert "its own machine" in told["error"]["data"]["detail"]
        for near in ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost"):
            assert (await call(app, (near, 4000), HERE))[0] == 200, near
        assert (await call(app, None, HERE))[0] == 200  # by a socket of this machine's
        assert (await call(app, ("127.0.0.1", 1), {}))[0] == 200  # HTTP/1.0
        for origin in ("null", "http://", OTHER):
            assert (await call(app, ("127.0.0.1", 1), {"origin": origin}))[0] == 403
            assert (await call(app, ("127.0.0.1", 1), {"origin": origin, "host": ""}))[0] == 403
    finally:
        await app.state.node.aclose()


# An application that mounts ours has its own authentication


class Numbered(BaseUser):
    """A user as applications have them: with an identity of its own kind."""

    def __init__(self, identity: Any) -> None:
        self._identity = identity

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return "somebody"

    @property
    def identity(self) -> Any:
        return self._identity


USERS: dict[str, BaseUser] = {
    "mia": SimpleUser("mia"),
    "tom": Numbered("tom"),
    "seven": Numbered(7),
    "odd": Numbered("a {b}\n"),
    "nameless": SimpleUser(""),
    "unnamed": Numbered(None),
    "nobody": UnauthenticatedUser(),
}


class Cookies(AuthenticationBackend):
    """Knows users by a header."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        user = USERS.get(conn.headers.get("x-user", ""))
        return None if user is None else (AuthCredentials(), user)


@pytest.mark.parametrize("keys", [True, False])
async def test_a_mounting_applications_own_authentication_names_the_owner(
    settings: Settings, http: httpx2.AsyncClient, keys: bool
) -> None:
    inner = create_app(Quick(), settings=settings.model_copy(update={"auth_keys": keys}))
    guard = Middleware(AuthenticationMiddleware, backend=Cookies())
    app = Starlette(routes=[Mount("/agent", app=inner)], middleware=[guard])
    async with serving(app) as served:
        url = f"{served.url}/agent/"
        named = ("mia", "tom", "seven", "odd")
        for user in named:
            # A host and an origin that would be refused without authentication.
            headers = {"x-user": user, "host": "shop.example", "origin": OTHER}
            sent = await http.post(url, json=send("t1"), headers=headers)
            assert sent.json()["result"]["status"]["state"] == "completed"
            listed = await http.post(url, json=LIST, headers=headers)
            assert (
                len(listed.json()["result"]["tasks"]) == 1
            )  # the same id, a task of each one's own
        for user in ("nameless", "unnamed"):
            told = await http.post(url, json=LIST, headers={"x-user": user})
            assert told.status_code == 401
        for user in ("nobody", "unknown"):
            told = await http.post(url, json=LIST, headers={"x-user": user})
            if keys:
                assert told.status_code == 401
            else:
                assert told.json()["result"]["tasks"] == []
        await inner.state.node.aclose()
