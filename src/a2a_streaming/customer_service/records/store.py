"""The systems of record behind one door: an SQL database, through SQLAlchemy.

What changes something takes an idempotency key, and brings about its effect once for each key,
however often and from however many processes it is called: the key is written first, in the same
transaction as the effect, and it is unique.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from a2a_streaming.customer_service.records import quote as quotes
from a2a_streaming.customer_service.records import seed
from a2a_streaming.customer_service.records.models import (
    Base,
    Booking,
    Customer,
    Effect,
    Invoice,
    InvoiceLine,
)
from a2a_streaming.errors import InvalidSetting, SetupError
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_UNUSABLE = (
    "A2A_DATABASE_URL can't be used: {}. Give an async SQLAlchemy URL whose driver is installed, "
    "for example sqlite+aiosqlite:////var/lib/records.db."
)
_TRIES = 10
"""How often tables are made and filled while another process does the same."""


class Records:
    """The customers, bookings and invoices of one company.

    Args:
        url: An async SQLAlchemy URL, for example `sqlite+aiosqlite:///records.db`.
        today: Tells the day.

    Raises:
        InvalidSetting: The URL is none.
    """

    def __init__(self, url: str | URL, *, today: Callable[[], date] = date.today) -> None:
        try:
            self._url = make_url(url)
        except ArgumentError as error:
            raise InvalidSetting(_UNUSABLE.format(error)) from error
        self.today = today
        """Tells the day."""
        self._opening = asyncio.Lock()
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None

    async def open(self) -> None:
        """Make the tables, and fill them with the demo's customers if they are empty.

        Every other method does this first, if need be. Several processes may do it at once.

        Raises:
            InvalidSetting: The URL's driver isn't installed.
            SetupError: The database can't be reached.
        """
        async with self._opening:
            if self._sessions is not None:
                return
            if self._engine is None:
                try:
                    self._engine = await asyncio.to_thread(_engine, self._url)
                except OSError as error:
                    raise self._unreachable(error) from error
            sessions = async_sessionmaker(self._engine, expire_on_commit=False)
            await self._make_tables(self._engine, sessions)
            self._sessions = sessions

    async def _make_tables(
        self, engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
    ) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(Base.metadata.create_all)
                await self._seed(sessions)
            except (DBAPIError, OSError) as error:
                # Another process that makes the same tables shows as any of several errors.
                if attempt == _TRIES or isinstance(error, OSError):
                    raise self._unreachable(error) from error
                await asyncio.sleep(0.02 * attempt)
            else:
                return

    def _unreachable(self, error: Exception) -> SetupError:
        return SetupError(
            f"The database {self._url.render_as_string()} can't be used: {error}. "
            "Check A2A_DATABASE_URL, and that the database runs."
        )

    async def _seed(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        try:
            async with sessions() as session, session.begin():
                if await session.scalar(select(func.count()).select_from(Customer)):
                    return
                session.add_all(seed.customers(self.today()))
        except IntegrityError:
            _log.debug("another process has filled the tables")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            await self._engine.dispose()

    async def customer(self, owner: str) -> Customer | None:
        """Return the customer who owns a task; None if there is none.

        Args:
            owner: The task's owner; empty without authentication, which is the demo's customer.
        """
        subject = owner or seed.DEMO
        async with await self._session() as session:
            return await session.scalar(select(Customer).where(Customer.subject == subject))

    async def balance(self, customer_id: int) -> int:
        """Return what a customer owes, in cents; negative where they have a credit."""
        return sum(invoice.open_cents for invoice in await self.invoices(customer_id))

    async def invoices(self, customer_id: int) -> list[Invoice]:
        """Return a customer's invoices, the newest first."""
        wanted = select(Invoice).where(Invoice.customer_id == customer_id)
        async with await self._session() as session:
            found = await session.scalars(wanted.order_by(Invoice.issued_on.desc(), Invoice.id))
            return list(found)

    async def invoice(self, customer_id: int, number: str) -> Invoice | None:
        """Return one of a customer's invoices; None if there is none of that number."""
        wanted = select(Invoice).where(
            Invoice.customer_id == customer_id, Invoice.number == number.upper()
        )
        async with await self._session() as session:
            return await session.scalar(wanted)

    async def bookings(self, customer_id: int) -> list[Booking]:
        """Return a customer's bookings, by date."""
        wanted = select(Booking).where(Booking.customer_id == customer_id)
        async with await self._session() as session:
            return list(await session.scalars(wanted.order_by(Booking.starts_on, Booking.id)))

    async def quote(self, customer_id: int, ref: str, new: date) -> quotes.Quote:
        """Return what it costs to move a customer's booking to another date.

        Raises:
            BookingNotFound: The customer has no such booking.
            ChangeRefused: That isn't possible.
        """
        async with await self._session() as session:
            booking = await _booking(session, customer_id, ref)
            return quotes.quote(booking, new, self.today())

    async def change_booking(
        self, customer_id: int, ref: str, new: str, total_cents: int, *, idempotency_key: str
    ) -> dict[str, Any]:
        """Move a booking to another date and bill what that costs: once for each key.

        Args:
            customer_id: Whose booking it is.
            ref: Its reference.
            new: The date, ISO 8601.
            total_cents: What the customer agreed to pay.
            idempotency_key: What happens once; calls with the same key return the same.

        Returns:
            The booking as it is now, under `booking`; under `quote` what the change cost, and under
            `invoice` the number of its invoice, None if it cost nothing.

        Raises:
            BookingNotFound: The customer has no such booking.
            ChangeRefused: That isn't possible.
            QuoteChanged: It costs something else than what the customer agreed to.
        """
        try:
            async with await self._session() as session, session.begin():
                effect = Effect(key=idempotency_key, done_at=datetime.now(UTC), result={})
                session.add(effect)
                await session.flush()  # the key first: whoever comes second waits here, and fails
                booking = await _booking(session, customer_id, ref, lock=True)
                today = self.today()
                agreed = quotes.quote(booking, date.fromisoformat(new), today)
                if agreed.total_cents != total_cents:
                    raise quotes.QuoteChanged(agreed)
                booking.starts_on = agreed.new
                invoice = _bill(booking, agreed, today, idempotency_key)
                if invoice is not None:
                    session.add(invoice)
                effect.result = {
                    "booking": booking.to_json(),
                    "quote": agreed.to_json(),
                    "invoice": invoice.number if invoice else None,
                }
                return effect.result
        except IntegrityError:
            async with await self._session() as session:
                done = await session.get(Effect, idempotency_key)
                if done is None:
                    raise
                return done.result

    async def _session(self) -> AsyncSession:
        if self._sessions is None:
            await self.open()
        assert self._sessions is not None  # noqa: S101 - `open` has set it
        return self._sessions()


