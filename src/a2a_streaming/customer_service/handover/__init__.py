"""Human hand-over: what specialists can't do, a person does, in the same task.

    Intent Agent ── opens ──► ticket (systems of record) ◄── claims, notes, closes ── HandoverApi ◄── person
         ▲                                    │                                           │
         │                                    └── `QueueTopic`: pages, `OverdueWatch`: alarms
         └──────────── the task's inbox: claim, reply, hand back, resolve ◄───────────────┘

Who has a ticket is the book's business, and decided there. What the customer is told goes through the task:
docs/handover.md.
"""

from __future__ import annotations

from a2a_streaming.customer_service.handover.api import HandoverApi
from a2a_streaming.customer_service.handover.canned import load_replies
from a2a_streaming.customer_service.handover.desk import Desk
from a2a_streaming.customer_service.handover.door import Door
from a2a_streaming.customer_service.handover.overdue import Alarm, OverdueWatch, read_sla
from a2a_streaming.customer_service.handover.queue import QueueTopic

__all__ = [
    "Alarm",
    "Desk",
    "Door",
    "HandoverApi",
    "OverdueWatch",
    "QueueTopic",
    "load_replies",
    "read_sla",
]
