"""The specialists that the Intent Agent may route to, as their cards describe them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from a2a.client import (
    A2ACardResolver,
    AgentCardResolutionError,
    Client,
    ClientConfig,
    ClientFactory,
)
from a2a.types import AgentCard
from google.protobuf.json_format import MessageToDict

from a2a_streaming.client import http_client
from a2a_streaming.customer_service.delegation.client import SpecialistClient, Token
from a2a_streaming.customer_service.delegation.transport import StreamTransport
from a2a_streaming.customer_service.detection import Specialist
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_JSONRPC = "JSONRPC"
_CARD_SECONDS = 3.0
"""How long a card may take: the customer waits for it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_SILENCE = 45.0
"""Seconds without a single byte after which a connection counts as dead: servers send heartbeats."""


@dataclass(slots=True)
class _Entry:
    """One address and what is known of the agent there.

    Args:
        url: The address.
        name: Its name by its address; empty if that names none.
        client: The way to it; None as long as nobody has read its card.
        as_it_comes: Whether its streams come by `StreamTransport`.
        card: What its card says; None as long as nobody has read it.
        read_at: When it was read, on the loop's clock.
    """

    url: str
    name: str
    client: Client | None = None
    as_it_comes: bool = True
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
        self._http = _http_client()
        self._streams = http_client()
        config = ClientConfig(httpx_client=self._http)
        self._older = ClientFactory(config)
        self._clients = ClientFactory(config)
        self._clients.register(
            _JSONRPC, lambda card, url, _: StreamTransport(self._http, self._streams, card, url)
        )
        self._ttl = ttl
        self._patience = patience
        self._entries = [_Entry(url.rstrip("/"), name_of(url)) for url in urls]
        self._reading = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._streams.aclose()

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

    async def client(self, name: str, *, token: Token) -> SpecialistClient | None:
        """Return the way to a specialist; None if there is none of that name, or it stays away.

        One whose card nobody has read yet, in a process that is new for example, is waited for.

        Args:
            name: The specialist's name.
            token: Gives what it is asked by for a customer.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + self._patience, _FIRST_PAUSE
        while True:
            for entry in self._entries:
                if entry.client is not None and entry.card is not None and entry.card.name == name:
                    return SpecialistClient(
                        entry.url,
                        entry.client,
                        token,
                        self._patience,
                        as_it_comes=entry.as_it_comes,
                    )
            if name in [specialist.name for specialist in await self.specialists()]:
                continue
            perhaps = [e for e in self._entries if e.card is None and e.name in ("", name)]
            if not perhaps or loop.time() + pause > deadline:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _stale(self, now: float) -> list[_Entry]:
        return [e for e in self._entries if e.card is None or e.read_at + self._ttl < now]

    async def _read(self, entry: _Entry) -> None:
        try:
            async with asyncio.timeout(_CARD_SECONDS):
                card = await A2ACardResolver(self._http, entry.url).get_agent_card()
            entry.as_it_comes = _speaks_1_0(card)
            clients = self._clients if entry.as_it_comes else self._older
            entry.client = clients.create(card)
        except (AgentCardResolutionError, httpx.HTTPError, TimeoutError, ValueError) as error:
            _log.warning("can't use a specialist's card", url=entry.url, reason=repr(error))
            return
        name = entry.name or slug(card.name)
        entry.card = Specialist.from_card(name, MessageToDict(card))
        entry.read_at = asyncio.get_running_loop().time()


def _speaks_1_0(card: AgentCard) -> bool:
    return any(
        one.protocol_binding == _JSONRPC and re.fullmatch(r"1(\.\d+)*", one.protocol_version)
        for one in card.supported_interfaces
    )


def _http_client() -> httpx.AsyncClient:
    """Return an HTTP client as a2a-sdk takes one; proxies don't apply to this machine."""
    here = ("all://127.0.0.1", "all://localhost", "all://[::1]")
    return httpx.AsyncClient(
        timeout=httpx.Timeout(_SILENCE, connect=5.0),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        mounts=dict.fromkeys(here),
    )


def name_of(url: str) -> str:
    """Return a specialist's name by its address: the last part of the path; empty without one."""
    return slug(urlsplit(url).path.rstrip("/").rpartition("/")[2]) if urlsplit(url).path else ""


def slug(name: str) -> str:
    """Return a name as routes spell it: `Billing Agent` → `billing`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removesuffix("-agent")
