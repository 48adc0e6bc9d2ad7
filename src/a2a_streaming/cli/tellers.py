"""How a story is told: as lines for a pipe, as JSON for a program, or on a terminal (`screen`)."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO

import orjson

from a2a_streaming.cli.words import json_of, lines_of
from a2a_streaming.client import StreamEvent


class Teller(Protocol):
    """Tells a story as it comes."""

    def begin(self, task: str) -> None:
        """Say which task it is that a message is sent to."""
        ...

    def tell(self, event: StreamEvent) -> None:
        """Tell an event."""
        ...

    def pause(self) -> None:
        """Leave the terminal to others: nothing comes for now."""
        ...


class Lines:
    """A line for each event: its position, and what it says.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, task: str) -> None:
        """Say so beside the lines."""
        print(f"task {task}", file=sys.stderr, flush=True)  # noqa: T201 - this is what the command says

    def tell(self, event: StreamEvent) -> None:
        """Write its lines."""
        for line in lines_of(event):
            print(line, file=self._out, flush=True)

    def pause(self) -> None:
        """Nothing is left to be written."""


class JsonLines(Lines):
    """A JSON object for each event, a line each."""

    def tell(self, event: StreamEvent) -> None:
        """Write it."""
        print(orjson.dumps(json_of(event)).decode(), file=self._out, flush=True)


def teller(*, as_json: bool) -> Teller:
    """Return what fits where the command's output goes.

    Args:
        as_json: Whether JSON is wanted, wherever it goes.
    """
    if as_json:
        return JsonLines(sys.stdout)
    if sys.stdout.isatty():
        from a2a_streaming.cli.screen import Screen  # noqa: PLC0415 - rich takes a third of a second to import

        return Screen()
    return Lines(sys.stdout)
