"""What came of the customer's other wishes in the same message: a specialist is told it, and takes it as a hint; pure.

Anybody can write it: what it names counts only if it is among the customer's own things, and decides nothing but
which of these they may mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from a2a_streaming.task import Json

OUTCOME = "outcome"
"""Where the data of a specialist's last message says what it was about, and whether something was done."""
ABOUT = ("booking", "invoice", "charge")
"""Slots that name a thing of the customer's."""
_MOST = 4
"""So many are looked at, the latest."""
_LONGEST = 500
"""Characters of what one of them came to that Claude is told."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What one of the customer's wishes before this one came to.

    Args:
        agent: Who has seen to it.
        intents: What it was.
        text: What the customer was told.
        request: Which flow of that specialist it was; empty if it doesn't say.
        done: Whether something was changed.
        about: What it was about: of `ABOUT` what is known.
    """

    agent: str
    intents: tuple[str, ...]
    text: str
    request: str
    done: bool
    about: Mapping[str, str]

    def to_json(self) -> Json:
        """Return it as Claude is told it."""
        return {
            "agent": self.agent,
            "wanted": list(self.intents),
            "done": self.done,
            "answer": self.text[:_LONGEST],
            **self.about,
        }


def outcome(request: str, about: Mapping[str, Any], *, done: bool) -> Json | None:
    """Return what the data of a last message says for those that follow; None if there is nothing to say.

    Args:
        request: Which flow it was.
        about: What is known of it.
        done: Whether something was changed.
    """
    names = {key: about[key] for key in ABOUT if isinstance(about.get(key), str) and about[key]}
    return {OUTCOME: {"request": request, "done": done, **names}} if names else None


def read_earlier(message: Json) -> tuple[Earlier, ...]:
    """Return what a message tells of the wishes before it, in order; what isn't as it should be is left out.

    Args:
        message: The message that a specialist was sent.
    """
    metadata: Json = message.get("metadata") or {}
    return tuple(_read(one) for one in _objects(metadata.get("earlier"))[-_MOST:])


def _read(told: Json) -> Earlier:
    known: Json = {}
    for data in _objects(told.get("data")):
        inner = data.get(OUTCOME)
        known |= data | (cast("Json", inner) if isinstance(inner, dict) else {})
    intents = told.get("intents")
    wanted = cast("list[Any]", intents) if isinstance(intents, list) else []
    return Earlier(
        _text(told.get("agent")),
        tuple(one for one in wanted if isinstance(one, str)),
        _text(told.get("text")),
        _text(known.get("request")),
        known.get("done") is True,
        {key: known[key] for key in ABOUT if _text(known.get(key))},
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: Any) -> list[Json]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]
