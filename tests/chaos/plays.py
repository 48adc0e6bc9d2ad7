"""Conversations of customers with the whole platform, while it is killed and everything under it is broken.

Each is judged as in `make test`: what the customer is told, the log, and the books. Where Redis has lost what it was
told, nobody can say how it ends; but no book may hold more than the conversation's file says (I11).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from pathlib import Path
from typing import get_args

from chaos.cell import Cell
from chaos.proxy import Proxy
from chaos.stories import Violation
from conversations.platforms import PlatformProcess
from conversations.playing import Playing
from conversations.script import CONVERSATIONS
from conversations.stage import Database, Reader, Stage
from customer_service.records.databases import Filled, postgresql, program


class Plays:
    """Plays one conversation after another, beside the rest of a cell.

    Args:
        cell: The cell.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._platform: PlatformProcess | None = None
        self._playing: asyncio.Task[None] | None = None

    async def start(self, stack: contextlib.AsyncExitStack) -> None:
        """Make what they are played on.

        Args:
            stack: Ends it.
        """
        cell = self._cell
        directory = cell.directory / "plays"
        directory.mkdir()
        self._databases: list[Database] = ["sqlite"]
        server = ""
        if program("postgres") is not None:
            self._databases = [*get_args(Database)]
            server = stack.enter_context(postgresql())
        link = await stack.enter_async_context(Proxy(cell.store.socket))
        cell.fleet.links.append(link)
        url = f"redis://127.0.0.1:{link.port}"
        self._stage = Stage(Filled(directory), url, lambda: server, starts=50)
        await self._stage.prepare(directory, self._databases)
        stack.push_async_callback(self.stop)

    def begin(self, seed: int) -> None:
        """Play, until `stop`."""
        self._playing = asyncio.create_task(self._play(random.Random(f"plays {seed}")))

    async def stop(self) -> None:
        """Break off what is played."""
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def finish(self) -> None:
        """Play the conversation that has begun to its end, and no other one."""
        if self._playing is not None:
            self._over = True
            await self._playing
            self._playing = None

    async def crash(self) -> bool:
        """Kill the platform, if one runs, and start another one in its place."""
        platform = self._platform
        if platform is None:
            return False
        await platform.crash()
        return True

    async def _play(self, chance: random.Random) -> None:
        self._over = False
        for name, database, reader in itertools.cycle(self._order()):
            if self._over:
                break
            place = self._cell.directory / "plays" / f"{self._cell.seed}-{chance.getrandbits(32)}"
            place.mkdir()
            try:
                await self._one(name, database, reader, place)
            except AssertionError:  # the stage's own: something under it wasn't there
                self._cell.report.figures["conversations that weren't begun"] += 1

    def _order(self) -> list[tuple[str, Database, Reader]]:
        """Return all conversations on all there is; four seeds in a row that play twelve each play every one."""
        every = [*itertools.product(CONVERSATIONS, self._databases, get_args(Reader))]
        random.Random("plays").shuffle(every)  # the same order for all seeds
        begin = self._cell.seed * len(CONVERSATIONS) % len(every)
        return every[begin:] + every[:begin]

    async def _one(self, name: str, database: Database, reader: Reader, place: Path) -> None:
        cell = self._cell
        conversation = CONVERSATIONS[name]
        losses = cell.losses
        async with self._stage.platform(conversation, database, reader, place) as (platform, url):
            self._platform = platform
            try:
                playing = Playing(
                    conversation,
                    platform,
                    url,
                    self._stage.before,
                    patience=cell.size.patience,
                )
                await playing.play()
                changed = await self._stage.changed(url)
            finally:
                self._platform = None
        about = f"{name} on {database}, {reader}"
        excess = Counter(changed) - Counter(conversation.changes)
        if losses != cell.losses:
            # Where a specialist's task was lost, a person is asked: that moves no money.
            excess = Counter({one: n for one, n in excess.items() if " ticket of " not in one})
        if excess:
            cell.bad(Violation("I11", about, f"the books hold too much: {sorted(excess)}"))
        elif losses == cell.losses:
            for fault in playing.faults:
                cell.bad(Violation("conversation", about, fault))
        cell.report.figures["conversations"] += 1
        cell.report.figures["conversations' events"] += playing.frames
