"""What agents ask of the systems of record: implement these, and the agents work on systems of your own.

Each is a `Protocol`: nothing needs to be inherited. What goes in and out are the frozen values of
`entities`, `invoices`, `outcomes`, `fares`, `refunds`, `plans` and `tickets`.

Promises that the agents rely on:

- A customer's own things alone are found by their `customer_id`; others raise `NotFound`, like what isn't there.
- What changes something takes an `idempotency_key`, and has its effect once for each key, whatever is called
  how often, by however many processes at once, and whichever of them is killed when. A call with a known
  key returns what the first one returned, without looking at anything else first.
- What costs or pays money takes the amount that the customer has agreed to, and raises `QuoteChanged`
  instead of doing it for another one.
- What is raised has changed nothing, and left the key free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol, runtime_checkable

from a2a_streaming.customer_service.records.entities import (
    Booking,
    Customer,
    Offer,
    Plan,
    Subscription,
)
from a2a_streaming.customer_service.records.fares import CancellationQuote, Quote
from a2a_streaming.customer_service.records.invoices import Dispute, Invoice, Payment, Refund
from a2a_streaming.customer_service.records.outcomes import Booked, Cancelled, Changed, PlanChanged
from a2a_streaming.customer_service.records.plans import PlanQuote
from a2a_streaming.customer_service.records.refunds import RefundQuote
from a2a_streaming.customer_service.records.tickets import Tickets
from a2a_streaming.task import Json


class Customers(Protocol):
    """Who the customers are."""

    async def by_subject(self, subject: str) -> Customer | None:
        """Return the customer whom a task's owner names; None if there is none.

        Args:
            subject: The owner; empty without authentication, which is a demo customer's.
        """
        ...

    async def get(self, customer_id: int) -> Customer | None:
        """Return a customer by their number; None if there is none.

        Args:
            customer_id: The number, as a ticket names it.
        """
        ...


@runtime_checkable
class DemoCustomers(Protocol):
    """What `customers` may have beside, for who tries the platform without authentication."""

    async def demo(self) -> Sequence[Customer]:
        """Return the customers between whom pages can switch, the one first who stands for everybody."""
        ...


class Bookings(Protocol):
    """What customers have booked, and what can be."""

    async def of(self, customer_id: int) -> Sequence[Booking]:
        """Return a customer's bookings, by date."""
        ...

    async def quote_change(self, customer_id: int, ref: str, new: date) -> Quote:
        """Return what it costs to move a booking to another date.

        Raises:
            BookingNotFound: The customer has no such booking.
            ChangeRefused: That isn't possible.
        """
        ...

    async def change(
        self, customer_id: int, ref: str, new: date, total_cents: int, *, idempotency_key: str
    ) -> Changed:
        """Move a booking to another date, and bill what that costs.

        Args:
            customer_id: Whose booking it is.
            ref: Its reference.
            new: The date.
            total_cents: What the customer agreed to pay.
            idempotency_key: What happens once.

        Raises:
            BookingNotFound: The customer has no such booking.
            ChangeRefused: That isn't possible.
            QuoteChanged: It costs something else than what the customer agreed to.
        """
        ...

    async def quote_cancellation(self, customer_id: int, ref: str) -> CancellationQuote:
        """Return what is given back if a booking is cancelled.

        Raises:
            BookingNotFound: The customer has no such booking.
            Refused: It can't be cancelled.
        """
        ...

    async def cancel(
        self, customer_id: int, ref: str, back_cents: int, *, idempotency_key: str
    ) -> Cancelled:
        """Cancel a booking, and give back what its fare allows.

        Args:
            customer_id: Whose booking it is.
            ref: Its reference.
            back_cents: What the customer was told that they get back.
            idempotency_key: What happens once.

        Raises:
            BookingNotFound: The customer has no such booking.
            Refused: It can't be cancelled.
            QuoteChanged: Something else would be given back.
        """
        ...

    async def cities(self) -> Sequence[str]:
        """Return the names of the cities that offers are from or to."""
        ...

    async def offers(
        self, kind: str, city: str, day: date, *, origin: str = "", nights: int = 1
    ) -> Sequence[Offer]:
        """Return what can be booked, the cheapest first.

        Args:
            kind: `flight` or `hotel`.
            city: Where to.
            day: The day of the flight or of the arrival.
            origin: Where a flight begins; empty for any.
            nights: Nights of a hotel stay.

        Raises:
            Refused: Nothing can be booked on that day.
        """
        ...

    async def book(
        self, customer_id: int, offer: str, price_cents: int, *, idempotency_key: str
    ) -> Booked:
        """Book an offer, and bill it.

        Args:
            customer_id: For whom.
            offer: The offer's id.
            price_cents: What the customer agreed to pay.
            idempotency_key: What happens once.

        Raises:
            OfferNotFound: There is none of that id.
            Refused: It can't be booked any more.
            QuoteChanged: It costs something else; the quote is the `Offer`.
        """
        ...


