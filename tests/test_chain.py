"""Lines that commit to the ones before: whatever is done to a file shows, and at which line."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.chain import Chain, verify
from a2a_streaming.errors import ChainBroken

ENTRIES = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(-(2**53), 2**53)),
    min_size=1,
    max_size=6,
).map(lambda told: [{"kind": "event", **one, "kind ": 1} for one in told])


def written(entries: list[dict[str, object]]) -> tuple[list[bytes], str]:
    """A file's lines, and its head."""
    chain = Chain()
    lines = [chain.line(orjson.dumps({**one, "kind": "event"})) for one in entries]
    return [*lines, chain.end()], chain.head


@given(ENTRIES)
def test_what_was_written_holds_and_says_what_was_written(
    entries: list[dict[str, object]],
) -> None:
    lines, head = written(entries)
    verified = verify(lines, head=head)
    assert verified.head == head
    assert verified.lines == len(lines)
    assert verified.entries == [{**one, "kind": "event"} for one in entries]


@given(ENTRIES, st.data())
def test_a_byte_that_is_changed_shows(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines, head = written(entries)
    file = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(file) - 2))
    file[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ChainBroken):
        verify(bytes(file).splitlines(keepends=True), head=head)


@given(ENTRIES, st.data())
def test_a_line_that_is_taken_out_put_twice_or_moved_shows(
    entries: list[dict[str, object]], data: st.DataObject
) -> None:
    lines, _ = written(entries)
    place = data.draw(st.integers(0, len(lines) - 2))
    for changed in (
        [*lines[:place], *lines[place + 1 :]],
        [*lines[: place + 1], *lines[place:]],
        [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]],
        [*lines, lines[place]],
        lines[: place + 1],  # cut off
        [],
    ):
        with pytest.raises(ChainBroken, match="The chain is broken at line"):
            verify(changed)


def test_a_file_that_was_cut_and_ended_anew_shows_by_its_head() -> None:
    lines, head = written([{"n": 1}, {"n": 2}])
    chain = Chain()
    forged = [chain.line(orjson.dumps({"kind": "event", "n": 1})), chain.end()]
    assert verify(forged).lines == 2  # in itself it is whole
    with pytest.raises(ChainBroken, match="isn't the head that was told"):
        verify(forged, head=head)
    assert verify(lines, head=head.upper()).head == head


def test_an_end_that_miscounts_and_what_stands_behind_it_show() -> None:
    chain = Chain()
    lines = [chain.line(b'{"kind":"event"}'), chain.line(b'{"kind":"end","lines":7}')]
    with pytest.raises(ChainBroken, match="line 2: it says that 7 lines"):
        verify(lines)
    with pytest.raises(ChainBroken, match="line 2: it is no line"):
        verify([written([{"n": 1}])[0][0], b"{}\n"])
