"""Which kind of key a name is one of: so that what is done to all keys is done to ours alone."""

from __future__ import annotations

import re

from a2a_streaming.backbone.keys import KEYS, KeySpec

PLACES = re.compile(r"\{id\}|<[a-z]+>")


class Kinds:
    """Knows our keys by their names.

    Args:
        prefix: What stands before each.
    """

    def __init__(self, prefix: str) -> None:
        self._specs = [spec for spec in KEYS if spec.type != "channel"]
        any_of = "|".join(
            f"(?P<k{n}>{_pattern(spec.pattern)})" for n, spec in enumerate(self._specs)
        )
        self._pattern = re.compile(f"{re.escape(prefix)}(?:{any_of})", re.DOTALL)
        self.match = f"{prefix}*"
        """What SCAN is to look for."""

    def of(self, name: str) -> KeySpec | None:
        """Return the kind of a key; None if it isn't one of ours.

        Args:
            name: Its name.
        """
        found = self._pattern.fullmatch(name)
        return self._specs[int(found.lastgroup[1:])] if found and found.lastgroup else None


def _pattern(told: str) -> str:
    """Return a kind's pattern, as `KeySpec` tells it, as a regular expression."""
    parts, at = list[str](), 0
    for place in PLACES.finditer(told):
        parts.append(re.escape(told[at : place.start()]))
        parts.append(r"\{[^{}]+\}" if place[0] == "{id}" else ".*")
        at = place.end()
    return "".join([*parts, re.escape(told[at:])])


TYPES = {
    "string": "string",
    "hash": "hash",
    "list": "list",
    "set": "set",
    "sorted set": "zset",
    "stream": "stream",
}
"""What Redis calls the types that `KeySpec` names."""
