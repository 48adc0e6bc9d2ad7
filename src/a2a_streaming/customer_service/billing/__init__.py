"""The Billing Agent: what it can do, a flow a module."""

from __future__ import annotations

from a2a_streaming.customer_service.billing.agent import BillingAgent

__all__ = ["BillingAgent"]
