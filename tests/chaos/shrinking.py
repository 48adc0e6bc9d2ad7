"""A shorter list that still fails (Zeller's delta debugging, ddmin)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(items: Sequence[T], fails: Callable[[list[T]], bool], *, tries: int) -> list[T]:
    """Leave out what isn't needed for a failure.

    Args:
        items: A list that fails.
        fails: Says whether a part of it, in the same order, fails too.
        tries: How often that may be asked.

    Returns:
        A part that fails; without the bound on the tries one from which nothing alone can be left out.
    """
    kept, pieces = list(items), 2
    while len(kept) > 1 and tries > 0:
        size = -(-len(kept) // pieces)
        for start in range(0, len(kept), size):
            if tries <= 0:
                break
            tries -= 1
            rest = kept[:start] + kept[start + size :]
            if rest and fails(rest):
                kept, pieces = rest, max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(kept), 2 * pieces)
    return kept
