"""Positions: what reads as one, and what doesn't."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from a2a_streaming.errors import A2AStreamingError, InvalidPosition
from a2a_streaming.position import Position

MOST = 2**64 - 1

numbers = st.integers(1, MOST)
positions = st.builds(Position, numbers, numbers)


@given(positions)
def test_a_position_reads_back_as_itself(position: Position) -> None:
    assert Position.parse(str(position)) == position
    assert Position.parse(str(position).encode()) == position


@given(positions)
def test_a_position_is_written_as_redis_writes_an_entrys_id(position: Position) -> None:
    epoch, dash, offset = str(position).partition("-")
    assert (int(epoch), dash, int(offset)) == (position.epoch, "-", position.offset)


@given(positions, positions)
def test_two_positions_are_written_alike_only_if_they_are_the_same(
    one: Position, other: Position
) -> None:
    assert (str(one) == str(other)) == (one == other)


def test_the_largest_position_reads_back() -> None:
    text = f"{MOST}-{MOST}"
    assert Position.parse(text) == Position(MOST, MOST)
    assert str(Position.parse(text)) == text


NO_POSITIONS = [
    "",
    "-",
    "1",
    "1-",
    "-1",
    "1-2-3",
    "1--2",
    "--1-2",
    "+1-2",
    "1-+2",
    "-1-2",
    "1--1",
    "0-0",
    "0-1",
    "1-0",
    "01-2",
    "1-02",
    "1 -2",
    "1- 2",
    " 1-2",
    "1-2 ",
    "1-2\n",
    "\n1-2",
    "1-2\r\n",
    "1-2\0",
    "\t1-2",
    "\u00a01-2",
    "abc",
    "a-b",
    "1-b",
    "0x1-2",
    "1e3-2",
    "1_0-2",
    "1.0-2",
    "1,2",
    "1:2",
    "1\u20132",  # a dash that isn't the ASCII one
    "\u0661-\u0662",  # Arabic-Indic digits
    "\uff11-\uff12",  # full-width digits
    "1-1\u0662",
    "1\u0662-3",
    "1-\u00b2",  # superscript two
    "1-\U0001d7d0",  # mathematical bold two
    f"{MOST + 1}-1",
    f"1-{MOST + 1}",
    f"{10**20}-1",
    f"1-{10**20}",
    f"{'9' * 20}-1",
    f"{'1' * 10_000}-1",
    "$",
    "*",
    "+",
    "(1-2",
    "None",
]


@pytest.mark.parametrize("text", NO_POSITIONS, ids=ascii)
def test_what_is_no_position_is_refused_with_an_example_of_one(text: str) -> None:
    with pytest.raises(InvalidPosition) as caught:
        Position.parse(text)
    told = str(caught.value)
    assert told.startswith(repr(text[:64]))
    assert "is no position" in told
    assert "1700000000000000-7" in told
    assert len(told) < 500


@pytest.mark.parametrize(
    "raw",
    [b"", b"1", b"-1", b"1-2\n", b"1-2\0", b"\xff-1", "١-٢".encode(), b"1-\xc2\xb2"],
    ids=ascii,
)
def test_bytes_that_are_no_position_are_refused_too(raw: bytes) -> None:
    with pytest.raises(InvalidPosition, match="is no position"):
        Position.parse(raw)


@given(st.text() | st.text("0123456789-+ \n") | st.from_regex(r"\s*[-+]?\d+\s*-\s*[-+]?\d+\s*"))
def test_text_is_a_position_or_is_refused(text: str) -> None:
    try:
        position = Position.parse(text)
    except InvalidPosition:
        return
    assert str(position) == text
    assert 1 <= position.epoch <= MOST
    assert 1 <= position.offset <= MOST


@given(st.binary())
def test_bytes_are_a_position_or_are_refused(raw: bytes) -> None:
    try:
        position = Position.parse(raw)
    except InvalidPosition:
        return
    assert str(position).encode() == raw


def test_a_refused_position_is_a_value_error_and_one_of_ours() -> None:
    assert issubclass(InvalidPosition, ValueError)
    assert issubclass(InvalidPosition, A2AStreamingError)


@given(positions, numbers)
def test_a_position_precedes_the_next_offset_in_whatever_epoch(
    position: Position, epoch: int
) -> None:
    assert position.precedes(Position(epoch, position.offset + 1))


@given(positions, positions)
def test_a_position_precedes_no_other_offset(one: Position, other: Position) -> None:
    assume(other.offset != one.offset + 1)
    assert not one.precedes(other)
