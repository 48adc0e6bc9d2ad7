"""Systems of one's own in the place of the database: the example in the documentation runs."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from a2a_streaming import Agent
from a2a_streaming.client import Client
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.errors import InvalidSetting
from a2a_streaming.settings import Settings
from customer_service.platforms import served
from customer_service.specialists.talking import Customer
from test_docs import blocks

PAGE = "docs/connect-your-systems.md"


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's example, saved as it says, with a member who stands for everybody."""
    [code] = blocks(PAGE, "python company")
    (tmp_path / "company.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUB", str(tmp_path / "club.db"))
    monkeypatch.setenv("CLUB_RECORDS", f"sqlite:///{tmp_path / 'records.db'}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "company", raising=False)
    return tmp_path


async def test_the_examples_company_sells_its_own_plans(settings: Settings, company: Path) -> None:
    own = settings.model_copy(update={"records": "company:records"})
    platform = await asyncio.to_thread(Platform, own, "", only=("billing",))
    with closing(sqlite3.connect(company / "club.db")) as database, database:
        database.execute("INSERT INTO members VALUES (7, '', 'Kim Park', 'silver', '2099-01-01')")
    await platform.start()
    agents: list[Agent] = platform.agents
    try:
        async with (
            served(agents, settings) as url,
            Client(f"{url}/agents/billing") as client,
        ):
            customer = Customer(client)
            asked = await customer.asked("Upgrade my subscription to gold")
            assert asked.data["quote"]["chargeCents"] == 14400
            done = await customer.says("yes")
            assert "You have Club Gold (€12.00 a month" in done.text
            refused = await Customer(client, "t2").says("cancel my subscription")
            assert "end by themselves" in refused.text
        change = platform.records.subscriptions.change
        for _ in range(2):
            again = await change(7, "silver", 6000, idempotency_key="k")
            assert again.subscription.plan.id == "silver"
    finally:
        await platform.stop()
    with closing(sqlite3.connect(company / "club.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM changes").fetchone() == (2,)


def test_systems_that_cannot_be_loaded_are_a_wrong_setting(company: Path) -> None:
    for target in ("company:nothing", "nosuchmodule:records", "company", "company:PLANS"):
        with pytest.raises(InvalidSetting, match="A2A_RECORDS"):
            Platform(Settings(records=target), "", only=("billing",))
