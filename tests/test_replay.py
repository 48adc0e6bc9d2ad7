"""The merge of history and live events, against a model that keeps everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.replay import Gap, Tail, merge


def chain(after: Position | None, runs: Sequence[tuple[int, Sequence[int]]]) -> list[Event]:
    """Events that follow on a position: for each run its epoch, and the sizes of its events."""
    events: list[Event] = []
    for epoch, sizes in runs:
        for size in sizes:
            position = Position(epoch, after.offset + 1 if after else 1)
            events.append(Event(position, after, b"x" * size))
            after = position
    return events


@dataclass
class Story:
    """A log, another that forked from it, and how both were delivered.

    Args:
        log: The log as Redis holds it now.
        fork: What another log holds in its place, from some event on: same offsets, other epochs.
        base: How many events of the log the tail starts behind.
        delivered: What came in live: some lost, some doubled, in any order, from both logs.
    """

    log: list[Event]
    fork: list[Event]
    base: int
    delivered: list[Event]

    @property
    def start(self) -> Position | None:
        return self.log[self.base - 1].position if self.base else None


@st.composite
def stories(draw: st.DrawFn, *, forks: bool = True) -> Story:
    epochs = iter(range(1, 100))
    sizes = st.lists(st.integers(1, 60), min_size=1, max_size=5)

    def runs(least: int) -> list[tuple[int, list[int]]]:
        count = draw(st.integers(least, 4))
        return [(next(epochs), draw(sizes)) for _ in range(count)]

    log = chain(None, runs(1))
    fork: list[Event] = []
    if forks and draw(st.booleans()):
        kept = draw(st.integers(0, len(log)))
        fork = chain(log[kept - 1].position if kept else None, runs(1))
    base = draw(st.integers(0, len(log)))
    live = [*log, *fork]
    if draw(st.booleans()):  # any order, any number of times
        delivered = draw(st.lists(st.sampled_from(live), max_size=40))
    else:  # in order, but for some that are lost or doubled
        times = st.sampled_from([1, 1, 1, 1, 0, 2])
        delivered = [event for event in live for _ in range(draw(times))]
    return Story(log, fork, base, delivered)


def position_of(events: Sequence[Event], start: Position | None) -> Position | None:
    return events[-1].position if events else start


def is_contiguous(events: Sequence[Event], start: Position | None) -> bool:
    """Each event names the one before it, and is numbered after it."""
    for event in events:
        if event.previous != start or event.position.offset != (start.offset + 1 if start else 1):
            return False
        start = event.position
    return True


@given(stories())
def test_what_is_let_through_is_contiguous_and_free_of_duplicates(story: Story) -> None:
    tail = Tail(story.start)
    through = [event for event in story.delivered if tail.offer(event) is True]
    assert is_contiguous(through, story.start)
    assert len({event.position for event in through}) == len(through)
    assert tail.after(story.start) == through


@given(stories())
def test_an_event_extends_the_tail_or_is_known_or_shows_a_gap(story: Story) -> None:
    tail = Tail(story.start)
    known = {story.start}
    through: list[Event] = []
    for event in story.delivered:
        last = position_of(through, story.start)
        offered = tail.offer(event)
        if event.previous == last:
            assert offered is True
            through.append(event)
            known.add(event.position)
        elif event.position in known:
            assert offered is False
        else:
            assert offered == Gap(last, event.position)
        assert tail.last == position_of(through, story.start)
        assert tail.newest is (through[-1] if through else None)


@given(stories())
def test_a_merge_stops_at_the_first_gap(story: Story) -> None:
    one_by_one = Tail(story.start)
    expected: list[Event] = []
    gap = None
    for event in story.delivered:
        offered = one_by_one.offer(event)
        if isinstance(offered, Gap):
            gap = offered
            break
        if offered:
            expected.append(event)
    tail = Tail(story.start)
    assert merge(tail, story.delivered) == (expected, gap)
    assert tail.after(story.start) == expected


@given(stories(forks=False))
def test_without_a_gap_nothing_before_the_newest_delivery_is_missing(story: Story) -> None:
    delivered = [event for event in story.delivered if event.position.offset > story.base]
    fresh, gap = merge(Tail(story.start), delivered)
    if gap is None and delivered:
        newest = max(event.position.offset for event in delivered)
        assert fresh == story.log[story.base : newest]


@given(stories(forks=False), st.integers(1, 4), st.integers(1, 400))
def test_everything_arrives_once_and_in_order_if_gaps_are_healed_from_the_log(
    story: Story, page: int, max_bytes: int
) -> None:
    tail = Tail(story.start, max_bytes=max_bytes)
    through: list[Event] = []

    def heal() -> None:
        while following := following_on(story.log, tail.last)[:page]:
            fresh, gap = merge(tail, following)
            assert gap is None
            through.extend(fresh)

    for event in story.delivered:
        fresh, gap = merge(tail, [event])
        through.extend(fresh)
        if gap is not None:
            heal()
            assert tail.last is not None
            assert tail.last.offset >= gap.seen.offset
    heal()
    assert through == story.log[story.base :]


@given(stories(), st.integers(1, 400))
def test_after_a_fork_the_tail_ends_where_the_log_ends(story: Story, max_bytes: int) -> None:
    tail = Tail(story.start, max_bytes=max_bytes)
    through: list[Event] = []
    begun = story.start
    for event in [*story.delivered, None]:
        gap = True
        if event is not None:
            fresh, gap = merge(tail, [event])
            through.extend(fresh)
        if not gap:
            continue
        if not holds(story.log, tail.last):  # what was sent is no longer true: begin anew
            begun = story.log[-1].position
            tail, through = Tail(begun, max_bytes=max_bytes), []
        fresh, gap = merge(tail, following_on(story.log, tail.last))
        assert gap is None
        through.extend(fresh)
        assert is_contiguous(through, begun)
        assert all(event in story.log for event in through)
    assert tail.last == story.log[-1].position


def holds(log: Sequence[Event], position: Position | None) -> bool:
    return position is None or any(event.position == position for event in log)


def following_on(log: Sequence[Event], position: Position | None) -> Sequence[Event]:
    """What a page of the log would hold."""
    if position is None:
        return log
    assert holds(log, position)
    return log[position.offset :]


@given(stories(), st.integers(1, 400))
def test_the_tail_keeps_no_more_bytes_than_its_bound_and_not_much_less(
    story: Story, max_bytes: int
) -> None:
    tail = Tail(story.start, max_bytes=max_bytes)
    through: list[Event] = []
    for event in story.delivered:
        if tail.offer(event) is not True:
            continue
        through.append(event)
        held = through[len(through) - len(tail) :]
        weight = sum(len(one.data) for one in held)
        assert len(tail) >= 1
        assert weight <= max_bytes or held == [event]
        assert tail.mean_bytes == weight // len(tail)
        if len(tail) < len(through):
            dropped = through[len(through) - len(tail) - 1]
            assert weight + len(dropped.data) > max_bytes // 2


@given(stories(), st.integers(1, 400))
def test_what_follows_on_a_position_is_told_wherever_the_tail_reaches_back_to_it(
    story: Story, max_bytes: int
) -> None:
    tail = Tail(story.start, max_bytes=max_bytes)
    through = [event for event in story.delivered if tail.offer(event) is True]
    held = through[len(through) - len(tail) :]
    start = held[0].previous if held else story.start
    expected = {start: held}
    expected |= {event.position: held[place + 1 :] for place, event in enumerate(held)}
    everywhere = {None, story.start, Position(99, 1), Position(2**64 - 1, 2**64 - 1)}
    everywhere |= {event.position for event in [*story.log, *story.fork]}
    for position in everywhere:
        assert tail.after(position) == expected.get(position)
        assert (position in tail) == (position in expected)


@given(stories())
def test_what_was_read_from_a_tail_stays_as_it_was(story: Story) -> None:
    tail = Tail(story.start)
    before = tail.after(story.start)
    assert before is not None
    merge(tail, story.delivered)
    assert list(before) == []


# --- single rules, by example ---


def test_another_logs_events_of_the_same_offsets_are_no_duplicates() -> None:
    log = chain(None, [(1, [1] * 9)])
    other = chain(log[3].position, [(2, [1] * 5)])
    tail = Tail()
    merge(tail, log)
    for event in other:
        assert tail.offer(event) == Gap(log[-1].position, event.position)


def test_a_log_that_began_anew_shows_a_gap() -> None:
    log, other = chain(None, [(1, [1, 1])]), chain(None, [(2, [1, 1])])
    tail = Tail()
    merge(tail, log)
    assert merge(tail, other) == ([], Gap(log[-1].position, other[0].position))


def test_a_lost_first_event_shows_a_gap() -> None:
    log = chain(None, [(1, [1, 1])])
    assert merge(Tail(), log[1:]) == ([], Gap(None, log[1].position))


def test_an_event_that_skips_a_number_shows_a_gap() -> None:
    first = Position(1, 1)
    event = Event(Position(1, 3), first, b"x")
    assert Tail(first).offer(event) == Gap(first, event.position)


def test_an_event_larger_than_the_bound_stays_until_the_next() -> None:
    small, large, next_one = chain(None, [(1, [5, 1000, 5])])
    tail = Tail(max_bytes=10)
    merge(tail, [small, large])
    assert tail.newest is large
    assert tail.after(small.position) == [large]
    merge(tail, [next_one])
    assert tail.after(large.position) == [next_one]
    assert tail.after(small.position) is None


def test_an_empty_tail_ends_where_it_starts() -> None:
    for start in (None, Position(7, 7)):
        tail = Tail(start)
        assert (tail.last, tail.newest, len(tail), tail.mean_bytes) == (start, None, 0, 0)
        assert tail.after(start) == []
        assert start in tail
        assert Position(7, 8) not in tail
        assert tail.after(Position(7, 8)) is None


@pytest.mark.parametrize("events", [1, 2, 50])
def test_a_doubled_delivery_changes_nothing(events: int) -> None:
    log = chain(None, [(1, [3] * events)])
    tail = Tail()
    assert merge(tail, log) == (log, None)
    assert merge(tail, log) == ([], None)
    assert tail.after(None) == log
