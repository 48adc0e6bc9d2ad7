"""What may be asked of one process: by one owner, by all together, and by who fails to sign in.

Each limit has a setting (`A2A_LIMIT_…`), and what it refuses is counted in `a2a_limited_total`. An owner is told that
it is too much (429), everybody that another process may have room (503).
"""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from a2a_streaming.caller import Caller
from a2a_streaming.errors import TooManyRequests, Unavailable
from a2a_streaming.metrics import LIMITED
from a2a_streaming.settings import Settings

_SWEPT = 10_000
"""Counters after which those whose time is over are thrown away."""
_TRUSTED = 10_000
"""Credentials of which a process remembers that they were good."""


class Quotas:
    """Counts what is asked of this process. Who has no name is counted with all, not alone: anybody, without authentication.

    Args:
        settings: The limits.
        clock: Seconds that go by.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._rate = parse(settings.limit_rate)
        self._process_rate = parse(settings.limit_process_rate)
        self._bytes = parse(f"{settings.limit_bytes}/minute")
        self._most = settings.limit_streams
        self._process_most = settings.limit_process_streams
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(_Counters(clock))
        self._streams: Counter[str] = Counter()
        self._open = 0
        self.bodies = Bodies(settings.limit_process_bytes)
        """Bodies that are being read."""
        self.sign_ins = SignIns(settings, clock=clock)
        """Who has failed to sign in."""

    def count_request(self, caller: Caller, size: int = 0) -> None:
        """Count a request.

        Args:
            caller: Who sends it.
            size: Its body, bytes.

        Raises:
            TooManyRequests: They have sent too many, or too much.
            Unavailable: All together have.
        """
        if not self._limiter.hit(self._process_rate, "process"):
            LIMITED.labels("process_rate").inc()
            raise Unavailable(
                f"This process takes {self._process_rate}; another one may serve you.",
                retry_after=1,
            )
        owner = caller.owner
        if not owner:
            return
        if not self._limiter.hit(self._rate, "owner", owner):
            self._refuse("rate", f"This server takes {self._rate} from you.", self._rate, owner)
        if size and not self._limiter.hit(self._bytes, "bytes", owner, cost=size):
            told = f"This server takes {self._bytes.amount} bytes a minute from you."
            self._refuse("bytes", told, self._bytes, owner)

    def _refuse(self, limit: str, told: str, rate: RateLimitItem, owner: str) -> None:
        LIMITED.labels(limit).inc()
        kind = "owner" if limit == "rate" else limit
        reset = self._limiter.get_window_stats(rate, kind, owner).reset_time
        raise TooManyRequests(told, retry_after=max(1, math.ceil(reset - self._clock())))

    def open_stream(self, caller: Caller) -> Callable[[], None]:
        """Count a stream that is to be opened.

        Args:
            caller: Who opens it.

        Returns:
            What to call when it is closed.

        Raises:
            TooManyRequests: They hold too many open.
            Unavailable: All together do.
        """
        owner = caller.owner
        if owner and self._streams[owner] >= self._most:
            LIMITED.labels("streams").inc()
            raise TooManyRequests(
                f"You hold {self._most} streams open. Close some, or follow several tasks on one.",
                retry_after=5,
            )
        if self._open >= self._process_most:
            LIMITED.labels("process_streams").inc()
            raise Unavailable(
                f"This process holds {self._process_most} streams open; another one may serve you.",
                retry_after=5,
            )
        self._open += 1
        if owner:
            self._streams[owner] += 1

        def close() -> None:
            self._open -= 1
            if not owner:
                return
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

        return close


class Bodies:
    """Counts the bytes of requests' bodies that a process holds while they are still being sent.

    Args:
        most: The most bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0
        """How many there are now."""

    @contextmanager
    def reading(self) -> Generator[Callable[[int], None]]:
        """Count one body while it is read; gives what to call with each piece's bytes.

        Raises:
            Unavailable: By that call: all bodies together are too large.
        """
        mine = 0

        def add(size: int) -> None:
            nonlocal mine
            mine += size
            self.held += size
            if self.held > self._most:
                LIMITED.labels("process_bytes").inc()
                raise Unavailable(
                    f"This process is being sent {self._most} bytes already; another one may serve you.",
                    retry_after=2,
                )

        try:
            yield add
        finally:
            self.held -= mine


class SignIns:
    """Counts, for each address, the sign-ins that fail.

    Who shares an address with somebody who tries keys isn't shut out with them: a credential that has been good at
    this process stays so.

    Args:
        settings: The limit.
        clock: Seconds that go by.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._rate = parse(settings.limit_sign_ins)
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(_Counters(clock))
        self._good: OrderedDict[int, None] = OrderedDict()

    def check(self, address: str, credential: str) -> None:
        """Check that a sign-in may be tried.

        Args:
            address: From where.
            credential: By what.

        Raises:
            TooManyRequests: Too many have failed.
        """
        if self._limiter.test(self._rate, address) or hash(credential) in self._good:
            return
        LIMITED.labels("sign_ins").inc()
        reset = self._limiter.get_window_stats(self._rate, address).reset_time
        raise TooManyRequests(
            "Too many sign-ins from your address have failed.",
            retry_after=max(1, math.ceil(reset - self._clock())),
        )

    def failed(self, address: str) -> None:
        """Count one that has failed.

        Args:
            address: From where.
        """
        self._limiter.hit(self._rate, address)

    def succeeded(self, credential: str) -> None:
        """Remember a credential that is good.

        Args:
            credential: What it is.
        """
        known = hash(
            credential
        )  # by a key of this process alone, so nobody can make one that is equal
        self._good[known] = None
        self._good.move_to_end(known)
        if len(self._good) > _TRUSTED:
            self._good.popitem(last=False)


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
