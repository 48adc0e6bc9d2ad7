"""A task's state machine, and the fold of its log into a snapshot."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from a2a.types import TaskState
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.errors import InvalidTransition
from a2a_streaming.event import artifact_event, message, new_task, status_event, task_event
from a2a_streaming.task import (
    INTERNAL,
    INTERRUPTED,
    TERMINAL,
    TRANSITIONS,
    Json,
    State,
    answered_by_message,
    apply,
    artifact_index,
    check_transition,
    find_artifact,
    mentions,
    state_of,
)

OPEN = [state for state in State if state not in TERMINAL]
AT = "2026-01-01T00:00:00.000Z"


# --- the table ---


def test_every_state_of_the_protocol_has_its_row() -> None:
    named = {name for name in TaskState.keys() if name != "TASK_STATE_UNSPECIFIED"}  # noqa: SIM118 - a protobuf enum is no dict
    assert {state.value for state in State} == named
    assert set(TRANSITIONS) == set(State)


def test_the_table_reads_as_the_picture_above_it() -> None:
    told = {
        state.label: {wanted.label for wanted in TRANSITIONS[state]} - {t.label for t in TERMINAL}
        for state in OPEN
    }
    assert told == {
        "submitted": {"submitted", "working", "input-required", "auth-required"},
        "working": {"working", "input-required", "auth-required"},
        "input-required": {"working", "input-required", "auth-required"},
        "auth-required": {"working", "input-required", "auth-required"},
    }


@pytest.mark.parametrize("state", State)
def test_nothing_follows_on_a_terminal_state_and_an_end_on_every_other(state: State) -> None:
    if state.terminal:
        assert TRANSITIONS[state] == frozenset()
    else:
        assert TRANSITIONS[state] >= TERMINAL


def test_a_state_is_open_interrupted_or_terminal() -> None:
    assert not TERMINAL & INTERRUPTED
    assert {state for state in State if state.terminal} == TERMINAL
    assert {state for state in State if state.interrupted} == INTERRUPTED
    assert set(State) - TERMINAL - INTERRUPTED == {State.SUBMITTED, State.WORKING}


def test_every_state_can_be_reached_from_the_first() -> None:
    reached = {State.SUBMITTED}
    while (more := reached.union(*(TRANSITIONS[state] for state in reached))) != reached:
        reached = more
    assert reached == set(State)


@pytest.mark.parametrize("wanted", State)
@pytest.mark.parametrize("current", State)
def test_a_step_is_taken_if_the_table_has_it(current: State, wanted: State) -> None:
    task = new_task("t", "c", said("m"), at=AT)
    task["status"]["state"] = current.value
    event = status_event("t", "c", wanted)
    if wanted in TRANSITIONS[current]:
        check_transition(current, wanted)
        assert state_of(apply(task, event)) is wanted
    else:
        with pytest.raises(InvalidTransition, match=f"{current.label} can't become {wanted.label}"):
            check_transition(current, wanted)
        with pytest.raises(InvalidTransition, match=f"{current.label} can't become {wanted.label}"):
            apply(task, event)


def test_labels_are_what_people_write() -> None:
    assert [state.label for state in State] == [
        "submitted",
        "working",
        "input-required",
        "auth-required",
        "completed",
        "failed",
        "canceled",
        "rejected",
    ]


# --- logs, and a simple model of what their fold must hold ---


def said(message_id: str, *parts: Json, role: Any = "agent", metadata: Json | None = None) -> Json:
    """A message with an id of the test's."""
    return message(
        role,
        parts or [{"text": message_id}],
        task_id="t",
        context_id="c",
        message_id=message_id,
        metadata=metadata,
    )


@dataclass
class Model:
    """What a log says, written down the long way."""

    state: State
    said: list[str] = field(default_factory=list)
    parts: dict[str, list[Json]] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)
    metadata: Json = field(default_factory=dict)


values = st.sampled_from(
    [None, True, 0, -(2**53), 1.5, "", "é\n\0\u2028😀", [], {}, [1, [2]], {"x": {"y": [1]}}]
)
metadata = st.none() | st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=2)
parts = st.lists(
    st.builds(lambda data: {"data": data, "mediaType": "application/json"}, values)
    | st.sampled_from(
        [
            {"text": "one"},
            {"text": "two"},
            {"raw": "aGk=", "filename": "hi.txt"},
            {"url": "https://example.com/a", "metadata": {"x": {"y": [1]}}},
        ]
    ),
    max_size=2,
)


