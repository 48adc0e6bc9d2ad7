"""Redis, as the backbone uses it: one link that all share, and links of their own for reads that block.

Whatever says that Redis is away, full or loading becomes `Unavailable`, which a client sees as "come back
later". A link that is lost is replaced, and what was asked on it is asked again: so whatever is asked here may
be carried out twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from a2a_streaming.backbone.link import Address, Command, CommandFailed, Link, LinkLost
from a2a_streaming.backbone.product import is_too_old, parse_info, product_of, version_of
from a2a_streaming.errors import StoreUnavailable, Unavailable

__all__ = ["Command", "CommandFailed", "Link", "LinkLost", "Script", "Store"]

_PAUSES = (0.05, 0.1, 0.2)
"""Seconds before what a lost link was asked is asked again, at most."""


class Script:
    """A Lua script of the folder `lua`, known to Redis by its digest.

    Args:
        name: Its file's name, without the ending.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = files("a2a_streaming.backbone").joinpath("lua", f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], args: Command) -> list[str | bytes | int | float]:
        """Return the command that calls it by its digest."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]


class Store:
    """Redis, as the backbone uses it.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: Seconds that a command may take.

    Raises:
        StoreUnavailable: The URL is no Redis address.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._address = Address(url)
        self._timeout = timeout
        self._link: Link | None = None
        self._connecting: asyncio.Task[Link] | None = None
        self._closed = False
        self.url = url

    async def call(self, *command: str | bytes | float) -> Any:
        """Execute one command.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: Redis refused the command.
        """
        return await self._command(command)

    async def _command(self, command: Command) -> Any:
        return await self._ask(lambda link: link.ask(command))

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands in one round trip, not as a transaction.

        Returns:
            Their replies in order; a refused command's reply is a CommandFailed.

        Raises:
            Unavailable: Redis is away, full or loading.
        """
        if not commands:
            return []
        replies: list[Any] = await self._ask(lambda link: link.ask_all(commands))
        for reply in replies:
            if isinstance(reply, Unavailable):
                raise reply
        return replies

    async def _ask(self, how: Callable[[Link], asyncio.Future[Any]]) -> Any:
        """Ask on the shared link; on another one, if that is lost before it has answered."""
        for pause in _PAUSES:
            try:
                return await how(self._living() or await self._open())
            except LinkLost as lost:
                # Who hasn't answered for as long as a command may take is asked no more.
                if self._closed or isinstance(lost.__cause__, TimeoutError):
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        return await how(await self._open())

    def _living(self) -> Link | None:
        """Return the shared link, if there is one."""
        link = self._link
        return link if link is not None and not link.ended.done() else None

    async def _open(self) -> Link:
        """Return the shared link; whoever needs it while it is made waits for the same one."""
        if (living := self._living()) is not None:
            return living
        if self._closed:
            raise LinkLost(ConnectionError("the store is closed"))
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name="connect to Redis")
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Link:
        """Make the shared link, and keep it: whoever asked for it may have been canceled by then."""
        link = self._link = await Link.open(self._address, timeout=self._timeout)
        return link

    async def script(self, script: Script, keys: Sequence[str], args: Command) -> Any:
        """Call a script; teach it to Redis first if Redis has forgotten it.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: The script failed.
        """
        try:
            return await self._command(script.command(keys, args))
        except CommandFailed as error:
            if not error.reason.startswith("NOSCRIPT"):
                raise
            return await self.call("EVAL", script.source, len(keys), *keys, *args)

    async def script_behind(
        self, commands: Sequence[Command], script: Script, keys: Sequence[str], args: Command
    ) -> Any:
        """Call a script right behind some commands, in one round trip.

        Raises:
            Unavailable: Redis is away, full or loading: any of it may have been carried out.
            CommandFailed: The script failed.
        """
        *_, reply = await self.pipeline([*commands, script.command(keys, args)])
        if isinstance(reply, CommandFailed):
            if not reply.reason.startswith("NOSCRIPT"):
                raise reply
            return await self.script(script, keys, args)
        return reply

    async def scripts(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Command]]
    ) -> list[Any]:
        """Call one script many times, in one round trip; for scripts that may run twice.

        Raises:
            Unavailable: Redis is away, full or loading.
        """
        commands = [script.command(keys, args) for keys, args in calls]
        replies = await self.pipeline(commands)
        if any(isinstance(r, CommandFailed) and r.reason.startswith("NOSCRIPT") for r in replies):
            await self.call("SCRIPT", "LOAD", script.source)
            replies = await self.pipeline(commands)
        return replies

    async def check(self) -> None:
        """Check at start-up that Redis answers and won't forget our keys on its own.

        Raises:
            StoreUnavailable: It doesn't; the message says what to do.
        """
        where = _without_secrets(self.url)
        try:
            await self.call("PING")
        except Unavailable as error:
            cause = error.__cause__
            remedy = "Start it, correct A2A_REDIS_URL, or leave A2A_REDIS_URL empty to use the embedded store."
            if isinstance(cause, ssl.SSLError):
                remedy = (
                    "It and we don't trust each other: ssl_ca_certs in A2A_REDIS_URL must name the authority that has "
                    "signed its certificate, which must be for this host; where it asks for ours, ssl_certfile and "
                    "ssl_keyfile must name one that its own authority has signed."
                )
            raise StoreUnavailable(
                f"Redis at {where} can't be reached ({cause}). {remedy}"
            ) from error
        except CommandFailed as error:
            raise StoreUnavailable(
                f"Redis at {where} refused us ({error.reason}). Correct the user and password in A2A_REDIS_URL."
            ) from error
        try:
            info = parse_info(await self.call("INFO"))
        except CommandFailed:
            return  # it may not be asked
        if is_too_old(info):
            raise StoreUnavailable(
                f"{product_of(info).capitalize()} {version_of(info)} at {where} is too old. "
                "Use Redis 6.2 or later, or Valkey."
            )
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and info.get("maxmemory", "0") != "0":
            raise StoreUnavailable(
                f"Redis at {where} would evict tasks when it is full (maxmemory-policy {policy}). "
                "Set maxmemory-policy to noeviction, or use another Redis."
            )

    async def dedicated(
        self,
        *,
        hear: Callable[[Any], None] | None = None,
        heard: Callable[[], None] | None = None,
    ) -> Link:
        """Return a link of its own, whose replies may take for ever: for reads that block.

        Args:
            hear: Takes each reply that nobody waits for.
            heard: Called when all that came at once was heard.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: Redis refuses us.
        """
        return await Link.open(
            self._address, timeout=self._timeout, patient=True, hear=hear, heard=heard
        )

    async def aclose(self) -> None:
        """Close the shared link."""
        self._closed = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()


def _without_secrets(url: str) -> str:
    """Return an address without its user, password and options, which may hold one, too."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"
