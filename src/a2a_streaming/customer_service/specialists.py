"""The specialists that the Intent Agent may route to, as their cards describe them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from a2a_streaming.client import AgentUnreachable, Client, http_client
from a2a_streaming.customer_service.detection import Specialist
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_CARD_SECONDS = 3.0
"""How long a card may take: the customer waits for it."""


@dataclass(slots=True)
class _Entry:
    """One address and what is known of the agent there.

    Args:
        client: The way to it.
        name: Its name by its address; empty if that names none.
        card: What its card says; None as long as nobody has read it.
        read_at: When that was, on the loop's clock.
    """

    client: Client
    name: str
    card: Specialist | None = None
    read_at: float = 0.0


class Directory:
    """Reads the specialists' cards when they are needed, and keeps them for a while.

    Args:
        urls: The specialists' addresses.
        ttl: Seconds after which a card is read again; the old one serves on if that fails.
        patience: Seconds without progress after which a specialist's stream is given up.
    """

    def __init__(self, urls: Sequence[str], *, ttl: float = 60.0, patience: float = 30.0) -> None:
        self._http = http_client()
        self._ttl = ttl
        self._entries = [
            _Entry(Client(url, http=self._http, patience=patience), name_of(url)) for url in urls
        ]
        self._reading = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def specialists(self) -> list[Specialist]:
        """Return the specialists whose cards are known; those that can't be reached are left out."""
        now = asyncio.get_running_loop().time()
        if self._stale(now):
            async with self._reading:
                await asyncio.gather(*(self._read(entry) for entry in self._stale(now)))
        return [entry.card for entry in self._entries if entry.card is not None]

    @property
    def complete(self) -> bool:
        """Whether every specialist's card is known."""
        return all(entry.card is not None for entry in self._entries)

    async def client(self, name: str, token: str | None = None) -> Client | None:
        """Return the way to a specialist; None if there is none of that name.

        Args:
            name: The specialist's name.
            token: By which it is asked for a customer; None without authentication.
        """
        for _ in range(2):
            for entry in self._entries:
                known = entry.card.name if entry.card is not None else entry.name
                if known == name:
                    return entry.client.with_token(token)
            await self.specialists()  # an address without a name: its card has one
        return None

    def _stale(self, now: float) -> list[_Entry]:
        return [e for e in self._entries if e.card is None or e.read_at + self._ttl < now]

    async def _read(self, entry: _Entry) -> None:
        try:
            async with asyncio.timeout(_CARD_SECONDS):
                card = await entry.client.card()
        except (AgentUnreachable, TimeoutError) as error:
            _log.warning(
                "can't read a specialist's card", url=entry.client.base_url, reason=str(error)
            )
            return
        name = entry.name or slug(str(card.get("name", "")))
        entry.card = Specialist.from_card(name, card)
        entry.read_at = asyncio.get_running_loop().time()


def name_of(url: str) -> str:
    """Return a specialist's name by its address: the last part of the path; empty without one."""
    return slug(urlsplit(url).path.rstrip("/").rpartition("/")[2]) if urlsplit(url).path else ""


def slug(name: str) -> str:
    """Return a name as routes spell it: `Billing Agent` → `billing`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removesuffix("-agent")
