"""An invoice as a PDF page."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable
from typing import Any

from reportlab.lib.pagesizes import A4  # pyright: ignore[reportMissingTypeStubs]
from reportlab.lib.units import mm  # pyright: ignore[reportMissingTypeStubs]
from reportlab.pdfgen.canvas import Canvas  # pyright: ignore[reportMissingTypeStubs]

from a2a_streaming.customer_service import company
from a2a_streaming.customer_service.dates import say
from a2a_streaming.customer_service.records import Customer, Invoice
from a2a_streaming.customer_service.replies import money

_LEFT, _RIGHT = 22 * mm, A4[0] - 22 * mm
_LINE = 6 * mm
_FONT, _BOLD = "Helvetica", "Helvetica-Bold"
_WIDEST = 78
"""Characters of a description that fit beside an amount."""


def render(invoice: Invoice, customer: Customer) -> bytes:
    """Write an invoice as a PDF: the same invoice gives the same bytes.

    Takes some milliseconds of the processor, so call it in a thread.

    Args:
        invoice: The invoice.
        customer: Whose it is.
    """
    written = io.BytesIO()
    page = _Page(Canvas(written, pagesize=A4, invariant=True))
    page.canvas.setTitle(_plain(f"Invoice {invoice.number}"))
    page.canvas.setAuthor(company.NAME)
    page.write(company.NAME, font=_BOLD, size=16)
    page.write(f"{company.EMAIL} · {company.PHONE}")
    page.skip(2)
    page.write(customer.name)
    page.write(customer.email)
    page.skip(2)
    page.write(f"Invoice {invoice.number}", font=_BOLD, size=13)
    page.write(f"Issued {say(invoice.issued_on)}, due {say(invoice.due_on)}")
    page.skip()
    for text, cents in _rows(invoice):
        page.write(text, money(cents, customer.currency))
    page.rule()
    page.write("Total", money(invoice.total_cents, customer.currency), font=_BOLD)
    page.write("To pay", money(max(0, invoice.open_cents), customer.currency), font=_BOLD)
    page.canvas.save()
    return written.getvalue()


def _rows(invoice: Invoice) -> Iterable[tuple[str, int]]:
    for line in invoice.lines:
        times = f"{line.quantity} x " if line.quantity > 1 else ""
        yield f"{times}{line.description}", line.amount_cents
    for payment in invoice.payments:
        if payment.status == "paid":
            yield f"Paid on {say(payment.paid_on)}, {payment.method}", -payment.amount_cents
    for refund in invoice.refunds:
        yield f"Refund {refund.id}, {refund.reason}", refund.amount_cents


class _Page:
    """Writes lines from the top to the bottom, on as many pages as it takes.

    Args:
        canvas: What they are drawn on.
    """

    def __init__(self, canvas: Any) -> None:
        self.canvas = canvas
        self._at = A4[1] - 28 * mm

    def write(self, text: str, amount: str = "", *, font: str = _FONT, size: int = 10) -> None:
        """Write a line, with an amount at its right."""
        if self._at < 25 * mm:
            self.canvas.showPage()
            self._at = A4[1] - 28 * mm
        self.canvas.setFont(font, size)
        self.canvas.drawString(_LEFT, self._at, _plain(text)[:_WIDEST])
        if amount:
            self.canvas.drawRightString(_RIGHT, self._at, _plain(amount))
        self.skip()

    def rule(self) -> None:
        """Draw a line across the page."""
        self.canvas.line(_LEFT, self._at + _LINE / 2, _RIGHT, self._at + _LINE / 2)
        self.skip(0.5)

    def skip(self, lines: float = 1) -> None:
        """Leave room."""
        self._at -= lines * _LINE


def _plain(text: str) -> str:
    """Return a text in the letters that every PDF reader has: those of Windows-1252."""
    fits = text.encode("cp1252", "ignore").decode("cp1252") == text
    if fits:
        return text
    apart = unicodedata.normalize("NFKD", text)
    return (
        "".join(c for c in apart if not unicodedata.combining(c))
        .encode("cp1252", "replace")
        .decode("cp1252")
    )
