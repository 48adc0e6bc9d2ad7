"""The platform's pages and demo customers, as one command serves them."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import httpx2

from auth.signing_in import V1
from customer_service.records.databases import Filled
from processes import started
from streams import message, request
from tasks import until

DEMO = "A2A-Demo-Customer"
BALANCE = "What's my account balance?"


async def ends(http: httpx2.AsyncClient, url: str, task: str, text: str, **by: str) -> Any:
    """What a task says at its turn's end."""
    body = request("tasks/send", task, message(text))
    told = (await http.post(f"{url}/", json=body, headers=by)).json()["result"]["status"]
    return "".join(part.get("text", "") for part in told["message"]["parts"])


async def listed(http: httpx2.AsyncClient, url: str, agent: str, **by: str) -> list[Any]:
    """The tasks that an agent lists for a customer."""
    found = await http.get(f"{url}/agents/{agent}/v1/tasks", headers={**V1, **by})
    return found.json()["tasks"]


async def test_pages_are_served_and_demo_customers_keep_to_themselves_down_to_the_specialists(
    tmp_path: Path, http: httpx2.AsyncClient, filled: Filled
) -> None:
    await filled.sqlite(tmp_path / "data" / "records.db", date.today())
    with started("up", data_dir=tmp_path / "data") as up:
        url = up.url
        for path in ("/", "/console", "/ops"):
            page = await http.get(f"{url}{path}", headers={"accept": "text/html"})
            assert page.headers["content-type"].startswith("text/html"), path
            for used in ("/web/theme.css", f"/{path.strip('/') or 'chat'}/"):
                assert f'"{used}' in page.text, path
        assert (await http.get(f"{url}/web/theme.css")).status_code == 200

        session = (await http.get(f"{url}/web/session")).json()
        assert not session["authentication"]
        assert session["customers"][0] == {"subject": "", "name": "Alex Hartmann"}
        assert [one["subject"] for one in session["customers"]] == ["", "mia", "jonas", "priya"]

        mia, jonas = {DEMO: "mia"}, {DEMO: "jonas"}
        said = await asyncio.gather(
            *(ends(http, url, "t1", BALANCE, **by) for by in ({}, mia, jonas))
        )
        assert len(set(said)) == 3  # each was told of their own account
        for agent in ("intent", "billing"):
            for by in ({}, mia, jonas):
                assert len(await listed(http, url, agent, **by)) == 1, (agent, by)
            assert not await listed(http, url, agent, **{DEMO: "priya"})

        await ends(http, url, "t2", "I want to talk to a human", **mia)

        async def waiting() -> list[Any]:
            return (await http.get(f"{url}/handover/queue")).json()["waiting"]

        [ticket] = await until(waiting)
        desk = f"{url}/handover/{ticket['ticket']}"
        assert (await http.post(f"{desk}/claim", json={"name": "Maria"})).status_code == 200
        answer = {"name": "Maria", "text": "Hello, Mia."}
        assert (await http.post(f"{desk}/reply", json=answer)).status_code == 200
        for task, by in ((ticket["task"], {}), ("t2", mia)):
            body = {"tasks": {task: None}}
            async with http.stream("POST", f"{url}/web/events", json=body, headers=by) as response:
                seen = ""
                async for chunk in response.aiter_text():
                    seen += chunk
                    if "Hello, Mia." in seen:
                        break
            assert f"id: {task}@" in seen
