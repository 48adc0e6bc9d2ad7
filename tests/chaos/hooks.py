"""Webhooks' receivers, which fail now and then, and the judge of what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from a2a_streaming.push import ID_HEADER, POSITION_HEADER
from chaos.stories import Violation, offset_of
from chaos.verdicts import Entry

_NAMES = {POSITION_HEADER.lower(): "position", ID_HEADER.lower(): "key"}


@dataclass(frozen=True, slots=True)
class Post:
    """One request to a webhook.

    Args:
        key: The id that it came under.
        position: Where its event stands.
        taken: Whether it was answered that it is taken.
    """

    key: str
    position: bytes
    taken: bool


class Receivers:
    """Serves webhooks on the loopback; a share of the requests fails, hangs, or is cut after it was taken."""

    def __init__(self) -> None:
        self.posts: dict[str, list[Post]] = {}
        """By webhook, what came, in order."""
        self.trouble = 0.0
        """The share of requests that go wrong."""
        self._chance = random.Random(0)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._serving:
            writer.transport.abort()

    def url(self, name: str) -> str:
        """A webhook's address."""
        assert self._server is not None
        self.posts[name] = []
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/{name}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                while await self._take(reader, writer):
                    pass
        finally:
            writer.transport.abort()
            self._serving.discard(writer)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readline()
        if not first:
            return False
        name = first.split(b" ")[1].strip(b"/").decode()
        headers: dict[str, str] = {}
        while line := (await reader.readline()).strip():
            header, _, value = line.decode("latin-1").partition(":")
            headers[header.lower()] = value.strip()
        await reader.readexactly(int(headers.get("content-length", "0")))
        luck = self._chance.random() / self.trouble if self.trouble else 1.0
        taken = luck > 2 / 3  # of what goes wrong, a third is taken, and the answer is lost
        about = {ours: headers.get(theirs, "") for theirs, ours in _NAMES.items()}
        posts = self.posts.setdefault(name, [])
        posts.append(Post(about["key"], about["position"].encode(), taken))
        if luck <= 1 / 3:
            await asyncio.sleep(0.2)
        if luck < 1.0 and taken:
            return False
        status = b"204 No Content" if taken else b"503 Service Unavailable"
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status)
        await writer.drain()
        return True


def hook_violations(
    task: str, posts: Sequence[Post], log: Sequence[Entry], *, each: bool, touched: bool
) -> Iterator[Violation]:
    """Judge what a webhook was told, what comes twice left out: the log's events, in order, to the end.

    Args:
        task: The task.
        posts: What came.
        log: The task's log.
        each: Whether it is to be told each event, not only how the task stands at each status.
        touched: Whether Redis has lost something of the task.
    """
    keys: dict[str, bytes] = {}
    for post in posts:
        if keys.setdefault(post.key, post.position) != post.position:
            yield Violation("webhooks", task, f"{post} came under the id of {keys[post.key]!r}")
    if len(set(keys.values())) != len(keys):
        yield Violation("webhooks", task, "it was told an event under several ids")
    if touched:
        return
    yield from _order_violations(task, posts, each=each)
    taken = {post.position for post in posts if post.taken}
    if log and log[-1].position not in taken:
        yield Violation("webhooks", task, f"it was never told {log[-1]}"[:500])


def _order_violations(task: str, posts: Sequence[Post], *, each: bool) -> Iterator[Violation]:
    known: set[str] = set()
    highest, waiting = 0, 0
    for post in posts:
        try:
            offset = offset_of(post.position)
        except ValueError:
            yield Violation("webhooks", task, f"{post} has no position")
            continue
        if offset > highest:
            if waiting:
                yield Violation("webhooks", task, f"{post} came before {waiting} was taken")
            if each and highest and offset != highest + 1:
                yield Violation("webhooks", task, f"{post} came after {highest}")
            highest, waiting = offset, 0 if post.taken else offset
        elif post.key not in known:
            yield Violation("webhooks", task, f"{post} is late, and new")
        elif offset == waiting and post.taken:
            waiting = 0
        known.add(post.key)
