"""Pages of logs that were just read: found again, bounded in bytes, and dropped with their task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.event import Event
from a2a_streaming.pages import Pages
from a2a_streaming.position import Position
from a2a_streaming.replay import Page

LIMIT = 100
places = st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 5))
moves = st.one_of(
    st.tuples(st.just("put"), places, st.integers(1, 120)),
    st.tuples(st.just("get"), places, st.just(0)),
    st.tuples(st.just("forget"), places, st.just(0)),
)


def after(offset: int) -> Position | None:
    return Position(7, offset) if offset else None


@given(st.lists(moves, max_size=60))
def test_what_was_used_last_stays_within_its_bounds(moves: list[tuple[str, tuple[str, int], int]]) -> None:  # fmt: skip
    pages = Pages(LIMIT)
    model: dict[tuple[str, int], tuple[Page, int]] = {}  # the oldest first
    for move, (task, offset), size in moves:
        if move == "put":
            page = Page([Event(Position(7, offset + 1), after(offset), b"x" * size)])
            pages.put(task, after(offset), page)
            model.pop((task, offset), None)
            model[task, offset] = page, size
            while sum(size for _, size in model.values()) > LIMIT:
                del model[next(iter(model))]
        elif move == "forget":
            pages.forget(task)
            model = {key: kept for key, kept in model.items() if key[0] != task}
        elif (task, offset) in model:
            assert pages.get(task, after(offset)) is model[task, offset][0]
            model[task, offset] = model.pop((task, offset))
        else:
            assert pages.get(task, after(offset)) is None
    for (task, offset), (page, _) in list(model.items()):
        assert pages.get(task, after(offset)) is page
