"""Pushing: tasks' events are posted to webhooks, signed, in order, at least once, whatever dies.

The log is the outbox. A process takes a task (`pusher`), and tells each of its webhooks (`telling`) what follows on the
position that it has taken last: as a signed request (`signing`, `sender`) to a receiver that holds up nobody else
(`receivers`), again and again on a schedule if it fails (`schedule`), until it is given up and kept as a dead letter.
"""

from __future__ import annotations

from a2a_streaming.push.pusher import Pusher
from a2a_streaming.push.sender import (
    ID_HEADER,
    JWT_HEADER,
    TOKEN_HEADER,
    Notification,
    Outcome,
    Sender,
)
from a2a_streaming.push.signing import KeyRing
from a2a_streaming.push.telling import POSITION_HEADER

__all__ = [
    "ID_HEADER",
    "JWT_HEADER",
    "POSITION_HEADER",
    "TOKEN_HEADER",
    "KeyRing",
    "Notification",
    "Outcome",
    "Pusher",
    "Sender",
]
