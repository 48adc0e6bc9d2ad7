"""Tiny versions of the fault runs with real processes; `python -m chaos.refunds` and its like run long ones."""

from __future__ import annotations

import signal

import pytest

from chaos.refunds import refund_run
from chaos.takeover import takeover_run
from chaos.zombies import zombie_run

pytestmark = pytest.mark.timeout(180)  # each starts a handful of processes, on whatever machine


async def test_each_refund_is_paid_once_whatever_is_killed() -> None:
    report = await refund_run(122, refunds=12, seconds=4, lease=1.0, pause=0.7, fronts=2, workers=2)
    print("\n".join([*report.timeline, report.table(), *report.complaints]))
    assert report.violations == []
    assert report.kills["worker inside an open step"] > 0


async def test_a_process_that_stood_still_writes_nothing_late_and_lives_on() -> None:
    report = await zombie_run(1, rounds=1, runs=10, lease=1.0)
    print("\n".join([report.table(), *report.complaints]))
    assert report.violations == []
    assert report.counts["runs in a process that was stopped"] == 10
    assert report.counts["new work taken after waking"] == 1


async def test_tasks_go_on_in_another_process_when_theirs_ends() -> None:
    both = [signal.SIGKILL, signal.SIGTERM]
    report = await takeover_run(1, rounds=1, tasks=4, lease=1.0, signals=both)
    print("\n".join([report.table(), *report.complaints]))
    assert report.violations == []
    assert all(report.samples.values())
