"""What is raised, and when: whenever somebody looks, each limit once for each occasion, and never in quiet hours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.sla import (
    Facts,
    Limit,
    Policy,
    Raised,
    Waiting,
    first_look,
    judge,
)
from a2a_streaming.task import State

BEGAN = 1_700_000_000_000
"""A Tuesday, 22:13:20 in UTC."""


def limit(measure: str = "working", seconds: Any = 60, **more: Any) -> Limit:
    return Limit.model_validate({"name": f"too long {measure}", "measure": measure, "seconds": seconds, **more})  # fmt: skip


def policy(*limits: Limit, **more: Any) -> Policy:
    return Policy.model_validate({"limits": limits, **more})


def working(**more: Any) -> Facts:
    told: dict[str, Any] = {"state": State.WORKING, "created": BEGAN, "since": BEGAN, "begun": True}
    return Facts("echo", **{**told, **more})


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat()


def test_a_limit_is_raised_when_it_is_exceeded_and_not_before() -> None:
    rules = policy(limit())
    early = judge(rules, working(), Raised(), BEGAN + 59_999)
    assert early.breaches == ()
    assert early.look == BEGAN + 60_000
    [breach] = judge(rules, working(), Raised(), BEGAN + 60_000).breaches
    assert (breach.number, breach.deadline, breach.since) == (0, BEGAN + 60_000, BEGAN)
    told = breach.told(working())
    assert (told["limit"], told["seconds"], told["state"]) == ("too long working", 60.0, "working")


def test_each_limit_measures_what_it_says() -> None:
    exceeded = BEGAN + 600_000
    measures = ("first-event", "total", "submitted", "working", "input-required")
    rules = policy(*(limit(measure) for measure in measures))

    def raised(facts: Facts) -> set[str]:
        return {one.limit.measure for one in judge(rules, facts, Raised(), exceeded).breaches}

    waits = working(state=State.SUBMITTED, begun=False)
    assert raised(waits) == {"first-event", "total", "submitted"}
    assert raised(working()) == {"total", "working"}
    assert raised(working(since=exceeded - 1000)) == {"total"}
    assert raised(working(state=State.INPUT_REQUIRED)) == {"total", "input-required"}
    assert raised(working(state=State.COMPLETED)) == set()
    assert raised(working(created=None)) == {"working"}
    assert judge(rules, working(state=State.COMPLETED), Raised(), exceeded).look is None


def test_a_limit_is_for_some_agents_and_priorities() -> None:
    rules = policy(limit(seconds={"urgent": 1, "normal": 100}, agents=["echo", "intent"]))

    def raised(facts: Facts) -> int:
        return len(judge(rules, facts, Raised(), BEGAN + 50_000).breaches)

    assert raised(working(priority="urgent")) == 1
    assert raised(working(priority="normal")) == 0
    assert raised(working(priority="low")) == 0
    other = Facts("billing", "", State.WORKING, BEGAN, BEGAN)
    assert judge(rules, other, Raised(), BEGAN + 500_000).breaches == ()
    assert first_look(rules, other) is None
    # Who writes it down doesn't know the priority: it is looked at when the most urgent would be.
    assert first_look(rules, working()) == BEGAN + 1000


def test_another_stay_in_the_same_state_is_another_occasion() -> None:
    rules = policy(limit())
    [first] = judge(rules, working(), Raised(), BEGAN + 60_000).breaches
    known = Raised({first.occasion: 0})
    assert judge(rules, working(), known, BEGAN + 90_000).breaches == ()
    again = working(since=BEGAN + 100_000)
    assert judge(rules, again, known, BEGAN + 159_999).breaches == ()
    assert len(judge(rules, again, known, BEGAN + 160_000).breaches) == 1


def test_who_waits_for_a_person_has_the_queues_time_where_no_limit_says_another() -> None:
    waiting = Waiting("T-1", BEGAN, BEGAN + 900_000, "high")
    facts = working(state=State.INPUT_REQUIRED, waiting=waiting)
    by_queue = policy(limit("human", {}))
    assert judge(by_queue, facts, Raised(), BEGAN + 899_999).breaches == ()
    [breach] = judge(by_queue, facts, Raised(), BEGAN + 900_000).breaches
    told = breach.told(facts)
    assert (told["priority"], told["ticket"], told["seconds"]) == ("high", "T-1", 900.0)
    own = policy(limit("human", {"high": 1000}))
    assert judge(own, facts, Raised(), BEGAN + 900_000).breaches == ()
    assert len(judge(own, facts, Raised(), BEGAN + 1_000_000).breaches) == 1
    assert judge(own, working(), Raised(), BEGAN + 1_000_000).breaches == ()


def test_what_somebody_sees_to_isnt_repeated() -> None:
    rules = policy(limit(repeats=5, repeat_seconds=10))
    [breach] = judge(rules, working(), Raised(), BEGAN + 60_000).breaches
    seen = Raised({breach.occasion: 0}, frozenset({breach.occasion}))
    assert judge(rules, working(), seen, BEGAN + 500_000).breaches == ()


@given(
    repeats=st.integers(0, 6),
    looks=st.lists(st.integers(0, 200), min_size=1, max_size=30),
    quiet=st.booleans(),
)
def test_whenever_somebody_looks_each_number_is_raised_once_in_order_and_none_early(
    repeats: int, looks: list[int], quiet: bool
) -> None:
    hours = [{"from": "22:15", "to": "22:16"}] if quiet else []
    rules = policy(limit(repeats=repeats, repeat_seconds=20), quiet={"hours": hours})
    numbers: dict[str, int] = {}
    raised: list[int] = []
    now = BEGAN
    for passed in looks:
        now += passed * 1000
        verdict = judge(rules, working(), Raised(dict(numbers)), now)
        for breach in verdict.breaches:
            assert breach.deadline <= now
            assert rules.quiet.after(now) == now
            numbers[breach.occasion] = breach.number
            raised.append(breach.number)
        assert verdict.look is not None
        assert verdict.look > now  # what is due was raised
    assert raised == sorted(set(raised))
    assert all(number <= repeats for number in raised)


@given(passed=st.integers(0, 300_000), since=st.integers(0, 100_000))
def test_what_is_noted_with_a_change_is_never_later_than_what_is_due(
    passed: int, since: int
) -> None:
    rules = policy(
        limit("total", {"urgent": 10, "low": 200}),
        limit("working", {"normal": 30, "urgent": 200}),
        limit("first-event", 5),
    )
    facts = working(since=BEGAN + since, begun=False)
    noted = first_look(rules, facts)
    assert noted is not None
    now = BEGAN + passed
    for priority in ("urgent", "high", "normal", "low"):
        known = working(since=BEGAN + since, begun=False, priority=priority)
        if judge(rules, known, Raised(), now).breaches:
            assert noted <= now


# Quiet hours


BERLIN: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "hours": [{"from": "22:00", "to": "07:00"}, {"days": ["sat", "sun"]}],
}


def test_what_is_due_at_night_is_raised_in_the_morning_and_at_the_weekend_on_monday() -> None:
    rules = policy(limit(), quiet=BERLIN)
    evening = local("2026-01-14T21:59:30+01:00")
    facts = working(created=evening, since=evening)
    assert judge(rules, facts, Raised(), evening + 60_000).breaches == ()
    morning = local("2026-01-15T07:00:00+01:00")
    assert judge(rules, facts, Raised(), morning - 60_000).look == morning
    assert len(judge(rules, facts, Raised(), morning).breaches) == 1
    friday = local("2026-01-16T21:59:30+01:00")
    monday = local("2026-01-19T07:00:00+01:00")
    assert policy(quiet=BERLIN).quiet.after(friday) == friday
    assert policy(quiet=BERLIN).quiet.after(friday + 60_000) == monday


def test_quiet_hours_end_by_the_clock_on_the_wall_also_when_it_is_changed() -> None:
    quiet = policy(quiet={**BERLIN, "hours": [{"from": "22:00", "to": "07:00"}]}).quiet
    before = local("2026-03-28T23:00:00+01:00")
    assert quiet.after(before) == local("2026-03-29T07:00:00+02:00")  # a night of eight hours
    assert quiet.after(local("2026-10-24T23:00:00+02:00")) == local("2026-10-25T07:00:00+01:00")


def test_a_limit_can_hold_in_quiet_hours_too() -> None:
    rules = policy(limit(always=True), quiet=BERLIN)
    night = local("2026-01-14T23:00:00+01:00")
    facts = working(created=night, since=night)
    assert len(judge(rules, facts, Raised(), night + 60_000).breaches) == 1


def test_repeats_that_fall_into_quiet_hours_are_one_when_those_end() -> None:
    rules = policy(limit(repeats=1000, repeat_seconds=600), quiet=BERLIN)
    evening = local("2026-01-14T21:00:00+01:00")
    facts = working(created=evening, since=evening)
    known = Raised({f"too long working@{evening}": 3})
    morning = local("2026-01-15T07:00:00+01:00")
    assert judge(rules, facts, known, morning - 1).look is not None
    [breach] = judge(rules, facts, known, morning).breaches
    assert breach.number == 59  # due at 06:51
    assert judge(rules, facts, Raised({breach.occasion: 59}), morning).look == local(
        "2026-01-15T07:01:00+01:00"
    )
