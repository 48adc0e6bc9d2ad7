"""What conversations are played on: a Redis, databases with the same books, platforms, and a stand-in for Claude."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from google.protobuf.json_format import MessageToDict

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.detection import Specialist
from conversations.books import Books, books, changes
from conversations.company import DATABASE, TODAY
from conversations.platforms import PlatformProcess
from conversations.playing import Kill, Playing
from conversations.script import Conversation, Json
from customer_service.messages_api import Answer, Obliging, Use, standing_in
from customer_service.records.databases import Filled

Database = Literal["sqlite", "postgresql"]
Reader = Literal["offline", "claude"]

_SPECIALISTS = {
    name: Specialist.from_card(name, MessageToDict(card))
    for name, card in (("booking", cards.BOOKING), ("billing", cards.BILLING))
}
_LEASE = "1"
"""Seconds: the next process waits until the dead one's leases have ended."""


class Stage:
    """Plays conversations, any number at once.

    Args:
        filled: Copies databases.
        redis_url: The Redis; each platform gets a prefix of its own.
        postgresql: Gives the URL of a PostgreSQL server without a database's name; asked if it is needed.
        starts: How often a platform may end at its start: it does where Redis is away.
    """

    def __init__(
        self, filled: Filled, redis_url: str, postgresql: Callable[[], str], *, starts: int = 1
    ) -> None:
        self._starts = starts
        self._filled = filled
        self.redis_url = redis_url
        """The Redis."""
        self._postgresql = postgresql
        self._numbers = itertools.count()
        self._before: Books | None = None

    async def prepare(self, directory: Path, databases: Collection[Database]) -> None:
        """Fill the databases that are copied, before several plays ask for them at once.

        Args:
            directory: For the files.
            databases: Those that will be asked for.
        """
        for database in databases:
            self._before = await books(await self._copy(database, "first", directory))

    async def play(
        self,
        conversation: Conversation,
        database: Database,
        reader: Reader,
        directory: Path,
        kill: Kill | None,
    ) -> Playing:
        """Play a conversation; returns how it went.

        Args:
            conversation: The conversation.
            database: What the systems of record are in.
            reader: Who reads and words.
            directory: For the files.
            kill: Where the platform is killed; None to let it live.
        """
        async with self.platform(conversation, database, reader, directory) as (platform, url):
            playing = Playing(conversation, platform, url, self.before, kill)
            await playing.play()
            return playing

    @asynccontextmanager
    async def platform(
        self,
        conversation: Conversation,
        database: Database,
        reader: Reader,
        directory: Path,
        *,
        port: int | None = None,
        **more: str,
    ) -> AsyncIterator[tuple[PlatformProcess, str]]:
        """Run a platform for a conversation, on books of its own; gives it, and its database's URL.

        Args:
            conversation: What a stand-in for Claude reads by.
            database: What the systems of record are in.
            reader: Who reads and words.
            directory: For the files.
            port: Where it listens; any by default.
            more: Further settings.
        """
        name = f"conversation{next(self._numbers)}"
        url = await self._copy(database, name, directory)
        if self._before is None:  # the same in every copy
            self._before = await books(url)
        settings = {
            "A2A_REDIS_URL": self.redis_url,
            "A2A_KEY_PREFIX": f"{name}:",
            "A2A_RECORDS": "conversations.company:records",
            "A2A_LEASE_SECONDS": _LEASE,
            "A2A_LOG_FORMAT": "json",
            DATABASE: url,
            **more,
        }
        async with (
            _claude(conversation, reader) as claude,
            self._process(directory, port, {**settings, **claude}) as platform,
        ):
            yield platform, url

    def _process(
        self, directory: Path, port: int | None, settings: dict[str, str]
    ) -> PlatformProcess:
        made = PlatformProcess(directory, port=port, **settings)
        made.starts = self._starts
        return made

    @property
    def before(self) -> Books:
        """What each platform's books hold before it runs."""
        assert self._before is not None
        return self._before

    async def changed(self, database: str) -> list[str]:
        """Return what a platform's books hold otherwise than before it ran.

        Args:
            database: Its URL.
        """
        return changes(self.before, await books(database))

    async def _copy(self, database: Database, name: str, directory: Path) -> str:
        if database == "sqlite":
            return await self._filled.sqlite(directory / "records.db", TODAY)
        return await self._filled.postgresql(self._postgresql(), name, TODAY)


@asynccontextmanager
async def _claude(conversation: Conversation, reader: Reader) -> AsyncIterator[dict[str, str]]:
    """Run a stand-in for Claude, if it is to read; gives the settings of a platform that asks it."""
    if reader == "offline":
        yield {}
        return
    async with standing_in(_obliging(conversation)) as server:
        yield {
            "ANTHROPIC_API_KEY": "sk-test",
            "ANTHROPIC_BASE_URL": server.url,
            "A2A_ANTHROPIC_RETRIES": "0",
            "A2A_ANTHROPIC_REST_SECONDS": "0",
        }
        assert server.requests, "nobody asked Claude"


def _obliging(conversation: Conversation) -> Answer:
    """Return a stand-in for Claude that reads what this conversation's file says, and repeats the answers as they are."""
    forms = {str(turn.says): turn.forms for turn in conversation.turns if turn.forms}

    async def answer(body: Json) -> Any:
        tools = {tool["name"] for tool in body.get("tools", ())}
        fitting = {
            text: Use(name, slots)
            for text, wanted in forms.items()
            for name, slots in wanted.items()
            if name in tools
        }
        return await Obliging(fitting, _SPECIALISTS)(body)

    return answer
