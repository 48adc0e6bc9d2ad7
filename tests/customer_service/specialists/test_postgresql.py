"""Specialists over a real PostgreSQL."""

from __future__ import annotations

from datetime import date

from a2a_streaming.client import Client
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.settings import Settings
from customer_service.platforms import served
from customer_service.records.databases import Filled
from customer_service.specialists.talking import Customer


async def test_a_booking_is_made_cancelled_and_a_charge_refunded_on_postgresql(
    settings: Settings, postgresql_url: str, filled: Filled
) -> None:
    url = await filled.postgresql(postgresql_url, "specialists", date.today())
    platform = Platform(settings.model_copy(update={"database_url": url}), "", only=("booking", "billing"))  # fmt: skip
    await platform.start()
    try:
        async with (
            served(platform.agents, settings) as address,
            Client(f"{address}/agents/booking") as booking,
            Client(f"{address}/agents/billing") as billing,
        ):
            customer = Customer(booking)
            await customer.asked("Book a hotel in Rome for two nights in 3 weeks")
            await customer.asked("the first one")
            made = (await customer.says("yes")).shown("booking")[1]
            customer = Customer(booking, "t2")
            await customer.asked(f"cancel {made['booking']}")
            assert (await customer.says("yes")).state == "completed"
            customer = Customer(billing, "t3")
            await customer.asked("refund the seat choice")
            assert (await customer.says("yes")).text.startswith("Done! €9.00")
    finally:
        await platform.stop()