class Author:
    """Writes a legal log event by event, and its model beside it.

    Args:
        draw: Hypothesis' hand on the pen.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0
        self.events: list[Json] = []
        self.model = Model(State.SUBMITTED)
        self.begins()

    def begins(self) -> None:
        """Set the whole task, as a log's first event does, and a new attempt's."""
        draw, before = self._draw, self.model
        first = self.events == []
        state = State.SUBMITTED if first else draw(st.sampled_from(OPEN))
        model = self.model = Model(state)
        task = new_task("t", "c", self._message(), at=AT, metadata=draw(metadata))
        task["status"]["state"] = state.value
        model.metadata = copy.deepcopy(task.get("metadata", {}))
        if draw(st.booleans()):
            task["status"]["message"] = self._message()
        for name in ["kept"] if first else before.parts:
            if draw(st.booleans()):
                index = model.indexes[name] = before.indexes.get(name, 0)
                kept = {"artifactId": name, "name": name, "parts": draw(parts)}
                kept["metadata"] = {INTERNAL: {"index": index}}
                task.setdefault("artifacts", []).append(kept)
                model.parts[name] = list(kept["parts"])
        self.events.append(task_event(task))

    def takes_a_state(self) -> None:
        draw, model = self._draw, self.model
        model.state = draw(st.sampled_from(sorted(TRANSITIONS[model.state])))
        extra = draw(metadata)
        says = self._message() if draw(st.booleans()) else None
        self.events.append(status_event("t", "c", model.state, says, metadata=extra))
        model.metadata.update(copy.deepcopy(extra or {}))

    def sends_a_piece(self) -> None:
        draw, model = self._draw, self.model
        name = draw(st.sampled_from(["a1", "a2", "a3"]))
        new: Json = {"artifactId": name, "name": name, "parts": draw(parts)}
        if (extra := draw(metadata)) is not None:
            new["metadata"] = extra
        append = draw(st.booleans())
        index = model.indexes.setdefault(name, 1 + max(model.indexes.values(), default=-1))
        last = draw(st.sampled_from([None, False, True]))
        self.events.append(
            artifact_event("t", "c", new, index=index, append=append, last_chunk=last)
        )
        model.parts[name] = (model.parts.get(name, []) if append else []) + new["parts"]

    def answers_by_message(self) -> None:
        self.events.append({"message": self._message()})
        self.model.state = State.COMPLETED
        self.model.metadata[INTERNAL] = {"answer": "message"}

    def _message(self) -> Json:
        self._count += 1
        self.model.said.append(f"m{self._count}")
        role = self._draw(st.sampled_from(["user", "agent"]))
        return said(f"m{self._count}", *self._draw(parts), role=role, metadata=self._draw(metadata))


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Json], Model]:
    """A legal log and its model: turns, chunks, several artifacts, restarts; ended or not."""
    author = Author(draw)
    kinds = (
        [author.takes_a_state] * 3
        + [author.sends_a_piece] * 4
        + [author.answers_by_message, author.begins]
    )
    for _ in range(draw(st.integers(0, 12))):
        if not author.model.state.terminal:
            draw(st.sampled_from(kinds))()
    return author.events, author.model


def fold(events: list[Json], task: Json | None = None) -> Json:
    for event in events:
        task = apply(task, event)
    assert task is not None
    return task


def stored(task: Json) -> Json:
    """The task as it comes back from where it was stored."""
    return orjson.loads(orjson.dumps(task))


@given(logs())
def test_a_snapshot_and_the_events_after_it_make_the_same_task_wherever_it_was_taken(
    log: tuple[list[Json], Model],
) -> None:
    events, _ = log
    whole = stored(fold(events))
    for k in range(1, len(events)):
        snapshot = stored(fold(events[:k]))
        assert stored(fold(events[k:], snapshot)) == whole


@given(logs())
def test_events_that_were_stored_fold_as_those_that_were_not(
    log: tuple[list[Json], Model],
) -> None:
    events, _ = log
    assert stored(fold([stored(event) for event in events])) == stored(fold(events))


@given(logs())
def test_folding_leaves_the_events_as_they_are(log: tuple[list[Json], Model]) -> None:
    events, _ = log
    before = copy.deepcopy(events)
    first = stored(fold(events))
    assert events == before
    for k in range(1, len(events)):  # nor do events change through a task that held on to them
        fold(events[k:], fold(events[:k]))
    assert events == before
    assert stored(fold(events)) == first


@given(logs())
def test_the_fold_is_in_the_last_state(log: tuple[list[Json], Model]) -> None:
    events, model = log
    assert state_of(fold(events)) is model.state


@given(logs())
def test_all_messages_are_in_the_task_in_the_order_in_which_they_were_said(
    log: tuple[list[Json], Model],
) -> None:
    events, model = log
    task = fold(events)
    told = [*task.get("history", ())]
    if "message" in task["status"]:
        told.append(task["status"]["message"])
    assert [one["messageId"] for one in told] == model.said
    assert all(mentions(task, message_id) for message_id in model.said)
    assert not mentions(task, "m0")


@given(logs())
def test_each_artifact_holds_its_parts_in_order_and_keeps_its_ordinal(
    log: tuple[list[Json], Model],
) -> None:
    events, model = log
    artifacts: list[Json] = fold(events).get("artifacts", [])
    assert {one["artifactId"]: one["parts"] for one in artifacts} == model.parts
    assert len(artifacts) == len(model.parts)
    for one in artifacts:
        assert artifact_index(one) == model.indexes[one["artifactId"]]
        assert find_artifact(artifacts, one["artifactId"]) == artifacts.index(one)


@given(logs())
def test_the_tasks_metadata_are_the_events_merged(log: tuple[list[Json], Model]) -> None:
    events, model = log
    assert fold(events).get("metadata", {}) == model.metadata


@given(logs(), st.sampled_from(sorted(TERMINAL)), st.data())
def test_nothing_is_accepted_after_the_end(
    log: tuple[list[Json], Model], end: State, data: st.DataObject
) -> None:
    events, model = log
    if not model.state.terminal:
        events = [*events, status_event("t", "c", end, said("end"))]
    task = fold(events)
    before = copy.deepcopy(task)
    late = data.draw(
        st.sampled_from(
            [
                *(status_event("t", "c", state, said("late")) for state in State),
                artifact_event("t", "c", {"artifactId": "a1", "parts": []}, index=0),
                artifact_event("t", "c", {"artifactId": "a1", "parts": []}, index=0, append=True),
                {"message": said("late")},
                task_event(new_task("t", "c", said("late"), at=AT)),
            ]
        )
    )
    with pytest.raises(InvalidTransition, match=f"that is {state_of(before).label} can't become"):
        apply(task, late)
    assert task == before


@given(logs())
def test_a_refused_event_leaves_the_task_as_it_was(log: tuple[list[Json], Model]) -> None:
    events, model = log
    task = fold(events)
    before = copy.deepcopy(task)
    for wanted in set(State) - TRANSITIONS[model.state]:
        with pytest.raises(InvalidTransition):
            apply(task, status_event("t", "c", wanted, said("no"), metadata={"a": 1}))
    assert task == before


# --- single rules, by example ---


def test_a_message_is_in_the_status_until_the_next_status() -> None:
    task = fold(
        [
            task_event(new_task("t", "c", said("m1"), at=AT)),
            status_event("t", "c", State.WORKING, said("m2")),
        ]
    )
    assert task["status"]["message"]["messageId"] == "m2"
    assert [one["messageId"] for one in task["history"]] == ["m1"]
    task = apply(task, status_event("t", "c", State.WORKING))
    assert "message" not in task["status"]
    assert [one["messageId"] for one in task["history"]] == ["m1", "m2"]


def test_a_message_alone_completes_the_task_which_remembers_that_it_was_its_answer() -> None:
    begun = new_task("t", "c", said("m1", role="user"), at=AT)
    task = apply(apply(None, task_event(begun)), {"message": said("m2")})
    assert state_of(task) is State.COMPLETED
    assert task["status"]["message"]["messageId"] == "m2"
    assert [one["messageId"] for one in task["history"]] == ["m1"]
    assert answered_by_message(task)
    assert not answered_by_message(begun)


def test_a_status_without_message_says_nothing_twice() -> None:
    events = [task_event(new_task("t", "c", said("m1"), at=AT))]
    events += [status_event("t", "c", State.WORKING) for _ in range(3)]
    assert [one["messageId"] for one in fold(events)["history"]] == ["m1"]


def test_chunks_follow_on_each_other_and_a_replacement_drops_them() -> None:
    def piece(text: str, *, append: bool) -> Json:
        artifact: Json = {"artifactId": "a", "parts": [{"text": text}], "metadata": {text: True}}
        return artifact_event("t", "c", artifact, index=4, append=append)

    task = fold(
        [
            task_event(new_task("t", "c", said("m1"), at=AT)),
            piece("one", append=False),
            piece("two", append=True),
        ]
    )
    (artifact,) = task["artifacts"]
    assert [part["text"] for part in artifact["parts"]] == ["one", "two"]
    assert {k: v for k, v in artifact["metadata"].items() if k != INTERNAL} == {
        "one": True,
        "two": True,
    }
    task = apply(task, piece("three", append=False))
    (artifact,) = task["artifacts"]
    assert [part["text"] for part in artifact["parts"]] == ["three"]
    assert {k: v for k, v in artifact["metadata"].items() if k != INTERNAL} == {"three": True}
    assert artifact_index(artifact) == 4


def test_a_chunk_of_an_artifact_that_is_not_there_begins_it() -> None:
    chunk = artifact_event(
        "t", "c", {"artifactId": "a", "parts": [{"text": "x"}]}, index=2, append=True
    )
    task = fold([task_event(new_task("t", "c", said("m1"), at=AT)), chunk])
    assert task["artifacts"][0]["parts"] == [{"text": "x"}]
    assert artifact_index(task["artifacts"][0]) == 2


def test_a_task_event_begins_the_task_anew() -> None:
    first = task_event(new_task("t", "c", said("m1"), at=AT))
    second = task_event(new_task("t", "c", said("m2"), at=AT))
    half = artifact_event("t", "c", {"artifactId": "a", "parts": [{"text": "half"}]}, index=0)
    task = fold([first, status_event("t", "c", State.WORKING, metadata={"x": 1}), half, second])
    assert task == second["task"]


def test_what_translations_need_stays_out_of_the_tasks_metadata() -> None:
    events = [
        task_event(new_task("t", "c", said("m1"), at=AT)),
        status_event("t", "c", State.WORKING, metadata={INTERNAL: {"v": 1}, "seen": 1}),
        status_event("t", "c", State.WORKING, metadata={INTERNAL: {"v": 1}}),
    ]
    assert fold(events)["metadata"] == {"seen": 1}


def test_an_artifact_without_ordinal_is_the_first() -> None:
    assert artifact_index({"artifactId": "a", "parts": []}) == 0
    assert artifact_index({"artifactId": "a", "parts": [], "metadata": {"other": 1}}) == 0


def test_the_newest_of_two_artifacts_of_one_id_is_found() -> None:
    artifacts = [{"artifactId": name} for name in ("a", "b", "a", "c")]
    assert find_artifact(artifacts, "a") == 2
    assert find_artifact(artifacts, "d") is None
    assert find_artifact([], "a") is None


@pytest.mark.parametrize(
    "event",
    [
        status_event("t", "c", State.WORKING),
        artifact_event("t", "c", {"artifactId": "a", "parts": []}, index=0),
        {"message": said("m1")},
        {},
    ],
)
def test_a_log_begins_with_a_task(event: Json) -> None:
    with pytest.raises(ValueError, match="begins with a task"):
        apply(None, event)


@pytest.mark.parametrize("event", [{}, {"statusupdate": {}}, {"other": 1}])
def test_an_event_of_no_known_kind_is_refused(event: Json) -> None:
    task = fold([task_event(new_task("t", "c", said("m1"), at=AT))])
    with pytest.raises(ValueError, match="an event has one of task"):
        apply(task, event)
