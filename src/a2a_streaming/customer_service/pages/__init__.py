"""Pages for customers, and for people who answer them."""

from __future__ import annotations

from pathlib import Path

from a2a_streaming.web import Place

__all__ = ["PLACES"]

_STATIC = Path(__file__).parent / "static"

PLACES = (
    Place("chat", _STATIC / "chat.html", _STATIC / "chat", home=True, embedded=True),
    Place("console", _STATIC / "console.html", _STATIC / "console"),
)
"""The chat at `/`, and the console."""
