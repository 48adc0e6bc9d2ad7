"""What operators need: how the processes are, which tasks there are, and what can be done to one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute

from a2a_streaming.belongings import Keeper
from a2a_streaming.http.door import HttpDoor
from a2a_streaming.node import Node
from a2a_streaming.ops.api import OperationsApi
from a2a_streaming.ops.evidence import EvidenceApi
from a2a_streaming.ops.overview import Overview
from a2a_streaming.ops.topic import OperationsTopic
from a2a_streaming.web import Place

__all__ = ["PLACE", "Operations"]

_STATIC = Path(__file__).parent / "static"

PLACE = Place("ops", _STATIC / "ops.html", _STATIC)
"""The dashboard."""


class Operations:
    """What a process serves operators.

    Args:
        node: The process's node.
        keepers: What keeps something of customers beside their tasks.
    """

    def __init__(self, node: Node, keepers: Sequence[Keeper] = ()) -> None:
        self._node = node
        self._keepers = keepers
        self._overview = Overview(node)
        self.topic = OperationsTopic(self._overview, node.settings)
        """How it all is, for pages to follow."""

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the operators' API, of the audit and of customers' data."""
        door = HttpDoor(self._node)
        evidence = EvidenceApi(self._node, door, self._keepers)
        return [*OperationsApi(self._node, door, self._overview).routes(), *evidence.routes()]
