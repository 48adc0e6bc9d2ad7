"""Rates and percentiles over all processes, from how their counts have moved. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from a2a_streaming.backbone.nodes import KEPT_SECONDS, Figures
from a2a_streaming.tally import Counts, Histogram
from a2a_streaming.task import Json

RATE_SECONDS = 10
"""Over how long rates are taken."""
RECENT_SECONDS = 60
"""Over how long percentiles are taken."""
STEP_SECONDS = 2
"""How long each point of a series is."""


class Movements:
    """How counts have moved in the last ten minutes."""

    def __init__(self) -> None:
        self._known: deque[Figures] = deque()
        self._last: str | None = None
        self.now = 0
        """When it was last looked, ms since 1970."""

    @property
    def last(self) -> str | None:
        """The last one that is known, of which what follows is to be read; None for none."""
        return self._last

    def add(self, now: int, figures: Sequence[Figures]) -> None:
        """Take in what is new, and forget what is old.

        Args:
            now: The time, ms since 1970.
            figures: What is new, in order.
        """
        self.now = now
        self._known.extend(figures)
        if figures:
            self._last = figures[-1].id
        while self._known and self._known[0].at <= now - KEPT_SECONDS * 1000:
            self._known.popleft()

    def rates(self) -> Json:
        """Return how many there were a second, lately: events, deliveries, tasks begun and ended."""
        return _rates([one.moved for one in self._since(RATE_SECONDS)], RATE_SECONDS)

    def percentiles(self, kind: str, seconds: int) -> Json:
        """Return how long something took.

        Args:
            kind: `first` or `duration`, as a tally tells them.
            seconds: In the last so many.

        Returns:
            `count`; `p50`, `p95` and `p99` in ms, None if there were none.
        """
        return _percentiles(_histogram(kind, (one.moved for one in self._since(seconds))))

    def series(self) -> Json:
        """Return the last ten minutes as points of equal length, oldest first; the last is complete."""
        step = STEP_SECONDS * 1000
        end = self.now // step * step
        count = KEPT_SECONDS // STEP_SECONDS
        bins: list[list[Counts]] = [[] for _ in range(count)]
        for one in self._known:
            place = count - 1 - (end - 1 - one.at) // step
            if 0 <= place < count:
                bins[place].append(one.moved)
        rates = [_rates(moves, STEP_SECONDS) for moves in bins]
        told: Json = {key: [one[key] for one in rates] for key in rates[0]}
        for kind, name in (("first", "firstEvent"), ("duration", "duration")):
            told[name] = [_rounded(_histogram(kind, moves), 0.95) for moves in bins]
        return {"from": end - count * step, "stepMs": step, **told}

    def _since(self, seconds: int) -> Iterable[Figures]:
        limit = self.now - seconds * 1000
        for one in reversed(self._known):
            if one.at <= limit:
                return
            yield one


def _rates(moves: Sequence[Counts], seconds: int) -> Json:
    def a_second(kind: str, *keys: str) -> float:
        total = 0
        for one in moves:
            counts = one.get(kind, {})
            total += sum(counts.get(key, 0) for key in keys) if keys else sum(counts.values())
        return round(total / seconds, 2)

    return {
        "events": a_second("counts", "events"),
        "deliveries": a_second("counts", "deliveries"),
        "tasks": a_second("begun"),
        "ended": a_second("ended"),
        "resets": a_second("counts", "resets"),
    }


def _histogram(kind: str, moves: Iterable[Counts]) -> Histogram:
    whole = Histogram()
    for one in moves:
        whole.merge({int(bucket): count for bucket, count in one.get(kind, {}).items()})
    return whole


def _percentiles(histogram: Histogram) -> Json:
    return {
        "count": len(histogram),
        "p50": _rounded(histogram, 0.5),
        "p95": _rounded(histogram, 0.95),
        "p99": _rounded(histogram, 0.99),
    }


def _rounded(histogram: Histogram, share: float) -> float | None:
    ms = histogram.percentile(share)
    return None if ms is None else round(ms, 1)
