"""The oracle of the fault run objects to what is wrong, and to nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.churn import Sample, judge
from chaos.hooks import Post, hook_violations
from chaos.report import Report, percentiles
from chaos.responses import Frames, Response
from chaos.schedule import Fault, draw, dump, load
from chaos.shrinking import shrink
from chaos.stories import Path, Story, Violation
from chaos.verdicts import (
    Entry,
    fold_violations,
    log_violations,
    path_violations,
    told_violations,
)


def told(number: int, *, run: str = "aaaaaaaa", state: str = "working", epoch: int = 5) -> Entry:
    """An event of an agent's, as 1.0's REST tells it; offsets count from 1, the agent's numbers from 0."""
    words = {"messageId": "m", "parts": [{"text": f"~{run} {number} 7 1~ "}]}
    status = {"state": f"TASK_STATE_{state.upper()}", "message": words}
    data = json.dumps({"statusUpdate": {"taskId": "t", "status": status}}).encode()
    return Entry(b"%d-%d" % (epoch, number + 1), data)


def log(count: int) -> list[Entry]:
    """A log that ends well."""
    return [*(told(n) for n in range(count - 1)), told(count - 1, state="completed")]


class Hall:
    """A story, watchers of it, and what the oracle objects to."""

    def __init__(self) -> None:
        self.objections: list[Violation] = []
        self.story = Story("t", self.objections.append)

    def watch(self, entries: Sequence[Entry], position: bytes | None = None) -> Path:
        path = Path("somebody", self.story, "1.0 REST", position)
        for entry in entries:
            path.hear(entry.position, entry.data)
        return path

    @property
    def broken(self) -> set[str]:
        return {violation.invariant for violation in self.objections}


def reset(position: bytes, reason: str = "forked", state: str = "working") -> Entry:
    """A reset, as 1.0's REST tells it."""
    task = {
        "id": "t",
        "status": {"state": f"TASK_STATE_{state.upper()}"},
        "metadata": {"urn:a2a-streaming:resume:v1": {"reset": reason}},
    }
    return Entry(position, json.dumps({"task": task}).encode())


def test_watchers_who_are_told_the_same_story_are_well() -> None:
    hall, story = Hall(), log(6)
    for start in (0, 0, 3, 5):
        path = hall.watch(story[start:], story[start - 1].position if start else None)
        assert path.over
        assert not [*path_violations(path, story, lost=False)]
    assert not hall.objections
    assert not [*told_violations(hall.story, story)]
    assert not [*log_violations("t", story, ended=True)]


@pytest.mark.parametrize(
    ("order", "invariant"),
    [
        ([0, 1, 1, 2], "I2"),
        ([0, 1, 3], "I1"),
        ([0, 2, 1], "I1"),
        ([1, 2], "I1"),
        ([0, 1, 2, 0], "I2"),
    ],
)
def test_an_event_too_many_too_few_or_out_of_order_is_noticed(
    order: list[int], invariant: str
) -> None:
    hall, story = Hall(), log(6)
    hall.watch(story)
    hall.watch([story[n] for n in order])
    assert invariant in hall.broken


def test_other_words_at_a_position_are_noticed() -> None:
    hall = Hall()
    hall.watch(log(3))
    hall.watch([*log(3)[:2], told(2, run="bbbbbbbb", state="completed")])
    assert "I3" in hall.broken


def test_what_follows_on_an_event_that_was_lost_is_noticed() -> None:
    hall = Hall()
    other = [told(0), told(1, epoch=9, run="bbbbbbbb"), told(2, epoch=9, run="bbbbbbbb")]
    hall.watch(other)
    hall.watch([told(0), told(1), other[2]])
    assert "I1" in hall.broken


def test_what_follows_on_a_reset_is_well() -> None:
    hall = Hall()
    other = [told(0), told(1, epoch=9, run="bbbbbbbb"), told(2, epoch=9, run="bbbbbbbb")]
    path = hall.watch([told(0), told(1), reset(other[1].position), other[2]])
    hall.watch(other)
    assert not hall.objections
    assert path.resets == [("forked", other[1].position)]


