"""The capacity model: what it makes of prices, and that its page says what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from bench.capacity import page
from bench.capacity.compared import Simulation, compare, played
from bench.capacity.costs import BYTES, CPU, HELD, PACES, THINGS, Amounts, Costs, Run, solve
from bench.capacity.measuring import SCENES
from bench.capacity.model import GIB, Limits, needs
from bench.capacity.scene import Counted, Observed, Scene
from bench.capacity.shapes import MILLION, SIZES
from bench.capacity.told import needed, prices, simulated
from bench.capacity.workload import Workload, amounts, hearing
from hypothesis import given
from hypothesis import strategies as st

MACHINE = {"cpu": "x", "cores": "2", "kernel": "6", "python": "3.11", "when": "2026-01-01"}
COSTS = Costs(
    {
        "front": {
            "fronts": 2000,
            "tasks": 1000,
            "hearings": 50,
            "deliveries": 4,
            "opens": 500,
            "firsts": 600,
        },
        "worker": {"workers": 3000, "tasks": 800, "runs": 10, "events": 40},
        "redis": {"tasks": 400, "events": 20, "event_kib": 8, "hearings": 2, "processes": 300},
        "replica": {"events": 10},
        "to_clients": {"deliveries": 100, "delivery_kib": 1024},
        "front_memory": {"fronts": 100e6, "watchers": 12_000},
        "redis_memory": {"kept": 2000, "kept_events": 50, "kept_kib": 2000},
    },
    MACHINE,
)


def test_an_example_comes_to_what_it_comes_to_by_hand() -> None:
    asked = Workload(
        watchers=1000,
        events=2000,
        tasks=500,
        event_bytes=512,
        task_seconds=50,
        stream_seconds=100,
        kept_seconds=450,
    )
    found = amounts(asked, fronts=1, workers=1, primaries=1)
    # 500 tasks of 50 s are 10 a second; each says 4 events a second, and two watch it.
    assert (found.tasks, found.events, found.event_kib) == (10, 2000, 1000)
    assert (found.hearings, found.deliveries, found.feeds) == (2000, 4000, 500)
    # Two watchers a task: of each ten new tasks ten more join, and of 1,000 streams ten a second break.
    assert found.opens + found.firsts == 20
    # 500 under way, 4,500 that have ended; a story is 200 events, half told by those under way.
    assert (found.kept, found.kept_events, found.kept_kib) == (5000, 950_000, 475_000)
    # 2,000 + 10 * 1,000 + 2,000 * 50 + 4,000 * 4 + 20 * 500 µs
    assert COSTS.use("front", found) == pytest.approx(0.138)
    # 10 * 400 + 2,000 * 20 + 1,000 * 8 + 2,000 * 2 + 2 * 300 µs
    assert COSTS.use("redis", found) == pytest.approx(0.0566)
    assert COSTS.use("to_clients", found) == 4000 * 100 + 2000 * 1024
    assert COSTS.use("redis_memory", found) == 5000 * 2000 + 950_000 * 50 + 475_000 * 2000
    told = needs(asked, COSTS, Limits(load=0.5, runs=100))
    assert (told.fronts.count, told.fronts.why) == (1, "CPU")
    assert (told.workers.count, told.workers.why) == (5, "runs")
    assert told.primaries.count == 1


def test_what_decides_how_many_is_named() -> None:
    asked = Workload(watchers=10_000, events=10, tasks=10, kept_seconds=36_000, task_seconds=10)
    told = needs(asked, COSTS, Limits(streams=1000, redis_bytes=GIB / 64))
    assert (told.fronts.count, told.fronts.why) == (10, "streams")
    assert told.primaries.why == "memory"


def test_a_task_that_one_primary_cannot_carry_is_warned_of() -> None:
    asked = Workload(
        watchers=0, events=50_000, tasks=10, hot_watchers=10, hot_events=40_000, stream_seconds=1e9
    )
    told = needs(asked, COSTS)
    assert told.hot > 0.6
    assert "in fewer events" in told.warnings[0]


def test_what_no_number_of_processes_carries_is_said() -> None:
    dear = Costs({"front": {"fronts": 700_000, "deliveries": 1}}, MACHINE)
    with pytest.raises(ValueError, match="no number of processes"):
        needs(Workload(watchers=10, events=10, tasks=10), dear)
    with pytest.raises(ValueError, match="by these names: eventz"):
        Costs({"front": {"eventz": 1}}, MACHINE)
    with pytest.raises(ValueError, match="no more tasks are watched"):
        Workload(watchers=1, events=1, tasks=1, watched=2)


@given(st.floats(1, 500), st.floats(1, 2000))
def test_a_task_is_heard_by_no_more_fronts_than_there_are_nor_than_watch_it(
    fronts: float, watchers: float
) -> None:
    heard = hearing(fronts, watchers)
    assert 1 - 1e-9 <= heard <= min(fronts, watchers) * (1 + 1e-9)


WORKLOADS = st.builds(
    Workload,
    watchers=st.floats(0, 1e5),
    events=st.floats(0, 1e4),
    tasks=st.floats(1, 1e5),
    event_bytes=st.floats(10, 1e4),
    task_seconds=st.floats(1, 1e4),
    kept_seconds=st.floats(0, 1e5),
)


@given(WORKLOADS, st.sampled_from(["watchers", "events", "event_bytes", "kept_seconds"]))
def test_more_is_never_had_for_less(asked: Workload, what: str) -> None:
    more = replace(asked, **{what: getattr(asked, what) * 1.5 + 1})
    less, now = needs(asked, COSTS), needs(more, COSTS)
    for part in ("fronts", "workers", "primaries"):
        assert getattr(now, part).count >= getattr(less, part).count
    assert now.to_clients >= less.to_clients * (1 - 1e-9)


def test_who_sends_the_watchers_of_a_task_to_few_fronts_needs_fewer_of_them() -> None:
    asked = Workload(watchers=100_000, events=10_000, tasks=1000)
    anywhere, near = needs(asked, COSTS), needs(replace(asked, spread=2), COSTS)
    assert near.fronts.count < anywhere.fronts.count
    probes = near.fronts.count * (near.primaries.count - 1)
    assert near.amounts.hearings == pytest.approx(20_000 + probes)
    assert near.amounts.deliveries == anywhere.amounts.deliveries
    assert anywhere.fronts.mostly[0] == "hearings"


@given(WORKLOADS)
def test_what_is_needed_carries_what_is_asked(asked: Workload) -> None:
    limits = Limits()
    told = needs(asked, COSTS, limits)
    for kind, part in (
        ("front", told.fronts),
        ("worker", told.workers),
        ("redis", told.primaries),
    ):
        assert COSTS.use(kind, told.amounts) <= part.count * limits.load * (1 + 1e-9)
    assert told.amounts.watchers <= told.fronts.count * limits.streams
    assert told.amounts.runs <= told.workers.count * limits.runs


def test_prices_are_found_one_after_another() -> None:
    found = solve(
        [
            Run("fronts", Amounts(fronts=1), {"front": 0.002, "to_clients": 0}),
            Run("hearings", Amounts(fronts=1, hearings=100), {"front": 0.007, "redis": 0.001}),
            Run("deliveries", Amounts(fronts=1, hearings=10, deliveries=3000), {"front": 0.0145}),
            Run("opens", Amounts(fronts=1, opens=10), {"front": 0.0019}),
        ],
        MACHINE,
    )
    assert found.price("front", "fronts") == pytest.approx(2000)
    assert found.price("front", "hearings") == pytest.approx(50)
    assert found.price("front", "deliveries") == pytest.approx(4)
    assert found.price("redis", "hearings") == pytest.approx(10)
    # What costs less than can be measured costs nothing; it never pays.
    assert found.price("front", "opens") == 0


def test_a_scene_is_counted_by_who_hears_whom() -> None:
    # Five watchers of three tasks at two fronts: 0 and 3 watch the first, at both fronts; 1 and 4 the second, at both.
    scene = Scene("x", tasks=3, watchers=5, begun=1, chunks=5)
    assert scene.hearing(2) == [2, 2, 1]
    counted = Counted(
        10, events=300, event_bytes=512, begun=10, begun_events=80, begun_bytes=256, opens=50
    )
    found = counted.amounts(scene, 2, 2, 3)
    assert (found.tasks, found.runs, found.events, found.event_kib) == (1, 4, 38, 17)
    assert (found.hearings, found.deliveries) == (pytest.approx(62), pytest.approx(58))
    assert (found.processes, found.opens) == (4, 5)
    assert scene.faster(10).begun == 10


def test_what_was_played_is_compared_by_the_median_of_its_rounds(tmp_path: Path) -> None:
    scene = Scene("x", "something", tasks=1, watchers=10)
    counted = Counted(10, events=100, event_bytes=1024)
    found = counted.amounts(scene, 1, 0, 1)
    # 2,000 + 10 * 50 + 100 * 4 µs in a second
    seen = [
        Observed(found, {"front": used, "to_clients": 0.0}, {}, {}, counted, 0.5)
        for used in (0.0029, 0.0025, 0.0009)
    ]
    used = dict.fromkeys((*CPU, *BYTES), 0.0)
    one = played(scene, [replace(each, used={**used, **each.used}) for each in seen])
    (figure,) = compare(one, COSTS)
    assert (figure.what, figure.resource, figure.measured) == ("x", "front", 0.0025)
    assert figure.predicted == pytest.approx(0.0029)
    assert figure.met
    assert not replace(figure, measured=0.0024).met
    whole = Simulation(MACHINE, 6, 2, 2, [one], (22, 26))
    whole.write(tmp_path / "simulated.json")
    assert Simulation.read(tmp_path / "simulated.json") == whole
    lines = simulated(whole, COSTS).splitlines()
    assert "2 of 2 figures are within 20%" in lines[0]
    assert lines[-1] == "| all | connections to Redis | 26 | 22 | +18% |"


def test_each_thing_is_measured_in_a_scene_and_has_words() -> None:
    assert {field.name for field in fields(Amounts)} == set(THINGS)
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    for pace in PACES:
        measured = Costs.measured(pace)
        assert set(measured.prices) == {*CPU, *BYTES, *HELD}
        lines = prices({pace: measured}, measured.prices).splitlines()
        assert len(lines) == 2 + len({t for of in measured.prices.values() for t in of})


def test_the_page_says_what_the_model_says() -> None:
    assert page.PAGE.read_text() == page.written(), "run: python -m bench.capacity.page"


def test_the_page_tells_of_each_shape() -> None:
    text = page.PAGE.read_text()
    for shape in (*SIZES, *MILLION):
        assert f"**{shape.name}**" in text
        for pace in PACES:
            lines = needed([(shape.name, needs(shape.asked, Costs.measured(pace), shape.limits))])
            assert re.search(r"\| fronts \| [\d,]+ \((CPU|streams)\)", lines)


def test_the_command_tells_what_a_workload_needs() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "bench.capacity", "--watchers", "1000000", "--events", "100000"],
        cwd=page.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    asked = Workload(watchers=1e6, events=1e5, tasks=1e6)
    counts = needs(asked, Costs.measured("apart")).fronts.count
    assert f"| fronts | {counts:,} (" in told.stdout
