"""Who may use the pages' stream: by a credential, by a ticket or, without authentication, as a demo customer."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from a2a_streaming.caller import Role
from a2a_streaming.settings import Settings
from a2a_streaming.web import rights
from auth.signing_in import V1
from issuers import issuing
from keyholders import key_for
from web.browsing import Counter, Dictated, Site, site

DEMO = "A2A-Demo-Customer"


async def ticket(served: Site, key: dict[str, str], body: Any) -> httpx2.Response:
    return await served.http.post(f"{served.url}/auth/ticket", json=body, headers=key)


async def test_a_ticket_opens_the_tasks_and_topics_that_it_names_and_no_others(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, topics=[Counter()], auth_keys=True) as served:
        ann = {"x-api-key": await key_for(served.node, "ann")}
        bob = {"x-api-key": await key_for(served.node, "bob")}
        names = [f"t{number:099}" for number in range(200)]
        await served.begin(names[0], "go", **ann)
        await served.begin("other", "go", **ann)
        await served.begin("bobs", "go", **bob)
        given = await ticket(served, ann, {"tasks": names, "topics": ["counter"]})
        assert given.json()["expiresIn"] == 60
        query = f"?ticket={given.json()['ticket']}"
        for _ in range(2):  # for as many connections as that
            async with served.stream({names[0]: None}, {"counter": None}, query) as stream:
                told = {(await stream.next()).event for _ in range(3)}  # pyright: ignore[reportOptionalMemberAccess]
                assert "counter" in told
        whole = await served.ask({"tasks": dict.fromkeys(names)}, query)
        assert whole.text.count("event: gone") == 199
        for body in (
            {"tasks": {"other": None}},
            {"tasks": {names[0]: None, "other": None}},
            {"tasks": {names[0]: None}, "topics": {"another": None}},
        ):
            assert (await served.ask(body, query)).status_code == 401
        only = (await ticket(served, ann, {"tasks": [names[0]]})).json()["ticket"]
        refused = await served.ask({"topics": {"counter": None}}, f"?ticket={only}")
        assert refused.status_code == 401
        stolen = (await ticket(served, bob, {"tasks": ["other"]})).json()["ticket"]
        told = await served.ask({"tasks": {"other": None}}, f"?ticket={stolen}")
        assert (
            told.text.count("event: ") == told.text.count("event: gone") == 1
        )  # there is none of bob's
        one = (await ticket(served, ann, {"id": "other"})).json()["ticket"]
        assert "done" in (await served.ask({"tasks": {"other": None}}, f"?ticket={one}")).text
        several = (await ticket(served, ann, {"tasks": ["other"]})).json()["ticket"]
        source = f"{served.url}/tasks/resubscribe?id=other&ticket={several}"
        assert (await http.get(source)).status_code == 401  # it is for the pages' stream
        for wrong in (
            {"tasks": "other"},
            {"tasks": [1]},
            {"tasks": ["x" * 200]},
            {"tasks": ["no id"]},
            {"tasks": [*names, "one more"]},
            {"tasks": ["other"], "more": 1},
        ):
            assert (await ticket(served, ann, wrong)).status_code == 400, wrong
        assert (await served.ask({"tasks": {"other": None}}, "?ticket=nonsense")).status_code == 401


@pytest.mark.parametrize("by_ticket", [False, True], ids=["by key", "by ticket"])
async def test_a_stream_ends_soon_after_its_key_is_revoked(
    settings: Settings,
    http: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    by_ticket: bool,
) -> None:
    monkeypatch.setattr(rights, "_EVERY", 0.02)
    counter = Counter()
    async with site(settings, http, topics=[counter], auth_keys=True) as served:
        key = await key_for(served.node, "ann")
        other = {"x-api-key": await key_for(served.node, "ann")}
        by, query = {"x-api-key": key}, ""
        if by_ticket:
            given = await ticket(served, by, {"topics": ["counter"]})
            by, query = {}, f"?ticket={given.json()['ticket']}"
        async with (
            served.stream({}, {"counter": None}, query, **by) as stream,
            served.stream({}, {"counter": None}, **other) as stays,
        ):
            await stream.next()
            await stays.next()
            await served.node.manager.credentials.remove(key.split("_")[1])
            assert await stream.rest() == []
            counter.count()
            assert (await stays.next()) is not None


async def test_a_stream_ends_with_the_token_or_the_link_by_which_it_was_opened(
    settings: Settings, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "_EVERY", 0.02)
    async with site(
        settings, http, [Dictated()], topics=[Counter()], auth_keys=True, auth_link_seconds=0.1
    ) as served:
        ann = {"x-api-key": await key_for(served.node, "ann")}
        await served.begin("t1", "a", **ann)
        link = await http.post(f"{served.url}/auth/link", json={"id": "t1"}, headers=ann)
        by = {"authorization": f"Bearer {link.json()['token']}"}
        told = await served.ask({"tasks": {"t1": None}}, **by)
        assert "event: task" in told.text  # and it has ended, though the task hasn't


async def test_a_link_opens_its_one_task_and_no_topic(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, topics=[Counter()], auth_keys=True) as served:
        ann = {"x-api-key": await key_for(served.node, "ann")}
        for task in ("t1", "t2"):
            await served.begin(task, "go", **ann)
        link = await http.post(f"{served.url}/auth/link", json={"id": "t1"}, headers=ann)
        by = {"authorization": f"Bearer {link.json()['token']}"}
        told = await served.ask({"tasks": {"t1": None, "t2": None}}, **by)
        assert told.text.count("event: gone") == 1
        assert "id: t1@" in told.text
        assert (await served.ask({"topics": {"counter": None}}, **by)).status_code == 403
        assert (await ticket(served, by, {"tasks": ["t1", "t2"]})).status_code == 404
        own = (await ticket(served, by, {"tasks": ["t1"]})).json()["ticket"]
        assert "id: t1@" in (await served.ask({"tasks": {"t1": None}}, f"?ticket={own}")).text


async def test_a_page_learns_how_people_sign_in_and_who_has(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async def ask(url: str, **headers: str) -> Any:
        return (await http.get(f"{url}/web/session", headers=headers)).json()

    async with site(settings, http, auth_keys=True) as served:
        nobody = {
            "authentication": True,
            "signedIn": False,
            "name": None,
            "owner": None,
            "role": None,
            "task": None,
            "issuer": None,
            "customers": [],
        }
        assert await ask(served.url) == nobody
        assert await ask(served.url, authorization="Bearer nonsense") == nobody
        key = await key_for(served.node, "Ann Ä <ann@shop>", Role.AGENT)
        assert await ask(served.url, authorization=f"Bearer {key}") == {
            **nobody,
            "signedIn": True,
            "name": "Ann Ä <ann@shop>",
            "owner": "Ann%20%C3%84%20%3Cann@shop%3E",
            "role": "agent",
        }


async def test_a_page_learns_of_the_issuer(settings: Settings, http: httpx2.AsyncClient) -> None:
    async with (
        issuing() as issuer,
        site(settings, http, auth_issuer=issuer.url, auth_audience="support") as served,
    ):
        told = (await http.get(f"{served.url}/web/session")).json()
        assert (told["authentication"], told["issuer"]) == (True, issuer.url)


async def test_demo_customers_have_tasks_of_their_own(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, [Dictated()]) as served:
        names = {"mia": {DEMO: "mia"}, "jonas": {DEMO: "jonas"}, "": {}}
        for by in names.values():
            await served.begin("t1", "hello", **by)
        for name, by in names.items():
            listed = await http.get(f"{served.url}/v1/tasks", headers={**V1, **by})
            assert [one["id"] for one in listed.json()["tasks"]] == ["t1"]
            told = await http.get(f"{served.url}/web/session", headers=by)
            assert told.json()["name"] == name
            assert told.json()["role"] == ("customer" if name else "operator")
        await served.begin("mias", "x", **names["mia"])
        told = await served.ask({"tasks": {"mias": None}}, **names["jonas"])
        assert "event: gone" in told.text
        got = await http.get(f"{served.url}/v1/tasks/mias", headers={**V1, **names["jonas"]})
        assert got.status_code == 404
        for wrong in ("Mia", "", "a b", "m" * 65, "mia~1"):
            refused = await served.ask({"tasks": {"t1": None}}, **{DEMO: wrong})
            assert refused.status_code == 400, wrong


async def test_whoever_sits_at_the_machine_sees_all_demo_customers_tasks_by_stored_ids(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http) as served:
        await served.begin("t1", "go", **{DEMO: "mia"})
        index = served.node.manager.index
        [(_, stored)] = await index.tasks([("owner", "mia")], changed_after=None)
        assert stored != "t1"
        told = await served.ask({"tasks": {stored: None}})
        assert f"id: {stored}@" in told.text
        other = await served.ask({"tasks": {stored: None}}, **{DEMO: "jonas"})
        assert "event: gone" in other.text


async def test_with_authentication_nobody_is_a_demo_customer(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with site(settings, http, auth_keys=True) as served:
        ann = {"x-api-key": await key_for(served.node, "ann")}
        await served.begin("t1", "go", **ann)
        for by in ({DEMO: "ann"}, {"authorization": "Bearer demo.ann"}):
            assert (await served.ask({"tasks": {"t1": None}}, **by)).status_code == 401
        bob = {"x-api-key": await key_for(served.node, "bob"), DEMO: "ann"}
        assert "event: gone" in (await served.ask({"tasks": {"t1": None}}, **bob)).text


@pytest.mark.parametrize("keys", [False, True], ids=["open", "keys"])
async def test_only_our_own_pages_use_what_pages_use(
    settings: Settings, http: httpx2.AsyncClient, keys: bool
) -> None:
    shop, elsewhere = "https://shop.example", "https://elsewhere.example"
    async with site(settings, http, auth_keys=keys, cors_origins=[shop]) as served:
        by = {"x-api-key": await key_for(served.node, "ann")} if keys else {}
        await served.begin("t1", "go", **by)
        for origin, site_of, welcome in (
            (served.url, "same-origin", True),
            (None, None, True),
            (None, "same-origin", True),
            (None, "none", True),
            (shop, "cross-site", True),
            (elsewhere, "cross-site", False),
            ("null", "cross-site", False),
            (None, "cross-site", False),
            (None, "same-site", False),
        ):
            said = {"origin": origin, "sec-fetch-site": site_of}
            headers = {**by, **{name: value for name, value in said.items() if value}}
            told = await served.ask({"tasks": {"t1": None}}, **headers)
            assert told.status_code == (200 if welcome else 403), said
            told = await http.get(f"{served.url}/web/session", headers=headers)
            assert told.status_code == (200 if welcome else 403), said