class Billing(Protocol):
    """What customers were billed, what they paid, and what they got back."""

    async def invoices(self, customer_id: int) -> Sequence[Invoice]:
        """Return a customer's invoices, the newest first."""
        ...

    async def refundable(
        self, customer_id: int, number: str
    ) -> tuple[Sequence[RefundQuote], dict[int, str]]:
        """Return what of an invoice may be paid back, and by the other lines' numbers why they may not.

        Raises:
            InvoiceNotFound: The customer has no such invoice.
        """
        ...

    async def refund(
        self, customer_id: int, number: str, line: int, amount_cents: int, *, idempotency_key: str
    ) -> Refund:
        """Pay back a line of an invoice, or with line 0 what was paid too much for it.

        Args:
            customer_id: Whose invoice it is.
            number: Its number.
            line: The line's number, or 0.
            amount_cents: What the customer was told that they get back.
            idempotency_key: What happens once.

        Raises:
            InvoiceNotFound: The customer has no such invoice.
            Refused: It may not be paid back.
            QuoteChanged: Something else would be paid back.
        """
        ...

    async def pay(
        self, customer_id: int, number: str, amount_cents: int, *, idempotency_key: str
    ) -> Payment:
        """Try again to collect what is open on an invoice, by the means of the payment that failed.

        Args:
            customer_id: Whose invoice it is.
            number: Its number.
            amount_cents: What the customer agreed to pay.
            idempotency_key: What happens once.

        Returns:
            The payment; it may have failed again.

        Raises:
            InvoiceNotFound: The customer has no such invoice.
            Refused: There is nothing to pay, or no means to try again.
            QuoteChanged: Something else is open; the quote is the `Invoice`.
        """
        ...

    async def dispute(
        self, customer_id: int, number: str, line: int, reason: str, *, idempotency_key: str
    ) -> Dispute:
        """Note that a customer doesn't accept a charge; a person decides on it.

        Args:
            customer_id: Whose invoice it is.
            number: Its number.
            line: The line's number; 0 for the whole invoice.
            reason: What the customer says about it.
            idempotency_key: What happens once.

        Raises:
            InvoiceNotFound: The customer has no such invoice, or the invoice no such line.
        """
        ...


class Subscriptions(Protocol):
    """What customers have subscribed to."""

    async def plans(self) -> Sequence[Plan]:
        """Return the plans that can be had, the cheapest first."""
        ...

    async def of(self, customer_id: int) -> Subscription | None:
        """Return a customer's subscription; None without one."""
        ...

    async def quote(self, customer_id: int, plan: str | None) -> PlanQuote:
        """Return what it comes to, to change to another plan, or with None to end the subscription.

        Raises:
            PlanNotFound: There is no such plan.
            Refused: There is nothing to change.
        """
        ...

    async def change(
        self, customer_id: int, plan: str | None, charge_cents: int, *, idempotency_key: str
    ) -> PlanChanged:
        """Change to another plan, or with None end the subscription; bill what that costs.

        Args:
            customer_id: Whose subscription it is.
            plan: The plan's id; None to end it.
            charge_cents: What the customer agreed to pay now.
            idempotency_key: What happens once.

        Raises:
            PlanNotFound: There is no such plan.
            Refused: There is nothing to change.
            QuoteChanged: It costs something else than what the customer agreed to.
        """
        ...


@runtime_checkable
class PersonalData(Protocol):
    """What systems of record may have as `personal`, so that what they keep of a customer can be told and deleted."""

    async def export(self, subject: str) -> Sequence[tuple[str, Json]]:
        """Return all that they keep of a customer: of what kind each is, and its JSON.

        Args:
            subject: The customer, as the owner of their tasks.
        """
        ...

    async def erase(self, subject: str, tasks: Sequence[str]) -> Mapping[str, int]:
        """Delete all that they keep of a customer, or what the law lets go; may be called again.

        Args:
            subject: The customer, as the owner of their tasks.
            tasks: The stored ids of their tasks that are still known: tickets and idempotency keys name them.

        Returns:
            How many of what kind.
        """
        ...


class Records(Protocol):
    """The systems of record of one company: all that its agents work on.

    Opened when first used; `open` before only shows early what is wrong.
    """

    @property
    def customers(self) -> Customers:
        """Who the customers are."""
        ...

    @property
    def bookings(self) -> Bookings:
        """What they have booked, and what can be."""
        ...

    @property
    def billing(self) -> Billing:
        """What they were billed, what they paid, and what they got back."""
        ...

    @property
    def subscriptions(self) -> Subscriptions:
        """What they have subscribed to."""
        ...

    @property
    def tickets(self) -> Tickets:
        """What waits for a person."""
        ...

    def today(self) -> date:
        """Return the day it is."""
        ...

    async def open(self) -> None:
        """Make ready what they need.

        Raises:
            SetupError: A system can't be reached.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
