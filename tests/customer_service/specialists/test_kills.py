"""A refund is paid once, whatever is killed when: here the process, between the yes and the answer."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import date
from pathlib import Path

import pytest

from a2a_streaming.client import Client
from a2a_streaming.customer_service.records import SqlRecords
from customer_service.platforms import text_of
from customer_service.records.databases import Filled
from customer_service.specialists.talking import Customer
from processes import started
from tasks import until

AGENT = "apps.billing_desk:agent"


async def test_a_refund_whose_process_is_killed_before_it_answers_is_paid_once(
    tmp_path: Path, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, data = tmp_path / "notes", tmp_path / "data"
    url = await filled.sqlite(tmp_path / "records.db", date.today())
    monkeypatch.setenv("DESK_NOTES", str(notes))
    monkeypatch.setenv("DESK_RECORDS", url)
    with started("serve", AGENT, data_dir=data, A2A_LEASE_SECONDS="1") as first:
        async with Client(first.url) as client:
            asked = await Customer(client).asked("refund the seat on INV-20417")
            async with aclosing(client.send_subscribe("t1", "yes")) as events:
                await anext(events)
                await until(_exists(notes))  # it is paid, and nobody has been told
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(20)
    notes.with_suffix(".leave").touch()
    with started("serve", AGENT, data_dir=data, A2A_LEASE_SECONDS="1") as second:
        async with Client(second.url) as client:
            after = asked.events[-1].position
            told = [event async for event in client.resubscribe("t1", after)]
    assert told[-1].state == "completed"
    assert text_of(told[-1]).startswith("Done! €9.00 for Seat choice")
    [first_key, second_key] = notes.read_text().split()  # asked for twice, with one key
    assert first_key == second_key
    records = SqlRecords(url)
    [invoice] = [i for i in await records.billing.invoices(1) if i.number == "INV-20417"]
    await records.aclose()
    [refund] = invoice.refunds
    assert refund.amount_cents == 900
    assert refund.id in text_of(told[-1])


def _exists(path: Path) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        return await asyncio.to_thread(path.exists)

    return is_there
