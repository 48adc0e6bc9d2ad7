"""Twelve conversations, each with its platform killed once, end as their files say, whatever they run on.

`make chaos` plays all of them on everything, and breaks more than the platform.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from conversations.books import changes
from conversations.leaking import leaks, read
from conversations.playing import Kill
from conversations.script import CONVERSATIONS, Sight, unseen
from conversations.stage import Database, Reader, Stage

_AXES: list[tuple[Database, Reader]] = [("sqlite", "offline"), ("postgresql", "claude"), ("sqlite", "claude"), ("postgresql", "offline")]  # fmt: skip
PAIRWISE = [
    (name, *_AXES[(2 * place + half) % 4])
    for place, name in enumerate(CONVERSATIONS)
    for half in (0, 1)
]
"""Each conversation on each database and with each reader, and each of these with each other: 24, the fewest there are."""


@pytest.mark.parametrize(("name", "database", "reader"), PAIRWISE)
async def test_a_conversation_whose_platform_is_killed_ends_as_its_file_says(
    name: str, database: Database, reader: Reader, stage: Stage, tmp_path: Path
) -> None:
    if reader == "claude":
        pytest.importorskip("anthropic", reason="the extra `claude` isn't installed")
    seed = random.getrandbits(32)  # by pytest-randomly's seed, which pytest prints
    conversation = CONVERSATIONS[name]
    kill = Kill.draw(conversation, random.Random(seed))
    print(f"seed {seed}: {kill}")
    playing = await stage.play(conversation, database, reader, tmp_path, kill)
    if playing.faults:
        print((tmp_path / "log").read_text())
    assert playing.faults == []
    assert leaks(tmp_path / "log", conversation) == []
    asked = [line for line in read(tmp_path / "log") if line["event"] == "Claude answered"]
    assert bool(asked) == (reader == "claude")
    assert all({"agent", "task", "context", "run", "attempt"} <= line.keys() for line in asked)


def test_the_conversations_are_twelve_and_every_pair_of_axes_is_played() -> None:
    assert len(CONVERSATIONS) == 12
    for one, other in itertools.combinations(range(3), 2):
        pairs = {(played[one], played[other]) for played in PAIRWISE}
        values = [{played[axis] for played in PAIRWISE} for axis in (one, other)]
        assert pairs == set(itertools.product(*values))


def test_sights_are_found_in_their_order_with_anything_in_between() -> None:
    shown = [
        Sight("working", "Looking"),
        Sight("step pay", "Paying"),
        Sight("completed", "Done! €3"),
    ]
    assert unseen([Sight("step pay", ""), Sight("completed", "Done…€3")], shown) is None
    assert unseen([Sight("step pay", ""), Sight("working", ""), shown[2]], shown) == Sight(
        "working", ""
    )
    assert unseen([Sight("step pay", "")], shown) == Sight("step pay", "")  # it isn't the end
    assert unseen([Sight("completed", "")], []) is not None


def test_books_that_differ_by_a_repetition_differ() -> None:
    before = Counter(["customer demo", "booking MT4821: confirmed"])
    once = Counter(
        ["customer demo", "booking MT4821: cancelled", "refund RF-0123456789 for MT4821"]
    )
    twice = once + Counter(["refund RF-9876543210 for MT4821"])
    expected = [
        "+ booking MT4821: cancelled",
        "+ refund … for MT4821",
        "- booking MT4821: confirmed",
    ]
    assert changes(before, once) == expected
    assert changes(before, twice) == sorted([*expected, "+ refund … for MT4821"])
    assert changes(before, before) == []
