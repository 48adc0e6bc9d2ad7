"""Single flight: who asks for the same thing at once shares one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Questions that are under way, by key."""

    def __init__(self) -> None:
        self._asked: dict[K, asyncio.Task[V]] = {}

    async def ask(self, key: K, question: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the answer to a question; asked anew only if nobody is waiting for the same one.

        Args:
            key: What the question is about.
            question: Asks it.

        Raises:
            Exception: Whatever the question raises.
        """
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(question())
            asked.add_done_callback(lambda asked: self._answered(key, asked))
        return await asyncio.shield(asked)  # one who leaves doesn't take the answer from the others

    def _answered(self, key: K, asked: asyncio.Task[V]) -> None:
        self._asked.pop(key, None)
        if not asked.cancelled():
            asked.exception()  # looked at, should everybody who waited for it have left

    def cancel(self) -> None:
        """Ask no more."""
        for asked in self._asked.values():
            asked.cancel()
