"""What a second attempt begins with, as a function of what the first one left."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.attempt import begin_again, noted
from a2a_streaming.event import artifact_event, message, new_task, status_event, text_part
from a2a_streaming.task import INTERNAL, Json, State, apply, artifact_index
from agents import messages_of, text_of

TURNS = ["m1", "m2"]
STEPS = ["s look", "s pay", "a x", "b at"]
maybe_step = st.none() | st.sampled_from(STEPS)


def said(text: str, role: Any = "agent", message_id: str | None = None) -> Json:
    parts = [text_part(text)]
    return message(role, parts, task_id="t1", context_id="c1", message_id=message_id)


def status(text: str, role: Any = "agent", message_id: str | None = None) -> Json:
    return status_event("t1", "c1", State.WORKING, said(text, role, message_id))


def artifact(artifact_id: str, text: str, *, index: int = 0, append: bool = False) -> Json:
    made = {"artifactId": artifact_id, "name": artifact_id, "parts": [text_part(text)]}
    return artifact_event("t1", "c1", made, index=index, append=append)


def begun(first: str = "m1") -> Json:
    return new_task("t1", "c1", said("go", "user", first), at="2026-01-01T00:00:00.000Z")


def after(task: Json | None, *events: Json) -> Json:
    """A task after more events."""
    task = copy.deepcopy(task)
    for event in events:
        task = apply(task, copy.deepcopy(event))
    assert task is not None
    return task


# Stories: what one turn emits, each event with the step that produced it

words = st.tuples(st.just("said"), st.integers(0, 99), maybe_step)
pieces = st.tuples(st.just("artifact"), st.integers(0, 3), maybe_step)
user = st.tuples(st.just("user"), st.integers(0, 99), st.none())
turns = st.lists(words | pieces | user, max_size=8)


def play(task: Json, turn: str, story: list[tuple[str, int, str | None]]) -> Json:
    """The task after a turn's events, as a run emits them."""
    sent: set[str] = set()
    for place, (kind, n, step) in enumerate(story):
        if kind == "said":
            event = noted(status(f"{turn} {place}"), turn=turn, step=step)
        elif kind == "user":
            event = status(f"{turn} {place} user", "user", f"{turn} late {place}")
        else:
            name = f"{turn} {n}"
            index = len(task.get("artifacts", ()))
            event = artifact(name, f"{place} ", index=index, append=name in sent)
            event = noted(event, turn=turn, step=step)
            sent.add(name)
        task = after(task, event)
    return task


def two_turns(
    earlier: list[tuple[str, int, str | None]], latest: list[tuple[str, int, str | None]]
) -> Json:
    """A task in its second turn."""
    task = play(after(None, {"task": begun()}), "m1", earlier)
    task = after(task, status("more", "user", "m2"))
    return play(task, "m2", latest)


@given(turns, turns, st.sets(st.sampled_from(STEPS)))
def test_what_finished_steps_made_stays_and_the_rest_of_the_turn_goes(
    earlier: list[tuple[str, int, str | None]],
    latest: list[tuple[str, int, str | None]],
    finished: set[str],
) -> None:
    task = two_turns(earlier, latest)
    again = after(task, *begin_again(task, "m2", finished))

    first = [f"m1 {n}{' user' if k == 'user' else ''}" for n, (k, _, _) in enumerate(earlier)]
    kept = [
        f"m2 {n}{' user' if kind == 'user' else ''}"
        for n, (kind, _, step) in enumerate(latest)
        if kind == "user" or (kind == "said" and step in finished)
    ]
    told = [text for text, (kind, _, _) in zip(first, earlier, strict=True) if kind != "artifact"]
    assert [*messages_of(again)] == ["go", *told, "more", *kept]

    makers: dict[str, str | None] = {}
    for _, n, step in [event for event in latest if event[0] == "artifact"]:
        makers.setdefault(f"m2 {n}", step)
    ids = [one["artifactId"] for one in again.get("artifacts", ())]
    assert {i for i in ids if i.startswith("m2")} == {
        i for i, step in makers.items() if step in finished
    }
    assert [one for one in task.get("artifacts", ()) if one["artifactId"] in ids] == again.get(
        "artifacts", []
    )
    assert {i for i in ids if i.startswith("m1")} == {
        f"m1 {n}" for kind, n, _ in earlier if kind == "artifact"
    }


@given(turns, turns, st.sets(st.sampled_from(STEPS)))
def test_a_third_attempt_that_follows_at_once_takes_nothing_more_away(
    earlier: list[tuple[str, int, str | None]],
    latest: list[tuple[str, int, str | None]],
    finished: set[str],
) -> None:
    task = two_turns(earlier, latest)
    second = after(task, *begin_again(task, "m2", finished))
    events = begin_again(second, "m2", finished)
    assert len(events) == 1
    third = after(second, *events)
    for one in (second, third):
        del one["status"]["timestamp"]
    assert third == second