def test_who_follows_a_turn_may_miss_what_was_before_it_and_nothing_else() -> None:
    hall, story = Hall(), log(6)
    hall.watch(story)
    for left_out, broken in (([3, 4, 5], set[str]()), ([3, 5], {"I1"})):
        path = Path("somebody", hall.story, "1.0 REST")
        path.skips = True
        for entry in [reset(story[0].position), *(story[n] for n in left_out)]:
            path.hear(entry.position, entry.data)
        assert hall.broken == broken


def test_an_event_after_the_end_is_noticed() -> None:
    hall, story = Hall(), log(3)
    hall.watch([*story, told(3)])
    assert "I5" in hall.broken


def test_a_position_that_nobody_had_is_not_gone_on_from() -> None:
    hall, story = Hall(), log(6)
    hall.watch(story)
    hall.watch(story[3:], b"4-3")
    assert "I1" in hall.broken


def test_who_is_left_behind_is_noticed() -> None:
    hall, story = Hall(), log(4)
    behind, lost = hall.watch(story[:2]), hall.watch([told(0), told(1, epoch=3)])
    assert [v.invariant for v in path_violations(behind, story, lost=False)] == ["I1"]
    assert [v.invariant for v in path_violations(lost, story, lost=True)] == ["I7"]


@pytest.mark.parametrize(
    ("entries", "invariant"),
    [
        ([told(0), told(2), told(3, state="completed")], "I1"),
        ([*log(3), told(3, state="failed")], "I5"),
        ([*log(3), told(3)], "I5"),
        ([told(0), told(1)], "I8"),
        ([], "I1"),
        ([told(0), told(1, epoch=6), told(2, state="completed")], "I6"),
        ([told(0), told(1, epoch=6, state="completed")], "I6"),
        ([told(0), Entry(b"5-2", told(2).data), told(2, run="b" * 8, state="completed")], "I7"),
    ],
)
def test_a_log_that_is_wrong_is_noticed(entries: list[Entry], invariant: str) -> None:
    assert invariant in {v.invariant for v in log_violations("t", entries, ended=True)}


@given(st.integers(2, 12), st.data())
def test_a_snapshot_and_what_follows_is_the_task(count: int, data: st.DataObject) -> None:
    entries = log(count)
    place = data.draw(st.integers(0, count - 1))
    hall = Hall()
    status = json.loads(entries[place].data)["statusUpdate"]["status"]
    whole = Entry(
        entries[place].position, json.dumps({"task": {"id": "t", "status": status}}).encode()
    )
    hall.watch([whole, *entries[place + 1 :]])
    task = {"status": json.loads(entries[-1].data)["statusUpdate"]["status"]}
    assert not [*fold_violations(hall.story, entries, task)]
    task = {"status": {**task["status"], "message": {"parts": [{"text": "another end"}]}}}
    assert [v.invariant for v in fold_violations(hall.story, entries, task)] == ["I4"]


def posts(*told: tuple[int, bool]) -> list[Post]:
    """What a webhook was told: offsets, and whether it took them."""
    return [Post(f"key {offset}", b"5-%d" % offset, taken) for offset, taken in told]


def test_a_webhook_that_takes_each_event_in_order_is_well() -> None:
    story = log(4)
    right = posts((1, False), (1, True), (1, True), (2, True), (3, False), (3, True), (4, True))
    assert not [*hook_violations("t", right, story, each=True, touched=False)]


@pytest.mark.parametrize(
    "wrong",
    [
        posts((1, True), (3, True), (4, True)),
        posts((1, True), (2, False), (3, True), (4, True)),
        posts((1, True), (2, True), (3, True), (4, False)),
        [*posts((1, True), (2, True), (3, True), (4, True)), Post("key 9", b"5-4", True)],
        [*posts((1, True), (2, True), (3, True), (4, True)), Post("key 1", b"5-4", True)],
    ],
)
def test_a_webhook_that_is_told_wrongly_is_noticed(wrong: list[Post]) -> None:
    assert [*hook_violations("t", wrong, log(4), each=True, touched=False)]


