"""What every error of this package is."""

from __future__ import annotations


class A2AStreamingError(Exception):
    """Anything that a2a_streaming raises on purpose."""
