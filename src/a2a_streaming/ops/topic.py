"""The topic `operations`: how the whole installation is, followed live."""

from __future__ import annotations

import asyncio
import hashlib

import orjson

from a2a_streaming.caller import Caller
from a2a_streaming.ops.operators import as_operator
from a2a_streaming.ops.overview import Overview
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json

_PAUSE = 1.0
"""Seconds between two looks."""
_ALWAYS = ("seen", "load", "lagMs")
"""What of a process changes with each of its words: alone it is no news."""
_STALE_MS = 5000
"""After so long it is told anew all the same."""


class OperationsTopic:
    """Tells it, at most once a second; see `topic.Topic`.

    Args:
        overview: What is told.
        settings: Whether callers sign in.
    """

    name = "operations"

    def __init__(self, overview: Overview, settings: Settings) -> None:
        self._overview = overview
        self._settings = settings

    def admit(self, caller: Caller) -> None:
        """Check that somebody may follow it; raises as `as_operator` does."""
        as_operator(caller, self._settings)

    async def next(self, caller: Caller, seen: str | None) -> tuple[str, Json]:  # noqa: ARG002 - all are told the same
        """Wait until it stands differently; see `topic.Topic`."""
        while True:
            if seen is not None:
                await asyncio.sleep(_PAUSE)
            told = await self._overview.now()
            if (version := version_of(told)) != seen:
                return version, told


def version_of(told: Json) -> str:
    """Return what tells one standing from another, without what always changes.

    Args:
        told: How it is.
    """
    nodes = [{k: v for k, v in one.items() if k not in _ALWAYS} for one in told["nodes"]]
    queues = [{k: v for k, v in one.items() if k != "oldestMs"} for one in told["queues"]]
    still = {**told, "at": told["at"] // _STALE_MS, "nodes": nodes, "queues": queues}
    return hashlib.blake2b(
        orjson.dumps(still, option=orjson.OPT_SORT_KEYS), digest_size=8
    ).hexdigest()
