"""What one owner may ask of one process: requests in a time, and streams held open."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from a2a_streaming.caller import Caller
from a2a_streaming.errors import TooManyRequests
from a2a_streaming.settings import Settings

_SWEPT = 10_000
"""Counters after which those whose time is over are thrown away."""


class Quotas:
    """Counts what owners ask of this process. Who has no name isn't counted: anybody, without authentication.

    Args:
        settings: The limits.
        clock: Seconds that go by.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._rate = parse(settings.limit_rate)
        self._most = settings.limit_streams
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(_Counters(clock))
        self._streams: Counter[str] = Counter()

    def count_request(self, caller: Caller) -> None:
        """Count a request.

        Args:
            caller: Who sends it.

        Raises:
            TooManyRequests: They have sent too many.
        """
        if not caller.owner or self._limiter.hit(self._rate, caller.owner):
            return
        reset = self._limiter.get_window_stats(self._rate, caller.owner).reset_time
        raise TooManyRequests(
            f"This server takes {self._rate} from you.",
            retry_after=max(1, math.ceil(reset - self._clock())),
        )

    def open_stream(self, caller: Caller) -> Callable[[], None]:
        """Count a stream that is to be opened.

        Args:
            caller: Who opens it.

        Returns:
            What to call when it is closed.

        Raises:
            TooManyRequests: They hold too many open.
        """
        owner = caller.owner
        if not owner:
            return _nothing
        if self._streams[owner] >= self._most:
            raise TooManyRequests(
                f"You hold {self._most} streams open. Close some, or follow several tasks on one.",
                retry_after=5,
            )
        self._streams[owner] += 1

        def close() -> None:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

        return close


def _nothing() -> None:
    pass


class _Counters(Storage):
    """Counters in memory; the library's own start a thread, or a task, to throw old ones away."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}
        self._sweep_at = _SWEPT

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = self._clock()
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        self._counts[key] = (count + amount, until)
        if len(self._counts) > self._sweep_at:
            self._counts = {k: v for k, v in self._counts.items() if v[1] > now}
            self._sweep_at = max(_SWEPT, 2 * len(self._counts))
        return count + amount

    def get(self, key: str) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if until > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        return self._counts.get(key, (0, self._clock()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)
