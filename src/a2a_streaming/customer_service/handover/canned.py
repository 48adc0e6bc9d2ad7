"""Canned replies: what people say often, from a file of the company's own or ours, with names filled in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.task import Json

_OURS = Path(__file__).with_name("replies.toml")
_PLACES = frozenset({"customer", "name"})
_PLACE = re.compile(r"\{([^{}]*)\}")
_UNKNOWN = {"customer": "there", "name": "your agent"}
"""What stands for a name that isn't known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One canned reply.

    Args:
        title: What people find it by.
        text: What it says, with `{customer}` and `{name}`.
    """

    title: str
    text: str

    def filled(self, *, customer: str, name: str) -> Json:
        """Return it as pages tell it.

        Args:
            customer: The customer's first name; empty if it isn't known.
            name: The name of the person who says it; likewise.
        """
        names = {"customer": customer, "name": name}
        text = _PLACE.sub(lambda place: names[place[1]] or _UNKNOWN[place[1]], self.text)
        return {"title": self.title, "text": text}


def load_replies(path: str) -> Sequence[Reply]:
    """Read canned replies; from the disk.

    Args:
        path: A TOML file with a `[[reply]]` of `title` and `text` for each; empty for ours.

    Raises:
        InvalidSetting: It can't be read, or isn't as it should be.
    """
    try:
        told = tomllib.loads((Path(path) if path else _OURS).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(
            f"A2A_REPLIES names {path!r}, which can't be read: {error}."
        ) from error
    listed: Any = told.get("reply", [])
    if not isinstance(listed, list) or set(told) - {"reply"}:
        raise _wrong(path, "it holds something else")
    return [_reply(path, one) for one in cast("list[Any]", listed)]


def _reply(path: str, told: Any) -> Reply:
    match told:
        case {"title": str(title), "text": str(text), **more} if not more and title and text:
            unknown = {place[1] for place in _PLACE.finditer(text)} - _PLACES
            if unknown:
                raise _wrong(path, f"{title!r} names {{{'}, {'.join(sorted(unknown))}}}")
            return Reply(title, text.strip())
        case _:
            raise _wrong(path, f"{told!r} is no reply")


def _wrong(path: str, why: str) -> InvalidSetting:
    return InvalidSetting(
        f"A2A_REPLIES names {path!r}, but {why}. Give a TOML file with a [[reply]] for each, of `title` and `text`, "
        "which may name {customer} and {name}."
    )
