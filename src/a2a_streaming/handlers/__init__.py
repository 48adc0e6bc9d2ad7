"""What a2a-sdk's dispatchers ask of one agent's tasks, whatever transport carries it."""

from __future__ import annotations

from a2a_streaming.handlers.tasks import Handler

__all__ = ["Handler"]
