"""Rounds, medians and rows: what a case measures, and how it is told."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        work: What was done.
        goal: What is asked of it; empty if nothing is.
        measured: What came of it.
        ratio: Measured against what the goal is told in; None without one.
        met: Whether the goal is reached; None without one.
    """

    work: str
    goal: str
    measured: str
    ratio: float | None = None
    met: bool | None = None


@dataclass(frozen=True)
class Picture:
    """Curves over the same axes.

    Args:
        title: What they show.
        across: What the horizontal axis is, told on a logarithmic scale.
        up: What the vertical axis is; it begins at 0.
        curves: Points, by the curve's name.
    """

    title: str
    across: str
    up: str
    curves: dict[str, list[tuple[float, float]]]


@dataclass
class Outcome:
    """What a case has found.

    Args:
        rows: Lines of the table.
        pictures: Curves, by the picture's name.
        details: All that was measured, round by round.
        notes: What a reader must know.
    """

    rows: list[Row] = field(default_factory=list[Row])
    pictures: dict[str, Picture] = field(default_factory=dict[str, Picture])
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """Return it as it is written into a file."""
        return asdict(self)


@dataclass
class Bench:
    """One run of the benchmarks.

    Args:
        folder: For files that are needed while it runs.
        rounds: How often each pair is measured.
        quick: Whether it is only to show that all works.
        files: How many files a process may open.
        deadline: The time (monotonic) from which disturbed runs aren't repeated, and rounds left out.
        has_load: Whether the C programs could be built.
    """

    folder: Path
    rounds: int
    quick: bool
    files: int
    deadline: float
    has_load: bool

    def each_round(self, most: int = 1000) -> Iterator[int]:
        """Count the rounds: all that are wanted, or as many as begin before the deadline, at least one.

        Args:
            most: The most of them, where more would take too long.
        """
        for number in range(1 if self.quick else min(most, self.rounds)):
            if number and self.late:
                return
            yield number

    @property
    def late(self) -> bool:
        """Whether what can be left out is to be left out."""
        return time.monotonic() > self.deadline

    def scaled(self, count: int, quick: int) -> int:
        """Return a count, or a smaller one for a quick run."""
        return quick if self.quick else count


@dataclass(frozen=True)
class Case:
    """A case of the bench.

    Args:
        name: Its name, as in `CASES=`.
        about: What it measures.
        run: Measures.
        needs_load: Whether it needs the C programs.
        on_demand: Whether it is run, and told of, by its name alone: it takes long, and has a page of its own.
    """

    name: str
    about: str
    run: Callable[[Bench], Outcome]
    needs_load: bool = True
    on_demand: bool = False


def alternated(names: Sequence[str], number: int) -> list[str]:
    """Return in which order systems are measured in a round: every other round backwards."""
    return list(names) if number % 2 == 0 else list(reversed(names))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of pairs that were measured in the same round."""
    return statistics.median([a / b for a, b in zip(ours, theirs, strict=False)])


def spread(values: Sequence[float], form: Callable[[float], str]) -> str:
    """Tell a median, and the least and the most."""
    median = form(statistics.median(values))
    low, high = form(min(values)), form(max(values))
    return median if low == high else f"{median} ({low} to {high})"


def thousands(value: float) -> str:
    """Tell a rate."""
    if value >= 999_500:
        return f"{value / 1e6:.2f} M"
    if value >= 9_950:
        return f"{value / 1e3:.0f} k"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def at_most(work: str, goal: float, values: Sequence[float], unit: str, digits: int = 2) -> Row:
    """Return the row of what is to stay under a goal.

    Args:
        work: What was done.
        goal: The most that it may be.
        values: What it was, round by round.
        unit: The unit of both.
        digits: Digits after the point.
    """
    median = statistics.median(values)
    return Row(
        work,
        f"≤ {goal:g} {unit}",
        f"{spread(values, lambda v: f'{v:.{digits}f}')} {unit}",
        median / goal,
        median <= goal,
    )


def at_least(work: str, goal: float, values: Sequence[float], unit: str) -> Row:
    """Return the row of what is to reach a goal; arguments as for `at_most`."""
    median = statistics.median(values)
    return Row(
        work,
        f"≥ {thousands(goal)} {unit}",
        f"{spread(values, thousands)} {unit}",
        median / goal,
        median >= goal,
    )


def against(
    work: str, goal: float, whom: str, ours: Sequence[float], theirs: Sequence[float], unit: str
) -> Row:
    """Return the row of a rate that is to reach so many times another's, in the same rounds.

    Args:
        work: What was done.
        goal: How many times the other's.
        whom: The other.
        ours: Our rates, round by round.
        theirs: The other's.
        unit: Their unit.
    """
    ratio = ratios(ours, theirs)
    return Row(
        work,
        f"≥ {goal:g} × {whom}",
        f"{thousands(statistics.median(ours))} : {thousands(statistics.median(theirs))} {unit}",
        ratio,
        ratio >= goal,
    )
