"""What a look at an installation has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "wrong"]
"""`warning`: it works, and may cost something; `wrong`: it doesn't work, or data is lost."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Args:
        check: What was looked at.
        level: How it is.
        said: How it is, in words.
        remedy: What to do about it; empty where nothing is to be done.
    """

    check: str
    level: Level
    said: str
    remedy: str = ""
