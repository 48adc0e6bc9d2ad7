"""Who asks, and whose tasks they may see."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from a2a_streaming.node import Node


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Args:
        owner: Whose tasks these are: what every task of theirs is stored under. Empty without
            authentication, where all tasks are everybody's.
    """

    owner: str = ""


class Access:
    """Says who asks, by what a request carries.

    Args:
        node: The process's node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def identify(self, request: Request) -> Caller:  # noqa: ARG002 - nothing tells callers apart yet
        """Return who asks.

        Args:
            request: The HTTP request.
        """
        return Caller()
