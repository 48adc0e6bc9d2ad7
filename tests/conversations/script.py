"""Conversations as their files tell them; pure.

A file is TOML. It has a `title`; a `[[turn]]` for whatever somebody says or does; and `[afterwards]`, with all that the
systems of record hold otherwise then than before, a line each (see `books`).

A turn is one of

- `customer = "words"`, or `customer = { field = … }`: a form. After a task's end it begins another task of the
  same conversation. `claude` says what a model reads in the words: for each form that it may fill in, the slots.
- `person = "Maria"` and `does = "claim"`, `reply`, `note`, `release`, `back` or `resolve`, with `text` where it needs
  one: somebody at the desk, for the task's ticket.

Each has `sees`: what the customer is shown, in this order, with anything in between; the last line is the turn's end.
A line names a state, `artifact <name>` or `step <name>`, and behind a colon words that are in it; `…` stands for
anything.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_TURN = frozenset({"customer", "claude", "person", "does", "text", "sees"})
_FILE = frozenset({"title", "turn", "afterwards"})
_WHAT = re.compile(
    r"(submitted|working|input-required|completed|failed|canceled|(?:artifact|step) [\w.-]+)(?:: (.+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Sight:
    """Something that the customer is shown.

    Args:
        what: A state, `artifact <name>`, or `step <name>`.
        words: What it says.
    """

    what: str
    words: str

    @classmethod
    def read(cls, line: str) -> Sight:
        """Read a line of `sees`."""
        match = _WHAT.fullmatch(line)
        if match is None:
            raise ValueError(f"{line!r} is none of: a state, artifact <name>, step <name>")
        return cls(match[1], match[2] or "")

    def fits(self, shown: Sight) -> bool:
        """Say whether it is this that was shown."""
        pattern = ".*".join(re.escape(piece.strip()) for piece in self.words.split("…"))
        return self.what == shown.what and re.search(pattern, shown.words, re.DOTALL) is not None

    def __str__(self) -> str:
        return f"{self.what}: {self.words}" if self.words else self.what


@dataclass(frozen=True)
class Turn:
    """What somebody says or does, and what the customer is shown of it.

    Args:
        sees: What they are shown.
        says: The customer's words, or a form; None where it is a person's turn.
        forms: What a model reads in the words: for each form the slots.
        person: Who does something at the desk; empty where it is the customer's turn.
        does: What.
        text: With which words.
    """

    sees: tuple[Sight, ...]
    says: str | Json | None = None
    forms: Mapping[str, Json] | None = None
    person: str = ""
    does: str = ""
    text: str = ""


@dataclass(frozen=True)
class Conversation:
    """A conversation.

    Args:
        name: Its file's name.
        title: What it shows, in a sentence.
        turns: The turns.
        changes: What the systems of record hold otherwise afterwards, in alphabetical order.
    """

    name: str
    title: str
    turns: tuple[Turn, ...]
    changes: tuple[str, ...]


def read(path: Path) -> Conversation:
    """Read a conversation's file."""
    told = tomllib.loads(path.read_text())
    if unknown := set(told) - _FILE:
        raise ValueError(f"{path.name}: {unknown} mean nothing")
    turns = tuple(_turn(path, turn) for turn in told["turn"])
    return Conversation(
        path.stem, told["title"], turns, tuple(sorted(told["afterwards"]["records"]))
    )


def _turn(path: Path, told: Json) -> Turn:
    if (unknown := set(told) - _TURN) or ("customer" in told) == ("person" in told):
        raise ValueError(
            f"{path.name}: {told} is neither a customer's turn nor a person's {unknown}"
        )
    return Turn(
        tuple(map(Sight.read, told["sees"])),
        told.get("customer"),
        told.get("claude"),
        told.get("person", ""),
        told.get("does", ""),
        told.get("text", ""),
    )


def unseen(wanted: Sequence[Sight], shown: Sequence[Sight]) -> Sight | None:
    """Return the first of the wanted sights that isn't among those shown, in order; None if all are.

    The last one must be the last that was shown.
    """
    if wanted and (not shown or not wanted[-1].fits(shown[-1])):
        return wanted[-1]
    rest = iter(shown)
    return next((sight for sight in wanted if not any(sight.fits(one) for one in rest)), None)


CONVERSATIONS = {path.stem: read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))}
"""All of them, by name."""
