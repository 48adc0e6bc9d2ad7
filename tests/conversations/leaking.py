"""What of a conversation stands in a platform's log, where none of it may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conversations.script import Conversation

_WORDS = 3
"""So many words in a row are somebody's, not the log's own."""


def leaks(log: Path, conversation: Conversation) -> list[str]:
    """Return the words of a conversation that stand in a log of JSON lines.

    Args:
        log: The log.
        conversation: What was said.
    """
    lines = read(log)
    assert lines, "nothing is logged"
    logged = [" ".join(_texts(line)).lower() for line in lines]
    said = {words for text in _said(conversation) for words in _runs(text.lower())}
    return sorted(words for words in said if any(words in line for line in logged))


def read(log: Path) -> list[dict[str, Any]]:
    """Return a log's JSON lines; the platform's own words to its user are none."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def _said(conversation: Conversation) -> Iterator[str]:
    for turn in conversation.turns:
        yield turn.text
        yield from _texts(turn.says)
        for sight in turn.sees:
            yield sight.words if sight.what.startswith(("artifact", "completed", "input")) else ""


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():  # pyright: ignore[reportUnknownVariableType]
                yield from _texts(one)
        case list():
            for one in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _texts(one)
        case _:
            pass


def _runs(text: str) -> Iterator[str]:
    for piece in text.split("…"):
        words = piece.split()
        for place in range(len(words) - _WORDS + 1):
            yield " ".join(words[place : place + _WORDS])
