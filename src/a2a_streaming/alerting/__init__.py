"""Service levels, kept: what is overdue is found and raised, and something is done about it."""

from __future__ import annotations

from a2a_streaming.alerting.doing import Doing
from a2a_streaming.alerting.watch import DeadlineWatch

__all__ = ["DeadlineWatch", "Doing"]
