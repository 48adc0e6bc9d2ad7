"""The systems of record, as what keeps something of customers: it is told and deleted with their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a2a_streaming.customer_service.records import PersonalData, Records
from a2a_streaming.errors import UnsupportedOperation
from a2a_streaming.task import Json


class RecordsKeeper:
    """Tells and deletes what the systems of record keep of a customer.

    Args:
        records: The systems of record.
    """

    name = "records"

    def __init__(self, records: Records) -> None:
        self._records = records

    def check(self) -> None:
        """Check that they can tell and delete it.

        Raises:
            UnsupportedOperation: They lack `personal`.
        """
        _ = self._personal

    async def export(self, owner: str) -> Sequence[tuple[str, Json]]:
        """Return all that they keep of a customer."""
        return await self._personal.export(owner)

    async def erase(self, owner: str, tasks: Sequence[str]) -> Mapping[str, int]:
        """Delete all that they keep of a customer."""
        return await self._personal.erase(owner, tasks)

    @property
    def _personal(self) -> PersonalData:
        found = getattr(self._records, "personal", None)
        if not isinstance(found, PersonalData):
            raise UnsupportedOperation(
                "The systems of record can't tell what they keep of a customer, nor delete it: they lack `personal`. "
                "docs/customers-data.md says what that is."
            )
        return found