async def _booking(
    session: AsyncSession, customer_id: int, ref: str, *, lock: bool = False
) -> Booking:
    wanted = select(Booking).where(Booking.customer_id == customer_id, Booking.ref == ref.upper())
    booking = await session.scalar(wanted.with_for_update() if lock else wanted)
    if booking is None:
        raise quotes.BookingNotFound(ref)
    return booking


def _bill(booking: Booking, agreed: quotes.Quote, today: date, key: str) -> Invoice | None:
    """Return the invoice for a change; None if it costs nothing."""
    lines = [
        InvoiceLine(description=text, amount_cents=cents)
        for text, cents in (
            (f"Change fee, {booking.title}, {booking.ref}", agreed.fee_cents),
            (f"Fare difference, {booking.ref}", agreed.fare_cents),
        )
        if cents
    ]
    if not lines:
        return None
    return Invoice(
        customer_id=booking.customer_id,
        number=f"CHG-{hashlib.blake2b(key.encode(), digest_size=5).hexdigest().upper()}",
        issued_on=today,
        due_on=today + timedelta(14),
        lines=lines,
    )


def _engine(url: URL) -> AsyncEngine:
    """Make the engine; it loads the driver, and looks at the disk."""
    try:
        engine = create_async_engine(url)
    except (ArgumentError, ImportError) as error:
        raise InvalidSetting(_UNUSABLE.format(error)) from error
    if engine.dialect.name == "sqlite":
        if url.database and url.database != ":memory:":
            path = Path(url.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # customers' data; SQLite's files beside it take its mode
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Let processes share the file: readers beside a writer, and writers one after the other."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
