"""Frames out, and frames in again, however the bytes are cut."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a2a_streaming.position import Position
from a2a_streaming.sse import (
    HEARTBEAT,
    Decoder,
    Message,
    frame,
    head,
    json_frame,
    together,
    with_retry,
)

BOM = b"\xef\xbb\xbf"
LINE_ENDS = [b"\n", b"\r\n", b"\r"]


@dataclass(frozen=True)
class Sent:
    """One event to send."""

    data: str
    event: str | None
    id: str | None

    def frame(self) -> bytes:
        return frame(self.data.encode(), event=self.event, id=self.id)


awkward = st.sampled_from("\n\r \0:é€😀\u2028\u0085\ufeff\x0b\x1cd")
texts = st.text(awkward | st.characters(codec="utf-8"), max_size=30)
lines = st.text(awkward | st.characters(codec="utf-8"), max_size=10).map(
    lambda text: re.sub("[\r\n\0]", "", text)
)
positions = st.builds(Position, st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1)).map(str)
events = st.builds(
    Sent,
    data=texts,
    event=st.sampled_from(["status", "artifact", None]) | lines.filter(bool),
    id=st.none() | positions | lines,
)
between = st.sampled_from(
    [b"", b"", HEARTBEAT, b":\n", b": data: no\n", b"unknown: x\n", b"unknown\n", b"retry: x\n"]
)


@st.composite
def cut(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """The bytes in chunks, cut anywhere."""
    if not whole:
        return [b""]
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


def read(chunks: list[bytes], last_id: str = "") -> list[Message]:
    decoder = Decoder(last_id)
    return [message for chunk in chunks for message in decoder.feed(chunk)]


def as_read(sent: list[Sent], last_id: str = "") -> list[Message]:
    """What a client must make of what was sent."""
    told: list[Message] = []
    for one in sent:
        last_id = last_id if one.id is None else one.id
        data = one.data.replace("\r\n", "\n").replace("\r", "\n")
        told.append(Message(one.event or "message", data, last_id))
    return told


@given(
    sent=st.lists(events, max_size=4),
    line_end=st.sampled_from(LINE_ENDS),
    bom=st.booleans(),
    noise=between,
    data=st.data(),
)
def test_what_is_sent_is_read_wherever_the_stream_is_cut(
    sent: list[Sent], line_end: bytes, bom: bool, noise: bytes, data: st.DataObject
) -> None:
    stream = b"".join(noise + one.frame() for one in sent) + noise
    stream = (BOM if bom else b"") + stream.replace(b"\n", line_end)
    assert read(data.draw(cut(stream))) == as_read(sent)


@given(sent=st.lists(events, max_size=3), line_end=st.sampled_from(LINE_ENDS), bom=st.booleans())
def test_what_is_sent_is_read_byte_by_byte(sent: list[Sent], line_end: bytes, bom: bool) -> None:
    stream = b"".join(one.frame() for one in sent).replace(b"\n", line_end)
    stream = (BOM if bom else b"") + stream
    assert read([bytes([byte]) for byte in stream]) == as_read(sent)


@given(sent=st.lists(events, min_size=1, max_size=4), line_end=st.sampled_from(LINE_ENDS))
def test_each_event_is_read_with_its_last_byte_and_waits_for_no_other(
    sent: list[Sent], line_end: bytes
) -> None:
    decoder = Decoder()
    for one, expected in zip(sent, as_read(sent), strict=True):
        assert decoder.feed(one.frame().replace(b"\n", line_end)) == [expected]


@given(st.lists(st.binary(max_size=20), max_size=6))
@example([b"\xef", b"\xbb", b"\xbf"])
@example([b"\xef\xbb", b"data: x\n\n"])
def test_any_bytes_are_read_alike_in_pieces_and_as_a_whole(chunks: list[bytes]) -> None:
    assert read(chunks) == read([b"".join(chunks)])


@given(st.lists(st.sampled_from([b"data: x", b"\r", b"\n", b"id: 1", b"data", b"\xc3"])))
@example([b"data: x", b"\r", b"\n", b"\r", b"\n"])
def test_line_ends_are_read_alike_in_pieces_and_as_a_whole(chunks: list[bytes]) -> None:
    assert read(chunks) == read([b"".join(chunks)])


# --- frames ---


@given(events)
def test_a_frame_is_one_block_with_data(sent: Sent) -> None:
    raw = sent.frame()
    assert raw.endswith(b"\n\n")
    assert b"\n\n" not in raw[:-2]
    assert not raw.startswith(b"\n")
    assert b"\r" not in raw
    assert any(line.startswith(b"data: ") for line in raw.split(b"\n"))


def test_a_frame_looks_as_the_specification_shows_it() -> None:
    raw = frame(b'{"id":"task-123"}', event="status", id="1700000000000000-7")
    assert raw == b'event: status\nid: 1700000000000000-7\ndata: {"id":"task-123"}\n\n'


@given(
    st.lists(
        st.tuples(
            st.lists(
                st.text(st.characters(codec="utf-8", exclude_characters="\r\n")),
                min_size=1,
                max_size=2,
            ),
            st.builds(Position, st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1)),
            st.sampled_from(["status", "artifact", None]),
        )
    ),
    st.sampled_from(["", "task-1@"]),
    st.binary().map(lambda mark: mark.replace(b"\n", b"").replace(b"\r", b"")),
)
def test_json_on_one_line_makes_the_same_frames_in_pieces(
    told: list[tuple[list[str], Position, str | None]], tag: str, mark: bytes
) -> None:
    said = [([one.encode() for one in pieces], at, event) for pieces, at, event in told]
    made = together(
        json_frame(head(event=event.encode() if event else None, tag=tag.encode()), at, *pieces)
        for pieces, at, event in said
    )
    whole = [frame(mark.join(pieces), event=event, id=f"{tag}{at}") for pieces, at, event in said]
    assert mark.join(made) == b"".join(whole)


def test_each_line_of_the_data_has_its_own_field() -> None:
    assert frame(b"a\nb\r\nc\rd\n") == b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"


def test_text_that_looks_like_fields_stays_text() -> None:
    text = "x\n\ndata: forged\nid: 1-1\n\nevent: status\n: comment\nretry: 1\n\n"
    decoder = Decoder("5-5")
    (told,) = decoder.feed(frame(text.encode(), event="artifact"))
    assert told == Message("artifact", text, "5-5")
    assert decoder.retry is None


@given(events, st.integers(0, 10**9), st.data())
def test_retry_stands_in_the_first_events_block(
    sent: Sent, milliseconds: int, data: st.DataObject
) -> None:
    raw = with_retry(sent.frame(), milliseconds)
    assert b"\n\n" not in raw[:-2]
    decoder = Decoder()
    told = [message for chunk in data.draw(cut(raw)) for message in decoder.feed(chunk)]
    assert told == as_read([sent])
    assert decoder.retry == milliseconds


def test_a_heartbeat_is_one_comment_line() -> None:
    assert HEARTBEAT.startswith(b":")
    assert HEARTBEAT.endswith(b"\n")
    assert HEARTBEAT.count(b"\n") == 1


@given(events, st.integers(1, 5))
def test_heartbeats_yield_no_message_and_touch_none(sent: Sent, count: int) -> None:
    decoder = Decoder()
    assert decoder.feed(HEARTBEAT * count) == []
    assert decoder.feed(sent.frame()) == as_read([sent])
    assert decoder.feed(HEARTBEAT * count) == []
    assert decoder.last_id == (sent.id or "")


# --- reading, by example ---


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        (b"data: x\n\n", [Message("message", "x", "")]),
        (b"data:x\n\n", [Message("message", "x", "")]),
        (b"data:  x\n\n", [Message("message", " x", "")]),
        (b"data\n\n", [Message("message", "", "")]),
        (b"data:\ndata\n\n", [Message("message", "\n", "")]),
        (b"data: a: b\n\n", [Message("message", "a: b", "")]),
        (b"event: status\n\n", []),
        (b"id: 1\n\n", []),
        (b"\n\n\n", []),
        (b": data: x\n\n", []),
        (b"Data: x\n\n", []),
        (b" data: x\n\n", []),
        (b"event: a\nevent: b\ndata: x\n\n", [Message("b", "x", "")]),
        (b"event: a\n\ndata: x\n\n", [Message("message", "x", "")]),
        (b"event: a\nevent\ndata: x\n\n", [Message("message", "x", "")]),
        (b"data: x\nid: 7\n\n", [Message("message", "x", "7")]),
        (b"data: \xff\xfe\n\n", [Message("message", "\ufffd\ufffd", "")]),
        (BOM + BOM + b"data: x\n\n", []),
        (b"data: x\n\n" + BOM + b"data: y\n\n", [Message("message", "x", "")]),
    ],
)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, told: list[Message]) -> None:
    assert read([stream]) == told


@pytest.mark.parametrize("stream", [b"data: x", b"data: x\n", b"data: x\r\n", b"data: x\r"])
def test_an_event_that_the_end_cuts_off_is_dropped(stream: bytes) -> None:
    assert read([stream]) == []


def test_an_id_stays_until_the_next_one() -> None:
    stream = b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"
    assert [message.id for message in read([stream], "0")] == ["1", "1", ""]
    assert [message.id for message in read([b"data: a\n\n"], "9-9")] == ["9-9"]


def test_an_id_with_a_nul_is_ignored() -> None:
    assert read([b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n"]) == [
        Message("message", "a", "1"),
        Message("message", "b", "1"),
    ]


def test_the_clients_position_moves_only_with_whole_events() -> None:
    decoder = Decoder("1-1")
    decoder.feed(b"id: 1-2\ndata: x\n")
    assert decoder.last_id == "1-1"
    decoder.feed(b"\n")
    assert decoder.last_id == "1-2"


@pytest.mark.parametrize(
    ("value", "retry"),
    [
        (b"1000", 1000),
        (b"0", 0),
        (b"007", 7),
        (b"", None),
        (b"1.5", None),
        (b"-1", None),
        (b"1e3", None),
        (b"soon", None),
        ("\u0661".encode(), None),
        (b"9" * 10_000, None),
    ],
)
def test_only_plain_numbers_of_milliseconds_change_the_retry(
    value: bytes, retry: int | None
) -> None:
    decoder = Decoder()
    assert decoder.feed(b"retry: %b\ndata: x\n\n" % value) == [Message("message", "x", "")]
    assert decoder.retry == retry


def test_a_character_may_be_cut_between_its_bytes() -> None:
    raw = frame("é€😀".encode())
    for place in range(len(raw) + 1):
        assert read([raw[:place], raw[place:]]) == [Message("message", "é€😀", "")]
