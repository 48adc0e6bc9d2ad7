"""What the systems of record refuse.

RecordsError                      every text is fit for the customer
├── NotFound                      the customer has no such thing
│   └── BookingNotFound, InvoiceNotFound, OfferNotFound, PlanNotFound, TicketNotFound
├── Refused                       it isn't possible, and why; another wish may do
│   └── ChangeRefused             a booking can't be moved to that date
├── Changed                       it costs, or pays, something else than was agreed
│   └── QuoteChanged
├── TicketTaken                   somebody else has claimed the ticket, or it is closed
└── KeyReused                     one idempotency key for two different things: a fault of the caller's
"""

from __future__ import annotations

from typing import Any

from a2a_streaming.errors import A2AStreamingError


class RecordsError(A2AStreamingError):
    """The systems of record can't do what was asked; the text is fit for the customer."""


class NotFound(RecordsError):
    """The customer has no such thing; whether somebody else has isn't told."""


class BookingNotFound(NotFound):
    """The customer has no such booking.

    Args:
        ref: Its reference.
    """

    def __init__(self, ref: str) -> None:
        super().__init__(f"I can't find a booking {ref} of yours.")


class InvoiceNotFound(NotFound):
    """The customer has no such invoice, or the invoice no such line.

    Args:
        number: Its number.
    """

    def __init__(self, number: str) -> None:
        super().__init__(f"I can't find an invoice {number} of yours.")


class OfferNotFound(NotFound):
    """There is no such offer, or no longer.

    Args:
        offer: Its id.
    """

    def __init__(self, offer: str) -> None:
        super().__init__(f"The offer {offer} isn't there any more.")


class PlanNotFound(NotFound):
    """There is no such plan.

    Args:
        plan: Its id.
    """

    def __init__(self, plan: str) -> None:
        super().__init__(f"There is no plan {plan}.")


class TicketNotFound(NotFound):
    """There is no such hand-over ticket.

    Args:
        ticket: Its id.
    """

    def __init__(self, ticket: str) -> None:
        super().__init__(f"There is no ticket {ticket}.")


class Refused(RecordsError):
    """What was asked isn't possible.

    Args:
        reason: Why, in words for the customer.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class ChangeRefused(Refused):
    """The booking can't be moved to that date.

    Args:
        reason: Why, in words for the customer.
        retry: Whether another date may do.
    """

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.retry = retry


class QuoteChanged(RecordsError):
    """It costs, or pays back, something else than what the customer agreed to.

    Args:
        quote: The quote as it is now, of the kind that was agreed to.
    """

    def __init__(self, quote: Any) -> None:
        super().__init__("The amount isn't what it was any more.")
        self.quote = quote


class TicketTaken(RecordsError):
    """Somebody else has claimed the ticket, or it is closed.

    Args:
        ticket: Its id.
        state: Its state.
        who: Who has it; None if nobody does.
    """

    def __init__(self, ticket: str, state: str, who: str | None) -> None:
        super().__init__(f"Ticket {ticket} is {state}{f', by {who}' if who else ''}.")
        self.state = state
        self.who = who


class KeyReused(RecordsError):
    """An idempotency key came a second time, for something else.

    Args:
        key: The key.
        done: What was done under it.
        wanted: What it was now given for.
    """

    def __init__(self, key: str, done: str, wanted: str) -> None:
        super().__init__(f"The key {key!r} stands for {done!r}; {wanted!r} needs a key of its own.")
