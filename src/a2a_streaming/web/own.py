"""The topic `tasks`: that one of the caller's own tasks has changed, or there is a new one."""

from __future__ import annotations

import asyncio

from a2a_streaming.caller import Caller
from a2a_streaming.errors import Forbidden
from a2a_streaming.node import Node
from a2a_streaming.task import Json

_PAUSE = 2.0
"""Seconds between two looks; each is one command of Redis that costs the same, however many tasks there are."""


class OwnTasksTopic:
    """Tells pages of what other devices have begun; see `topic.Topic`.

    Args:
        node: The process's node.
    """

    name = "tasks"

    def __init__(self, node: Node) -> None:
        self._node = node

    def admit(self, caller: Caller) -> None:
        """Check that the caller may know of all of their tasks.

        Raises:
            Forbidden: They are here for one task alone.
        """
        if caller.task:
            raise Forbidden("Whoever comes by a link is here for one task alone.")

    async def next(self, caller: Caller, seen: str | None) -> tuple[str, Json]:
        """Wait until something has changed; see `topic.Topic`.

        Returns:
            The version, and `{"changed": <ms>}`, when the last change was; null without any task.

        Raises:
            Unavailable: Redis is away.
        """
        while True:
            if seen is not None:
                await asyncio.sleep(_PAUSE)
            latest = await self._node.manager.index.latest("owner", caller.owner)
            changed, task = latest or (None, "")
            version = f"{changed}.{task}"
            if version != seen:
                return version, {"changed": changed}
