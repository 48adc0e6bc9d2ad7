"""The link to one server that all share, made when it is needed and made anew when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from a2a_streaming.backbone.link import Link, LinkLost


class Line:
    """The shared link to one server.

    Args:
        connect: Makes a link.
    """

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, Link]]) -> None:
        self._connect = connect
        self._link: Link | None = None
        self._connecting: asyncio.Task[Link] | None = None
        self.closed = False

    def living(self) -> Link | None:
        """Return the link, if there is one."""
        link = self._link
        return link if link is not None and not link.ended.done() else None

    async def open(self) -> Link:
        """Return the link; whoever needs it while it is made waits for the same one.

        Raises:
            LinkLost: The server isn't there.
            Unavailable: It is loading, or full.
            CommandFailed: It refuses us.
        """
        if (living := self.living()) is not None:
            return living
        if self.closed:
            raise LinkLost(ConnectionError("the store is closed"))
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._keep(), name="connect to Redis")
        return await asyncio.shield(self._connecting)

    async def _keep(self) -> Link:
        """Make the link, and keep it: whoever asked for it may have been canceled by then."""
        link = await self._connect()
        if self.closed:
            link.abort()
        self._link = link
        return link

    def drop(self) -> None:
        """Need it no more: what still waits for a reply is told that the link is lost."""
        self.closed = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.add_done_callback(_heard)
        if self._link is not None:
            self._link.abort(ConnectionError("the server is no longer in use"))

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()


def _heard(made: asyncio.Task[Link]) -> None:
    if not made.cancelled():
        made.exception()
