"""Counts: percentiles are near, histograms add up, and what has moved is told once."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.metrics import exposition
from a2a_streaming.tally import Histogram, Tally, moved, told

TIMES = st.lists(st.floats(0.1, 6e8), min_size=1, max_size=200)


def of(times: list[float]) -> Histogram:
    histogram = Histogram()
    for ms in times:
        histogram.add(ms)
    return histogram


@given(TIMES, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_off_by_a_twentieth_at_most(times: list[float], share: float) -> None:
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    found = of(times).percentile(share)
    assert found is not None
    assert abs(found - exact) <= 0.0501 * exact


@given(TIMES, TIMES)
def test_histograms_of_two_processes_add_up_to_that_of_one(
    one: list[float], other: list[float]
) -> None:
    merged = of(one)
    merged.merge(of(other).buckets)
    assert merged.buckets == of([*one, *other]).buckets


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None


def test_what_has_moved_is_told_once() -> None:
    tally = Tally()
    assert moved(told(tally), {}) == {}
    tally.events += 3
    tally.begun["echo"] += 1
    tally.task_ended("echo", "failed", 12.0)
    before = told(tally)
    assert moved(before, {}) == {
        "counts": {"events": 3},
        "begun": {"echo": 1},
        "ended": {"echo failed": 1},
        "duration": {next(iter(before["duration"])): 1},
    }
    assert moved(told(tally), before) == {}
    tally.events += 1
    assert moved(told(tally), before) == {"counts": {"events": 1}}


def test_prometheus_is_told_the_same() -> None:
    tally = Tally()
    tally.task_ended("told-to-prometheus", "completed", 40.0)
    shown = exposition().decode()
    assert 'a2a_tasks_ended_total{agent="told-to-prometheus",state="completed"} 1.0' in shown
    assert "a2a_task_seconds_bucket" in shown
    assert "# TYPE a2a_deliveries_total counter" in shown or "a2a_deliveries_total" in shown
