"""When an event is tried again that a webhook hasn't taken: soon at first, then rarely, and never all at once."""

from __future__ import annotations

from collections.abc import Callable
from random import random

from a2a_streaming.settings import Settings


def pause(tries: int, settings: Settings, *, draw: Callable[[], float] = random) -> float:
    """Return for how long to wait, seconds.

    Each pause is twice as long as the one before, up to the longest; and shortened by up to half, at random, so that
    those who failed together don't come back together.

    Args:
        tries: How often it was tried, 1 or more.
        settings: The first pause, and the longest.
        draw: Returns a number from 0 to 1.
    """
    first, longest = settings.push_retry_first_seconds, settings.push_retry_longest_seconds
    whole = min(first * 2.0 ** min(tries - 1, 60), longest)
    return whole * (0.5 + 0.5 * draw())
