"""API keys, tickets for browsers, and services that act for customers, over real HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest

from a2a_streaming.auth import authenticator, tokens
from a2a_streaming.auth.keys import make_key
from a2a_streaming.caller import Caller, Role
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from auth.signing_in import V1, Customer, front
from conftest import serving
from streams import message, request
from test_docs import example


async def test_who_doesnt_say_who_they_are_is_told_how_to(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}):
            body = request("tasks/send", "t1", message("hello"))
            answer = await http.post(f"{served.url}/", json=body, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["id"] == "1"
            assert "X-API-Key" in answer.json()["error"]["data"]["detail"]
        rest = await http.get(f"{served.url}/v1/tasks", headers=V1)
        assert rest.status_code == rest.json()["error"]["code"] == 401
        assert rest.json()["error"]["status"] == "UNAUTHENTICATED"
        assert (await http.get(f"{served.url}/tasks/resubscribe?id=t1")).status_code == 401
        assert (await http.get(f"{served.url}/.well-known/agent-card.json")).status_code == 200


async def test_a_key_is_taken_as_a_header_and_as_a_bearer_token(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann = await served.customer("ann")
        await ann.begins("t1")
        for headers in ({"X-API-Key": ann.key}, {"Authorization": f"bearer {ann.key}"}):
            body = request("tasks/get", "t1")
            told = await http.post(f"{served.url}/", json=body, headers=headers)
            assert told.json()["result"]["id"] == "t1"


async def test_keys_that_are_wrong_revoked_or_expired_are_refused(
    settings: Settings, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "KEYS_FRESH", 0.0)  # as if its time were over already
    async with front(settings, http) as served:
        credentials = served.node.manager.credentials
        ann = await served.customer("ann")
        assert "result" in await ann.asks("ListTasks", V1)
        [kept] = await credentials.all()
        swapped = ann.key[:-3] + ("abc" if not ann.key.endswith("abc") else "abd")
        late, expired = make_key(name="", subject="ann", role=Role.CUSTOMER, seconds=-1)
        await credentials.put(expired)
        assert await credentials.remove(kept.id)
        for key in (swapped, late, ann.key, "a2a_", "nonsense", "a2a_0123456789ab_" + "x" * 43):
            answer = await Customer(http, served.url, key).post(request("tasks/get", "t1"))
            assert answer.status_code == 401, key


async def test_only_digests_of_keys_are_stored(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann = await served.customer("ann")
        store = served.node.manager._store
        [kept] = await served.node.manager.credentials.all()
        stored = await store.call("HGETALL", served.node.manager.keys.api_key(kept.id))
        assert ann.key.rpartition("_")[2].encode() not in b" ".join(stored)


async def test_a_ticket_opens_one_task_to_an_event_source(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann = await served.customer("ann")
        for task in ("t1", "t2"):
            await ann.begins(task, "go")
        given = (await ann.post({"id": "t1"}, "/auth/ticket")).json()
        assert given["expiresIn"] == 60
        query = f"id=t1&ticket={given['ticket']}"
        told = await http.get(f"{served.url}/tasks/resubscribe?{query}")
        assert told.status_code == 200
        assert '"state":"completed"' in told.text
        assert "done for ann" in told.text
        other = await http.get(f"{served.url}/tasks/resubscribe?id=t2&ticket={given['ticket']}")
        assert other.json()["error"]["code"] == -32001
        # It opens nothing else, neither as a bearer token nor in another path's query.
        holder = Customer(http, served.url, given["ticket"])
        assert (await holder.post(request("tasks/get", "t1"))).status_code == 401
        rest = await http.get(f"{served.url}/v1/tasks/t1?ticket={given['ticket']}", headers=V1)
        assert rest.status_code == 401


async def test_a_ticket_whose_time_is_over_is_refused(
    settings: Settings, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front(settings, http) as served:
        ann = await served.customer("ann")
        await ann.begins("t1", "go")
        secret = await served.node.manager.credentials.secret()
        with monkeypatch.context() as clock:
            clock.setattr(tokens.time, "time", lambda: time.time_ns() / 1e9 - 100)
            late = tokens.ticket(secret, Caller("ann"), task="t1", seconds=60)
        good = tokens.ticket(secret, Caller("ann"), task="t1", seconds=60)
        stranger = tokens.ticket(
            b"another secret, as long as it takes", Caller("ann"), task="t1", seconds=60
        )
        for ticket, status in ((good, 200), (late, 401), (stranger, 401), ("x", 401)):
            told = await http.get(f"{served.url}/tasks/resubscribe?id=t1&ticket={ticket}")
            assert told.status_code == status


async def test_a_service_acts_for_the_customer_that_its_token_names(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        ann, shop = await served.customer("ann"), await served.customer("shop", Role.SERVICE)
        given = (await shop.post({"customer": "ann"}, "/auth/token")).json()
        acting = {"Authorization": f"Bearer {given['token']}"}
        body = request("tasks/send", "t1", message("go"))
        told = await http.post(f"{served.url}/", json=body, headers=acting)
        assert told.json()["result"]["status"]["message"]["parts"][0]["text"] == "done for ann"
        assert "result" in await ann.asks("GetTask", V1, id="t1")
        assert "error" in await shop.asks("GetTask", V1, id="t1")
        assert await served.audit() == [("shop", "service", "act for", "*", "ann")]
        # Neither a customer, nor who acts already, gets such a token; and it must name somebody.
        assert (await ann.post({"customer": "bob"}, "/auth/token")).status_code == 403
        again = await http.post(
            f"{served.url}/auth/token", json={"customer": "bob"}, headers=acting
        )
        assert again.status_code == 403
        for wrong in ({}, {"customer": ""}, {"customer": 1}, []):
            assert (await shop.post(wrong, "/auth/token")).status_code == 400


async def test_without_authentication_there_are_no_tokens_to_give(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http, auth_keys=False) as served:
        for path in ("/auth/ticket", "/auth/token"):
            answer = await http.post(f"{served.url}{path}", json={"id": "t1"})
            assert answer.status_code == 400
            assert "no token is needed" in answer.text


@pytest.mark.parametrize("secret", [None, "a secret that both were given, not the Redis one"])
async def test_an_agent_acts_for_its_customer_at_another_agent(
    settings: Settings, http: httpx2.AsyncClient, secret: str | None
) -> None:
    changed: dict[str, Any] = {} if secret is None else {"auth_secret": tokens_secret(secret)}
    async with front(settings, http, **changed) as specialist:
        page = example("docs/authentication.md", "acting")
        page["FrontDeskAgent"].run.__globals__["BACK_OFFICE"] = specialist.url
        node = Node(
            [page["FrontDeskAgent"]()],
            specialist.node.settings.model_copy(
                # With a secret that both know they needn't share a Redis' keys.
                update={} if secret is None else {"key_prefix": "elsewhere:"}
            ),
        )
        async with serving(node_app(node, {"": node.agents[0]})) as served:
            key, kept = make_key(name="", subject="ann", role=Role.CUSTOMER, seconds=60)
            await node.manager.credentials.put(kept)
            ann = Customer(http, served.url, key)
            told = await ann.begins("t1", "go")
            assert told["status"]["message"]["parts"][0]["text"] == "done for ann"
        at_specialist = await specialist.customer("ann")
        assert "result" in await at_specialist.asks("GetTask", V1, id="child-of-t1")


def tokens_secret(text: str) -> object:
    """A secret as settings hold it."""
    return Settings(auth_secret=text).auth_secret  # pyright: ignore[reportArgumentType] - as from the environment


async def test_a_secret_that_redis_has_lost_is_made_anew_for_all(
    settings: Settings, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "_SECRET_PAUSE", 0.0)  # as if it were read long ago
    async with front(settings, http) as one, front(settings, http) as two:
        ann = await one.customer("ann")
        await ann.begins("t1", "go")
        await one.node.manager._store.call("DEL", one.node.manager.keys.secret)
        two.node.authenticator._secret_read = float("-inf")
        other = Customer(http, two.url, ann.key)
        ticket = (await other.post({"id": "t1"}, "/auth/ticket")).json()["ticket"]
        for served in (two, one):
            told = await http.get(f"{served.url}/tasks/resubscribe?id=t1&ticket={ticket}")
            assert told.status_code == 200


async def test_many_keys_at_once_are_told_apart(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        customers = [await served.customer(f"c{n}") for n in range(20)]
        told = await asyncio.gather(*(one.begins("t1", "go") for one in customers))
        assert [task["status"]["message"]["parts"][0]["text"] for task in told] == [
            f"done for c{n}" for n in range(20)
        ]
