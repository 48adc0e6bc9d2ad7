"""A customer of the whole platform is exported and deleted, down to the books; where the books can't, nothing is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import redis.asyncio

from a2a_streaming.caller import DEMO_HEADER
from a2a_streaming.chain import verify
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.customer_service.records import Records, SqlRecords
from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.ops import Operations
from a2a_streaming.settings import Settings
from conftest import serving
from customer_service.records.databases import Filled
from streams import message, request

MIA = {DEMO_HEADER: "mia"}


@asynccontextmanager
async def platform(settings: Settings, records: Records) -> AsyncIterator[str]:
    """The Billing Agent over some books, with the operators' API; gives its address."""
    # In a thread: what is made when a process starts may read files.
    made = await asyncio.to_thread(Platform, settings, "", only=("billing",), records=records)
    node = Node(made.agents, settings)
    routes = Operations(node, made.keepers).routes()
    await made.start()
    async with serving(node_app(node, {"": made.agents[0]}, more=routes)) as served:
        yield served.url
    await made.stop()


async def test_a_customer_is_exported_and_deleted_with_what_the_books_say_of_them(
    settings: Settings,
    http: httpx2.AsyncClient,
    raw: redis.asyncio.Redis,
    filled: Filled,
    tmp_path: Path,
) -> None:
    records = SqlRecords(await filled.sqlite(tmp_path / "records.db", date(2027, 3, 1)))
    async with platform(settings, records) as url:
        asks = request("tasks/send", "t1", message("What's my balance?"))
        assert "result" in (await http.post(url, json=asks, headers=MIA)).json()
        export = f"{url}/ops/api/customer"
        told = verify((await http.get(export, params={"owner": "mia"})).content.splitlines(True))
        kinds = {one["what"] for one in told.entries if one["kind"] == "record"}
        assert {"customers", "bookings", "invoices"} <= kinds
        assert len([one for one in told.entries if one["kind"] == "task"]) == 1
        erased = (await http.post(f"{export}/erase", json={"owner": "mia"})).json()
        assert erased["tasks"] == 1
        assert erased["records"]["records"]["customers"] == 1
        assert await records.customers.by_subject("mia") is None
        assert await records.customers.by_subject("jonas") is not None


class Untold:
    """Books that can't tell what they keep of a customer."""

    def __init__(self, records: SqlRecords) -> None:
        self._records = records

    def __getattr__(self, name: str) -> Any:
        if name == "personal":
            raise AttributeError(name)
        return getattr(self._records, name)


async def test_where_the_books_cannot_delete_it_nothing_is_deleted(
    settings: Settings,
    http: httpx2.AsyncClient,
    raw: redis.asyncio.Redis,
    filled: Filled,
    tmp_path: Path,
) -> None:
    books: Any = Untold(SqlRecords(await filled.sqlite(tmp_path / "records.db", date(2027, 3, 1))))
    async with platform(settings, books) as url:
        asks = request("tasks/send", "t1", message("What's my balance?"))
        await http.post(url, json=asks, headers=MIA)
        export = f"{url}/ops/api/customer"
        answers: Sequence[httpx2.Response] = [
            await http.get(export, params={"owner": "mia"}),
            await http.post(f"{export}/erase", json={"owner": "mia"}),
        ]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert all("personal" in answer.text for answer in answers)
        assert await raw.exists("index:owner:mia")
