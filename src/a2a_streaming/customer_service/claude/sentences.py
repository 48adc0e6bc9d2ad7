"""Cutting a text that comes in pieces into sentences; pure."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?\u2026:][\"'\u2019\u201d)\]]*\s+|\n+")


class Sentences:
    """Gathers pieces of text, and gives them back by the sentence."""

    def __init__(self) -> None:
        self._rest = ""

    def add(self, piece: str) -> list[str]:
        """Take a piece; return the sentences that it completes, with the white space behind them.

        Args:
            piece: The piece.
        """
        self._rest += piece
        found: list[str] = []
        begin = 0
        for end in _END.finditer(self._rest):
            if end.end() == len(self._rest):  # more white space may come, and belongs to it
                break
            found.append(self._rest[begin : end.end()])
            begin = end.end()
        self._rest = self._rest[begin:]
        return found

    def end(self) -> str:
        """Return what is left."""
        rest, self._rest = self._rest, ""
        return rest
