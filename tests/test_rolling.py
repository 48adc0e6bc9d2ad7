"""Tiny versions of the runs in which processes are replaced and hosts are cut off; `make rolling` and `make partitions` run long ones."""

from __future__ import annotations

import pytest

from chaos.partitions import partition_run
from chaos.rolling import rolling_run

pytestmark = pytest.mark.timeout(240)  # each starts a handful of processes, on whatever machine


async def test_processes_are_replaced_under_load_and_each_client_comes_back_once() -> None:
    report = await rolling_run(1, clients=4, longest=6.0, fronts=2, workers=1, ops=0)
    print("\n".join([*report.timeline, report.table()]))
    assert report.violations == []


async def test_hosts_that_were_cut_off_come_back_by_themselves_and_nothing_is_lost() -> None:
    report = await partition_run(
        2, cuts=3, clients=4, longest=5.0, lease=1.0, roles={"front": 1, "worker": 2}
    )
    print("\n".join([*report.timeline, report.table()]))
    assert report.violations == []
