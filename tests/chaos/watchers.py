"""Watchers: they come back with their position, through whichever door is open, until they are told the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from chaos.asking import Way
from chaos.lines import Answer, Door, Line
from chaos.responses import Frames
from chaos.stories import Path
from chaos.telling import said

_SILENCE = 8.0
"""Seconds without a byte, heartbeats included, after which a client takes a connection for dead."""
_TRIES = 8
"""So often is a client told that there is no such task before it believes it."""


class Crowd:
    """What all watchers have in common.

    Args:
        doors: Where they can connect, now.
        recovered: Is told how long a watcher that was cut had to wait for its next event, in seconds.
        odd: Is told of answers that no client should get.
    """

    def __init__(
        self,
        doors: Callable[[], Sequence[Door]],
        recovered: Callable[[float], None],
        odd: Callable[[str, str], None],
    ) -> None:
        self.doors = doors
        self.recovered = recovered
        self.odd = odd
        self.here: set[Watcher] = set()
        """Those that haven't left."""
        self.connects: set[asyncio.Task[None]] = set()
        self.deliveries = 0
        """What those who have left were told."""
        self.resets: Counter[str] = Counter()
        self.reconnects = 0

    def told(self) -> int:
        """How many events were told."""
        return self.deliveries + sum(watcher.path.deliveries for watcher in self.here)

    def sweep(self) -> None:
        """Cut connections that are dead; to be called each second."""
        now = asyncio.get_running_loop().time()
        for watcher in [*self.here]:
            watcher.look(now)

    async def aclose(self) -> None:
        """Send everybody away."""
        for watcher in [*self.here]:
            watcher.leave()
        for task in [*self.connects]:
            task.cancel()
        await asyncio.gather(*self.connects, return_exceptions=True)


class Watcher:
    """One client that watches one task.

    Args:
        crowd: What it shares with others.
        path: Judges what it is told.
        way: How it watches.
        task: The task's id, as the client knows it; empty if the answer to its message tells it.
        token: Who it is.
        opening: The request with which it begins, in place of `way`'s, until it is told something.
    """

    def __init__(
        self, crowd: Crowd, path: Path, way: Way, task: str, token: str, opening: bytes = b""
    ) -> None:
        self.path = path
        self.way = way
        self.task = task
        self.gone = False
        """Whether it has left."""
        self.lost = False
        """Whether it was told that there is no such task any more."""
        self.refused = False
        """Whether it came when the task had ended, and was told so."""
        self.began: Callable[[str], None] | None = None
        """Is told the task's id when the watcher is told something first."""
        self._crowd = crowd
        self._token = token
        self._opening = opening
        self._line: Line | None = None
        self._frames = Frames()
        self._pieces: list[bytes] = []
        self._missing = 0
        self._cut_at = 0.0
        self._stalled_until = 0.0
        crowd.here.add(self)
        self.open()

    @property
    def done(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.gone or self.path.over or self.lost or self.refused

    @property
    def open_now(self) -> bool:
        """Whether it has an open stream."""
        return self._line is not None and self._line.response.streams

    def open(self) -> None:
        """Connect, unless it is connected."""
        if self.done or self._line is not None:
            return
        doors = self._crowd.doors()
        if not doors:
            self._later(0.1)
            return
        position = self.path.position
        if self._opening and position is None:
            request = self._opening
        else:
            after = position.decode("latin-1") if position is not None else None
            request = self.way.watch(self.task, after, self._token)
        self._frames, self._pieces = Frames(), []
        self._line = Line(request, self._heard, self._ended)
        task = asyncio.create_task(self._connect(self._line, random.choice(doors)))
        self._crowd.connects.add(task)
        task.add_done_callback(self._crowd.connects.discard)

    async def _connect(self, line: Line, door: Door) -> None:
        try:
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().create_connection(lambda: line, *door)
        except (OSError, TimeoutError):
            line.cut()
            if self._line is line:
                self._line = None
                self._later(0.1)
        if self.gone:
            line.cut()

    def cut(self, after: int = 0) -> None:
        """Break the connection, after so many more bytes; it comes back."""
        if self._line is not None:
            self._line.cut(after)

    def stall(self, seconds: float) -> None:
        """Read nothing for a while."""
        loop = asyncio.get_running_loop()
        if self._line is not None:
            self._line.stall()
            self._stalled_until = loop.time() + seconds
            loop.call_later(seconds, self._go_on, self._line)

    def _go_on(self, line: Line) -> None:
        line.go_on()

    def look(self, now: float) -> None:
        """Cut the connection if it is dead."""
        line = self._line
        if line is not None and now > max(line.heard_at, self._stalled_until) + _SILENCE:
            line.cut()

    def leave(self) -> None:
        """Go away."""
        if not self.gone:
            self.gone = True
            self._crowd.here.discard(self)
            self._crowd.deliveries += self.path.deliveries
            self._crowd.resets.update(reason for reason, _ in self.path.resets)
            if self._line is not None:
                self._line.cut()

    def _heard(self, body: bytes) -> None:
        line = self._line
        if line is not None and not line.response.streams:
            self._pieces.append(body)
            return
        path = self.path
        for position, data in self._frames.feed(body):
            if self._cut_at and self.path.story.busy:
                self._crowd.recovered(asyncio.get_running_loop().time() - self._cut_at)
            self._cut_at = 0.0
            if self.began is not None:
                began, self.began = self.began, None
                self.task = self.task or said(data).task_id
                began(self.task)
            path.hear(position, data)
            self._missing = 0

    def _ended(self, line: Line) -> None:
        if self._line is line:
            self._line = None
        if self.done:
            return
        if not self._cut_at and self.path.deliveries and not self.path.waits:
            self._cut_at = asyncio.get_running_loop().time()
        response = line.response
        if response.streams or not line.whole:
            self._crowd.reconnects += 1
            self._later(0.5 if self.path.waits else random.uniform(0.01, 0.1))
        elif response.status == 204:
            self.path.over = True  # it had seen all
        else:
            self._refused(Answer(response.status, b"".join(self._pieces)))

    def _refused(self, answer: Answer) -> None:
        if answer.says_missing:
            self._missing += 1
            self.lost = self._missing >= _TRIES
            self._later(0.25)
        elif answer.says_later:
            self._later(random.uniform(0.1, 0.4))
        elif answer.code in (-32004, 400) and self.path.position is None:
            self.refused = True
        else:
            self._crowd.odd(
                self.path.story.task,
                f"{self.way.name} was answered {answer.status} {answer.body!r:.300}",
            )
            self._later(0.5)

    def _later(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self.open)
