"""Human hand-over: what specialists can't do, a person does, in the same task.

    Intent Agent ── opens ──► ticket (systems of record) ◄── claims, notes, closes ── HandoverApi ◄── person
         ▲                                                                                │
         └──────────── the task's inbox: claim, reply, hand back, resolve ◄───────────────┘

Who has a ticket is the book's business, and decided there. What the customer is told goes through the task:
docs/handover.md.
"""

from __future__ import annotations

from a2a_streaming.customer_service.handover.api import Door, HandoverApi
from a2a_streaming.customer_service.handover.desk import Desk
from a2a_streaming.customer_service.handover.overdue import Alarm, OverdueWatch, read_sla

__all__ = ["Alarm", "Desk", "Door", "HandoverApi", "OverdueWatch", "read_sla"]
