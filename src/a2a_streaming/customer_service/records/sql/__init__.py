"""The systems of record in an SQL database, through SQLAlchemy; `SqlRecords` is the door."""

from __future__ import annotations

from a2a_streaming.customer_service.records.sql.records import SqlRecords

__all__ = ["SqlRecords"]
