"""What ends a scenario early. Each says it in a sentence, which stands in the report.

KitError
├── Refused       the server answered with an error
├── Unreadable    it told something that is not A2A
├── NothingCame   it told nothing for as long as the kit waits
└── Unusable      the kit can't begin: no card, no interface, no such option
"""

from __future__ import annotations


class KitError(Exception):
    """Whatever ends a scenario early."""


class Refused(KitError):
    """The server answered with an error.

    Args:
        name: What the specification calls it, without "Error" (section 3.3.2); or its code.
        said: The server's words.
    """

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"it refused: {name} ({said})")
        self.name = name
        self.said = said


class Unreadable(KitError):
    """The server told something that is not A2A."""

    def __init__(self, what: str, told: object) -> None:
        super().__init__(f"{what}: {str(told)[:300]}")


class NothingCame(KitError):
    """The server told nothing for as long as the kit waits."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} didn't come within {seconds:g} s")


class Unusable(KitError):
    """The kit can't begin."""
