"""The Booking Agent: what it can do, a flow a module."""

from __future__ import annotations

from a2a_streaming.customer_service.booking.agent import BookingAgent

__all__ = ["BookingAgent"]
