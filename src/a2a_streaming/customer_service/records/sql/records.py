"""The systems of record in an SQL database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy import URL, bindparam, select
from sqlalchemy.orm import Session

from a2a_streaming.customer_service.records.entities import Customer
from a2a_streaming.customer_service.records.sql import demo, rows
from a2a_streaming.customer_service.records.sql.billing import SqlBilling
from a2a_streaming.customer_service.records.sql.bookings import SqlBookings
from a2a_streaming.customer_service.records.sql.database import Database
from a2a_streaming.customer_service.records.sql.engines import Engine
from a2a_streaming.customer_service.records.sql.personal import SqlPersonalData
from a2a_streaming.customer_service.records.sql.prepare import prepare
from a2a_streaming.customer_service.records.sql.subscriptions import SqlSubscriptions
from a2a_streaming.customer_service.records.sql.tables import CustomerRow, columns
from a2a_streaming.customer_service.records.sql.tickets import SqlTickets
from a2a_streaming.customer_service.records.systems import (
    Billing,
    Bookings,
    Customers,
    PersonalData,
    Subscriptions,
)
from a2a_streaming.customer_service.records.tickets import Tickets

_DEMO = demo.CUSTOMERS[0][0]
"""Subject of the customer who stands for everybody while authentication is off."""
_BY_SUBJECT = select(*columns(CustomerRow)).where(CustomerRow.subject == bindparam("subject"))


class SqlRecords:
    """The systems of record of one company in an SQL database: SQLite, or PostgreSQL.

    The tables are made, and brought up to date, when it is opened; several processes may do that at once.
    A part can be replaced by one of your own: `records.customers = OurCustomers()`.

    Args:
        url: An SQLAlchemy URL, for example `sqlite:///records.db` or `postgresql://localhost/records`.
        filled: Whether tables without any customer are filled with those of a demo company.
        today: Tells the day.

    Raises:
        InvalidSetting: The URL is none.
    """

    def __init__(
        self, url: str | URL, *, filled: bool = True, today: Callable[[], date] = date.today
    ) -> None:
        async def make_ready(engine: Engine) -> None:
            await prepare(engine, filled=filled, today=today())

        database = Database(url, prepare=make_ready, today=today)
        self._database = database
        self.customers: Customers = SqlCustomers(database)
        """Who the customers are."""
        self.bookings: Bookings = SqlBookings(database)
        """What they have booked, and what can be."""
        self.billing: Billing = SqlBilling(database)
        """What they were billed, what they paid, and what they got back."""
        self.subscriptions: Subscriptions = SqlSubscriptions(database)
        """What they have subscribed to."""
        self.tickets: Tickets = SqlTickets(database)
        """What waits for a person."""
        self.personal: PersonalData = SqlPersonalData(database)
        """What is told and deleted of a customer."""

    def today(self) -> date:
        """Return the day it is."""
        return self._database.today()

    async def open(self) -> None:
        """Make the tables, and fill them if they are to be.

        Raises:
            InvalidSetting: The URL's driver isn't installed.
            SetupError: The database can't be reached.
        """
        await self._database.open()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._database.aclose()


class SqlCustomers:
    """Who the customers are, in an SQL database; see `Customers` for what is promised.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_subject(self, subject: str) -> Customer | None:
        """Return the customer whom a task's owner names."""

        def look(session: Session) -> Customer | None:
            row = session.execute(_BY_SUBJECT, {"subject": subject or _DEMO}).one_or_none()
            return rows.customer(row) if row is not None else None

        return await self._database.read(look)

    async def demo(self) -> Sequence[Customer]:
        """Return the customers whom documentation and tests know, the one first who stands for everybody."""
        subjects = [subject for subject, *_ in demo.CUSTOMERS]
        wanted = select(*columns(CustomerRow)).where(CustomerRow.subject.in_(subjects))
        found = await self._database.read(
            lambda session: [rows.customer(row) for row in session.execute(wanted)]
        )
        found.sort(key=lambda customer: subjects.index(customer.subject))
        return found if found and found[0].subject == _DEMO else []

    async def get(self, customer_id: int) -> Customer | None:
        """Return a customer by their number."""
        wanted = select(*columns(CustomerRow)).where(CustomerRow.id == customer_id)

        def look(session: Session) -> Customer | None:
            row = session.execute(wanted).one_or_none()
            return rows.customer(row) if row is not None else None

        return await self._database.read(look)
