"""Receivers: each is spoken to over connections of its own, and by a few posts at once.

So one that is slow, or doesn't answer, holds up nobody but itself: who finds it busy comes back later, and holds
nothing meanwhile. And a connection that was made for one name is never used for another at the same address.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx2

from a2a_streaming.addresses import PORTS

_KNOWN = 128
"""Receivers whose connections are kept, two for each."""
_POSTS = 256
"""The most posts under way at once."""
_QUEUE = 32
"""The most posts that wait for one receiver."""
_PATIENCE = 5.0
"""Seconds that a post waits for its turn."""


class Busy(Exception):
    """There are posts enough under way: come back later.

    Args:
        answers: Whether the receiver gave an answer when last asked.
    """

    def __init__(self, *, answers: bool) -> None:
        super().__init__()
        self.answers = answers


class Receiver:
    """Scheme, host and port that are posted to.

    Args:
        client: Speaks to it.
        limit: The most posts at once.
    """

    def __init__(self, client: httpx2.AsyncClient, limit: int) -> None:
        self.client = client
        self.turns = asyncio.Semaphore(limit)
        self.posting = 0
        self.waiting = 0
        self.answers = True
        """Whether it gave an answer when last asked, whatever it was. If it didn't, it is asked by one post at a time."""

    @property
    def idle(self) -> bool:
        """Whether nobody needs it now."""
        return not self.posting and not self.waiting


class Receivers:
    """Those that this process posts to.

    Args:
        limit: The most posts at once, to each.
        timeout: Seconds that a step of a request may take.
        trusted: Whom TLS trusts.
    """

    def __init__(self, limit: int, timeout: float, trusted: SSLContext) -> None:
        self._limit = limit
        self._timeout = timeout
        self._trusted = trusted
        self._known: OrderedDict[str, Receiver] = OrderedDict()
        self._posts = 0

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncGenerator[Receiver]:
        """Wait for a turn to post to a URL, and hold it.

        Args:
            url: The URL.

        Raises:
            Busy: The receiver has enough to do, or this process has.
            ValueError: It is no URL.
        """
        receiver = await self._receiver(url)
        if self._posts >= _POSTS:
            raise Busy(answers=True)
        if not await self._wait(receiver):
            raise Busy(answers=receiver.answers)
        self._posts += 1
        receiver.posting += 1
        try:
            yield receiver
        finally:
            self._posts -= 1
            receiver.posting -= 1
            receiver.turns.release()

    async def _wait(self, receiver: Receiver) -> bool:
        if _is_asked(receiver) or receiver.waiting >= _QUEUE:
            return False
        receiver.waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                await receiver.turns.acquire()
        except TimeoutError:
            return False
        finally:
            receiver.waiting -= 1
        if _is_asked(receiver):  # it has fallen silent while this one waited
            receiver.turns.release()
            return False
        return True

    async def _receiver(self, url: str) -> Receiver:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}"
        receiver = self._known.get(origin)
        if receiver is None:
            receiver = self._known[origin] = Receiver(self._client(), self._limit)
        self._known.move_to_end(origin)
        if len(self._known) > _KNOWN:
            idle = [name for name, one in self._known.items() if one.idle and one is not receiver]
            for name in idle[: len(self._known) - _KNOWN]:
                await self._known.pop(name).client.aclose()
        return receiver

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=self._trusted,
            follow_redirects=False,
            timeout=self._timeout,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=2, keepalive_expiry=30.0),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        known, self._known = self._known, OrderedDict()
        for receiver in known.values():
            await receiver.client.aclose()


def _is_asked(receiver: Receiver) -> bool:
    """Say whether it is silent, and somebody waits for its next word already."""
    return not receiver.answers and receiver.posting > 0