@given(turns, turns, st.sets(st.sampled_from(STEPS)))
def test_the_task_that_is_handed_in_and_its_parts_stay_as_they_are(
    earlier: list[tuple[str, int, str | None]],
    latest: list[tuple[str, int, str | None]],
    finished: set[str],
) -> None:
    task = two_turns(earlier, latest)
    before = copy.deepcopy(task)
    events = begin_again(task, "m2", finished)
    assert task == before
    after(task, *events, status("and on"), artifact("m2 new", "x"))
    assert task == before


@given(turns, turns, st.sets(st.sampled_from(STEPS)))
def test_who_applies_the_emptying_events_alone_is_left_with_no_half_artifact(
    earlier: list[tuple[str, int, str | None]],
    latest: list[tuple[str, int, str | None]],
    finished: set[str],
) -> None:
    """As a watcher of the first dialect does, in which no event tells the whole task."""
    task = two_turns(earlier, latest)
    *emptied, told = begin_again(task, "m2", finished)
    watched = after(task, *emptied)
    kept = {one["artifactId"] for one in told["task"].get("artifacts", ())}
    for one in watched.get("artifacts", ()):
        assert one["artifactId"] in kept or one["parts"] == []
    indexes = {one["artifactId"]: artifact_index(one) for one in task.get("artifacts", ())}
    for event in emptied:
        update = event["artifactUpdate"]
        assert update["append"] is False
        assert update["lastChunk"] is False
        assert update["metadata"][INTERNAL]["index"] == indexes[update["artifact"]["artifactId"]]


@given(turns, st.sets(st.sampled_from(STEPS)))
def test_its_state_is_working_and_no_message_stands_with_it(
    latest: list[tuple[str, int, str | None]], finished: set[str]
) -> None:
    task = two_turns([], latest)
    again = after(task, *begin_again(task, "m2", finished))
    assert again["status"]["state"] == State.WORKING
    assert "message" not in again["status"]


@given(st.dictionaries(st.sampled_from("abc"), st.integers()), st.lists(maybe_step, max_size=3))
def test_the_tasks_metadata_stay(metadata: dict[str, int], steps: list[str | None]) -> None:
    task = begun()
    if metadata:
        task["metadata"] = metadata
    for step in steps:
        task = after(task, noted(status("x"), turn="m1", step=step))
    again = after(task, *begin_again(task, "m1", {}))
    assert again.get("metadata", {}) == metadata


@given(st.sampled_from(TURNS), maybe_step, st.booleans())
def test_a_note_changes_nothing_that_a_client_sees(
    turn: str, step: str | None, with_metadata: bool
) -> None:
    for event in (
        status("hello"),
        status_event("t1", "c1", State.WORKING),
        artifact("a", "x"),
        artifact("a", "x", append=True),
        {"task": begun()},
    ):
        before = copy.deepcopy(event)
        if with_metadata and "artifactUpdate" in event:
            event["artifactUpdate"]["artifact"]["metadata"] = {"own": 1}
            before = copy.deepcopy(event)
        made = noted(event, turn=turn, step=step)
        assert event == before
        assert without_notes(made) == without_notes(before)


def without_notes(thing: Any) -> Any:
    """A copy without what is marked as internal."""
    if isinstance(thing, dict):
        bare = {k: without_notes(v) for k, v in thing.items() if k != INTERNAL}
        return {k: v for k, v in bare.items() if k != "metadata" or v}
    if isinstance(thing, list):
        return [without_notes(one) for one in thing]
    return thing


def test_an_artifact_belongs_to_the_turn_and_step_of_its_first_event() -> None:
    task = after(
        begun(),
        noted(artifact("a", "1"), turn="m1", step="s look"),
        noted(artifact("a", "2", append=True), turn="m1", step="s pay"),
    )
    assert [
        text_of(one) for one in begin_again(task, "m1", {"s look"})[-1]["task"]["artifacts"]
    ] == ["12"]
    assert begin_again(task, "m1", {"s pay"})[-1]["task"]["artifacts"] == []


def test_a_message_that_isnt_there_takes_nothing_away_but_its_turns_artifacts() -> None:
    task = after(begun(), status("hello"), noted(artifact("a", "1"), turn="m9", step=None))
    again = after(task, *begin_again(task, "m9", {}))
    assert [*messages_of(again)] == ["go", "hello"]
    assert again["artifacts"] == []
