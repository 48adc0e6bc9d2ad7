"""The examples in docs/agents.md run, and keep what the page promises."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx2

from a2a_streaming import create_app
from a2a_streaming.settings import Settings
from conftest import serving
from streams import called, message, states
from test_docs import example


async def test_the_refund_example_pays_and_streams_a_receipt(
    settings: Settings, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    page = example("docs/agents.md", "refund")
    page["RefundAgent"].run.__globals__["LEDGER"] = ledger = tmp_path / "refunds.db"
    app = create_app(page["RefundAgent"](), settings=settings)
    async with serving(app) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("A-7"))
    assert states(told) == ["submitted", "working", "completed"]
    chunks = [frame.data["artifact"]["parts"] for frame in told if "artifact" in frame.data]
    assert "".join(part["text"] for parts in chunks for part in parts) == "Refunded: A-7"
    with sqlite3.connect(ledger) as paid:
        [(key, order)] = paid.execute("SELECT key, order_id FROM paid").fetchall()
    assert key.startswith("t1:")
    assert key.endswith(":refund")
    assert order == "A-7"


async def test_the_relay_example_tells_all_it_relays(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    app = create_app(example("docs/agents.md", "relay")["NewsAgent"](), settings=settings)
    async with serving(app) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("go"))
    said = [
        f.data["status"]["message"]["parts"][0]["text"]
        for f in told
        if "message" in f.data["status"]
    ]
    assert said[-3:] == ["rain", "sun", "snow"]