@given(st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data)), st.data())
def test_frames_are_read_wherever_they_are_cut(said: list[bytes], data: st.DataObject) -> None:
    sent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for number, one in enumerate(said, 1):
        frame = b": \nevent: status\nid: 5-%d\ndata: %b\n\n" % (number, one)
        sent += b"%x\r\n%b\r\n" % (len(frame), frame)
    sent += b"0\r\n\r\n"
    response, frames, got = Response(), Frames(), list[tuple[bytes, bytes]]()
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        got += frames.feed(response.feed(sent[:size]))
        sent = sent[size:]
    assert got == [(b"5-%d" % number, one) for number, one in enumerate(said, 1)]
    assert response.ended


@given(st.integers(), st.integers(0, 40))
def test_a_seed_draws_one_schedule(seed: int, count: int) -> None:
    weights = {"kill": 2.0, "cut": 1.0}
    drawn = draw(seed, count, weights, pace=9)
    assert drawn == draw(seed, count, weights, pace=9)
    assert load(dump(drawn)) == drawn
    assert len(drawn) == count


@given(st.sets(st.integers(0, 60), min_size=1, max_size=5))
def test_a_schedule_shrinks_to_what_is_needed(needed: set[int]) -> None:
    assert shrink(range(61), lambda part: needed <= {*part}, tries=10_000) == sorted(needed)


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 40))
def test_what_a_schedule_shrinks_to_fails_however_few_tries_there_are(
    needed: set[int], tries: int
) -> None:
    asked: list[int] = []

    def fails(part: list[int]) -> bool:
        asked.append(len(part))
        return needed <= {*part}

    shrunk = shrink(range(61), fails, tries=tries)
    assert needed <= {*shrunk}
    assert shrunk == sorted(shrunk)
    assert len(asked) <= tries


def test_a_fault_says_whom_it_hits_and_how_much() -> None:
    fault = Fault("cut", 3, 0.5, 0.25)
    assert fault.whom(4) == 2
    assert fault.between(0, 8) == 2


def samples(*, memory: int = 0, files: int = 0, keys: int = 0) -> list[Sample]:
    """What was held at each of twelve times, if each time so much comes on top."""
    return [
        Sample({"front-0": 200_000 + n * memory}, {"front-0": 20 + n * files}, 12, 30 + n * keys)
        for n in range(12)
    ]


def test_what_stays_as_it_is_is_well() -> None:
    report = Report("churn", 1)
    judge(report, samples())
    assert not report.findings


@pytest.mark.parametrize(
    ("grown", "what"), [({"memory": 600}, "KiB"), ({"files": 1}, "files"), ({"keys": 2}, "keys")]
)
def test_what_grows_is_noticed(grown: dict[str, int], what: str) -> None:
    report = Report("churn", 1)
    judge(report, samples(**grown))
    assert [what in one.violation.what for one in report.findings] == [True]


def test_a_report_tells_what_was_found_to_people_and_to_programs() -> None:
    report = Report("run", 7, deliveries=1234)
    report.faults["cut"] += 2
    report.recovery["cut"] += [0.1, 0.3, 0.2]
    report.find(Violation("I2", "t", "twice"), 9, ["0.1 cut"], ["front-0: said"])
    text, told = report.as_text(), json.loads(json.dumps(report.as_json()))
    for words in ("1,234", "| cut | 2 |", "seed 9: I2 t: twice", "0.1 cut", "front-0: said"):
        assert words in text
    assert told["faults"] == {"cut": 2}
    assert told["recoverySeconds"]["cut"] == {"p50": 0.2, "p90": 0.3, "p99": 0.3, "most": 0.3}
    assert told["violations"][0]["seed"] == 9
    assert percentiles([5.0])["p50"] == 5.0


def test_what_is_alike_is_told_three_times_at_most() -> None:
    report = Report("run", 7)
    for number in range(9):
        report.find(Violation("I2", "t", f"{number}"))
    assert len(report.findings) == 3
