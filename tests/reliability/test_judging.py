"""The kit's judging, without servers: good stories pass wherever one joins, and every bad one is found."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_reliability import judging
from a2a_reliability.dialects import JsonRpc, Rest, chosen
from a2a_reliability.errors import Refused, Unreadable, Unusable
from a2a_reliability.events import ArtifactTold, Event, Snapshot, StatusTold, read_event, text
from a2a_reliability.fold import states
from a2a_reliability.sse import Decoder


def story(chunks: int) -> list[Event]:
    """A good one."""
    ticks = [
        ArtifactTold("t", "ticks", text(f"tick {n};"), append=n > 1, last=n == chunks)
        for n in range(1, chunks + 1)
    ]
    return [
        Snapshot("t", "submitted"),
        StatusTold("t", "working"),
        *ticks,
        StatusTold("t", "completed"),
    ]


def joined(told: Sequence[Event], place: int) -> list[Event]:
    """What a stream tells that joins after so many events."""
    return [states(told)[place - 1], *told[place:]]


STORIES = st.integers(3, 12).map(story)


@st.composite
def places(draw: st.DrawFn, room: int = 0) -> tuple[list[Event], int]:
    """A story, and a place in it with so many events behind."""
    told = draw(STORIES)
    return told, draw(st.integers(1, len(told) - room))


@given(STORIES)
def test_a_good_story_has_no_fault(told: list[Event]) -> None:
    assert judging.begins(told) is None
    assert judging.ends(told, closed=True) is None
    assert judging.counts(told, len(told) - 3) is None
    assert judging.comes_to(told, states(told)[-1]) is None


@given(places(), st.data())
def test_a_good_join_has_no_fault_wherever_it_is_and_wherever_it_is_cut(
    drawn: tuple[list[Event], int], data: st.DataObject
) -> None:
    told, place = drawn
    other = joined(told, place)
    assert judging.follows(told, other) is None
    cut = other[: data.draw(st.integers(0, len(other)))]
    assert judging.follows(told, cut, whole=False) is None


def kind(fault: judging.Fault | None) -> str:
    assert fault is not None, "it wasn't found"
    return fault.kind


@given(places(room=2), st.data())
def test_whatever_is_missing_after_a_join_is_a_gap(
    drawn: tuple[list[Event], int], data: st.DataObject
) -> None:
    told, place = drawn
    other = joined(told, place)
    del other[data.draw(st.integers(1, len(other) - 1))]
    assert kind(judging.follows(told, other)) == "gap"


@given(places(room=2), st.data())
def test_whatever_is_told_twice_after_a_join_is_a_double(
    drawn: tuple[list[Event], int], data: st.DataObject
) -> None:
    told, place = drawn
    other = joined(told, place)
    n = data.draw(st.integers(1, len(other) - 1))
    other.insert(n, other[n])
    assert kind(judging.follows(told, other)) == "double"


@given(places(room=3), st.data())
def test_whatever_changes_places_after_a_join_is_out_of_order(
    drawn: tuple[list[Event], int], data: st.DataObject
) -> None:
    told, place = drawn
    other = joined(told, place)
    n = data.draw(st.integers(1, len(other) - 2))
    other[n], other[n + 1] = other[n + 1], other[n]
    assert kind(judging.follows(told, other)) == "order"


def test_what_the_task_held_already_is_told_again() -> None:
    told = story(4)
    again = [states(told)[3], *told[3:]]
    assert kind(judging.follows(told, again)) == "double"
    assert kind(judging.follows(told, again[:3], whole=False)) == "double"


@given(places())
def test_a_task_that_never_stood_so_is_foreign(drawn: tuple[list[Event], int]) -> None:
    told, place = drawn
    other = [Snapshot("t", "working", "other words"), *told[place:]]
    assert kind(judging.follows(told, other)) == "foreign"


@given(places(room=1))
def test_a_task_without_what_was_told_before_is_stale(drawn: tuple[list[Event], int]) -> None:
    told, place = drawn
    task = states(told)[place - 1]
    assert judging.is_current(told, task, place) is None
    assert kind(judging.is_current(told, task, place + 1)) == "stale"


def test_faults_of_whole_stories() -> None:
    told = story(4)
    assert kind(judging.begins([])) == "start"
    assert kind(judging.begins(told[1:])) == "start"
    assert kind(judging.begins([*told, told[0]])) == "start"
    assert kind(judging.begins([told[0], StatusTold("another", "working")])) == "foreign"
    assert kind(judging.ends(told, closed=False)) == "end"
    assert kind(judging.ends(told[:-1], closed=True)) == "end"
    assert kind(judging.ends([*told, told[-1]], closed=True)) == "end"
    assert kind(judging.counts([*told[:3], *told[4:]], 4)) == "gap"
    assert kind(judging.counts([*told[:3], told[2], *told[3:]], 4)) == "double"
    assert kind(judging.counts([*told[:3], told[4], told[3], *told[5:]], 4)) == "order"
    assert kind(judging.comes_to(told[:-1], states(told)[-1])) == "end"
    assert kind(judging.comes_to(told, Snapshot("t", "completed"))) == "lost"
    assert kind(judging.amounts_to(Snapshot("t", "working"), told[-1:], states(told)[-1])) == "gap"


@given(st.lists(st.integers(0, 200)), st.sampled_from(["\n", "\r\n", "\r"]))
def test_frames_are_read_whatever_the_cuts(cuts: list[int], end: str) -> None:
    lines = [": alive", "", "id: 7", 'data: {"a":', "data: 1}", "", "data:é", ""]
    whole = "".join(line + end for line in lines).encode()
    decoder, read, begun = Decoder(), [], 0
    for cut in [*sorted(cuts), len(whole)]:
        read += decoder.feed(whole[begun:cut])
        begun = max(begun, cut)
    assert [(one.id, one.data) for one in read] == [("7", '{"a":\n1}'), ("7", "é")]
    assert decoder.comments == 1


def test_both_versions_are_read_alike() -> None:
    artifact = {"artifactId": "a", "parts": [{"text": "x"}, {"text": "y"}]}
    old = {"artifactId": "a", "parts": [{"kind": "text", "text": "xy"}]}
    new_event = read_event({"artifactUpdate": {"taskId": "t", "artifact": artifact}})
    assert new_event == read_event({"kind": "artifact-update", "taskId": "t", "artifact": old})
    status = {"state": "TASK_STATE_INPUT_REQUIRED"}
    assert read_event({"statusUpdate": {"taskId": "t", "status": status}}) == read_event(
        {"kind": "status-update", "taskId": "t", "status": {"state": "input-required"}}
    )
    for wrong in ({}, [], {"task": {"id": "t"}}, {"kind": "status-update", "taskId": "t"}):
        with pytest.raises(Unreadable):
            read_event(wrong)


def test_errors_have_their_names_in_both_bindings() -> None:
    with pytest.raises(Refused, match="TaskNotFound"):
        JsonRpc("1.0").result(200, {"error": {"code": -32001, "message": "no"}})
    with pytest.raises(Refused, match="TaskNotFound"):
        Rest().result(404, {"error": {"code": 404, "details": [{"reason": "TASK_NOT_FOUND"}]}})
    with pytest.raises(Unreadable):
        JsonRpc("1.0").result(500, {"oops": 1})


def test_an_interface_is_chosen_from_the_card_or_what_it_offers_is_told() -> None:
    rest = {"url": "http://a/v1", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"}
    card = {"supportedInterfaces": [rest], "url": "http://a/", "protocolVersion": "0.3.0"}
    assert chosen(card, "1.0", "HTTP+JSON")[0] == "http://a/v1"
    assert chosen(card, "0.3", "JSONRPC")[0] == "http://a/"
    with pytest.raises(Unusable, match=r"it offers HTTP\+JSON 1.0"):
        chosen(card, "1.0", "JSONRPC")
