"""What operators of any agents look at."""

from __future__ import annotations

from pathlib import Path

from a2a_streaming.web import Place

__all__ = ["PLACE"]

_STATIC = Path(__file__).parent / "static"

PLACE = Place("ops", _STATIC / "ops.html", _STATIC)
"""The dashboard."""
