"""The Billing Agent, over records that pay a refund and then hesitate until they are told to go on."""

import asyncio
import os
from pathlib import Path
from typing import Any

from a2a_streaming.customer_service.billing import BillingAgent
from a2a_streaming.customer_service.records import Refund, SqlRecords
from a2a_streaming.customer_service.records.sql.billing import SqlBilling

_NOTES = Path(os.environ.get("DESK_NOTES", "desk"))
"""Gets a line for each refund that was asked for; beside it `.leave` lets them go on."""


class HesitantBilling(SqlBilling):
    """Pays, and takes its time before it says so: a kill finds it between the payment and the answer."""

    async def refund(self, *args: Any, **kwargs: Any) -> Refund:
        paid = await super().refund(*args, **kwargs)
        await asyncio.to_thread(self._note, kwargs["idempotency_key"])
        while not await asyncio.to_thread(_NOTES.with_suffix(".leave").exists):
            await asyncio.sleep(0.01)
        return paid

    def _note(self, key: str) -> None:
        with _NOTES.open("a") as notes:
            notes.write(f"{key}\n")


records = SqlRecords(os.environ.get("DESK_RECORDS", "sqlite:///desk.db"))
records.billing = HesitantBilling(records._database)
agent = BillingAgent(records)
