"""Redis, as the backbone uses it: links that all share, one to each server, and links of their own for reads that block.

Whether it is one server, a cluster, or what sentinels watch, is a matter of `topology`. Whatever says that Redis is away, full or loading becomes `Unavailable`, which a client sees as "come back
later". A link that is lost is replaced, and what was asked on it is asked again: so whatever is asked here may
be carried out twice.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

from a2a_streaming.backbone.address import Place, place_of
from a2a_streaming.backbone.cluster import Cluster
from a2a_streaming.backbone.link import Command, CommandFailed, Link, LinkLost
from a2a_streaming.backbone.product import is_too_old, parse_info, product_of, version_of
from a2a_streaming.backbone.sentinel import Sentinel
from a2a_streaming.backbone.topology import Single, Topology
from a2a_streaming.errors import StoreUnavailable, Unavailable

__all__ = ["Command", "CommandFailed", "Link", "LinkLost", "Script", "Store"]

_NO_CLUSTER, _NO_SERVICE = "cluster support disabled", "No such master"


class Script:
    """A Lua script of the folder `lua`, known to Redis by its digest.

    Args:
        name: Its file's name, without the ending.
        source: The script; None to read the file.
    """

    def __init__(self, name: str, source: bytes | None = None) -> None:
        self.name = name
        file = files("a2a_streaming.backbone").joinpath("lua", f"{name}.lua")
        self.source = file.read_bytes() if source is None else source
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()

    @cached_property
    def sharded(self) -> Script:
        """The script for a cluster: what is published on a channel among the keys goes to their slot's servers alone."""
        return Script(self.name, self.source.replace(b"'PUBLISH', KEYS[", b"'SPUBLISH', KEYS["))

    def command(self, keys: Sequence[str], args: Command) -> list[str | bytes | int | float]:
        """Return the command that calls it by its digest."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]


class Store:
    """Redis, as the backbone uses it.

    Args:
        url: One server, a cluster or sentinels, as `place_of` takes it.
        timeout: Seconds that a command may take.

    Raises:
        StoreUnavailable: The URL is no Redis address.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self.place = place_of(url)
        """Where it is."""
        self.topology = _topology(self.place, timeout)
        """Which server is asked what."""
        self.sharded = self.topology.sharded
        """Whether it is a cluster, in which live events of tasks go by sharded Pub/Sub."""

    async def call(self, *command: str | bytes | float) -> Any:
        """Execute one command.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: Redis refused the command.
        """
        return await self.topology.ask(command)

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands in one round trip, not as a transaction; in order where their keys share a slot.

        Returns:
            Their replies in order; a refused command's reply is a CommandFailed.

        Raises:
            Unavailable: Redis is away, full or loading.
        """
        if not commands:
            return []
        replies = await self.topology.ask_all(commands)
        for reply in replies:
            if isinstance(reply, Unavailable):
                raise reply
        return replies

    async def script(self, script: Script, keys: Sequence[str], args: Command) -> Any:
        """Call a script; teach it to Redis first if Redis has forgotten it.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: The script failed.
        """
        if self.sharded:
            script = script.sharded
        try:
            return await self.topology.ask(script.command(keys, args))
        except CommandFailed as error:
            if not error.reason.startswith("NOSCRIPT"):
                raise
            return await self.call("EVAL", script.source, len(keys), *keys, *args)

    async def script_behind(
        self, commands: Sequence[Command], script: Script, keys: Sequence[str], args: Command
    ) -> Any:
        """Call a script right behind some commands, in one round trip; in a cluster in two, as their keys are elsewhere.

        Raises:
            Unavailable: Redis is away, full or loading: any of it may have been carried out.
            CommandFailed: The script failed.
        """
        if self.sharded:
            await self.pipeline(commands)
            return await self.script(script, keys, args)
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
        if self.sharded:
            script = script.sharded
        commands = [script.command(keys, args) for keys, args in calls]
        replies = await self.pipeline(commands)
        if any(isinstance(r, CommandFailed) and r.reason.startswith("NOSCRIPT") for r in replies):
            await self.topology.each(["SCRIPT", "LOAD", script.source])
            replies = await self.pipeline(commands)
        return replies

    async def publish(self, channel: str, message: str | bytes) -> None:
        """Publish on a channel to whoever listens at the server that has its slot.

        Raises:
            Unavailable: Redis is away.
            CommandFailed: Redis refused it.
        """
        plain = ["PUBLISH", channel, message]
        await self.topology.ask(["SPUBLISH", channel, message] if self.sharded else plain)

    async def scan(self, cursor: bytes, *, match: str, count: int) -> tuple[bytes, list[bytes]]:
        """Return the next keys of a walk through all of Redis, and the cursor behind them.

        Args:
            cursor: `0` at the beginning, and returned at the end.
            match: A pattern.
            count: How many to look at, about.

        Raises:
            Unavailable: Redis is away.
        """
        return await self.topology.scan(cursor, match, count)

    async def each(self, *command: str | bytes | float) -> list[tuple[str, Any]]:
        """Execute a command at each server that takes writes.

        Returns:
            Each server's name, and its reply; a refused command's reply is a CommandFailed.

        Raises:
            Unavailable: Redis is away, full or loading.
        """
        replies = await self.topology.each(command)
        for name, reply in replies:
            if isinstance(reply, Unavailable):
                if self.sharded:
                    reply.add_note(name)
                raise reply
        return replies

    async def check(self) -> None:
        """Check at start-up that Redis answers and won't forget our keys on its own.

        Raises:
            StoreUnavailable: It doesn't; the message says what to do.
        """
        where = self.place.shown
        try:
            await self._check_kind()
        except Unavailable as error:
            named = "".join(f", {name}" for name in getattr(error, "__notes__", ()))
            cause = error.__cause__
            remedy = "Start it, correct A2A_REDIS_URL, or leave A2A_REDIS_URL empty to use the embedded store."
            if isinstance(cause, ssl.SSLError):
                remedy = (
                    "It and we don't trust each other: ssl_ca_certs in A2A_REDIS_URL must name the authority that has "
                    "signed its certificate, which must be for this host; where it asks for ours, ssl_certfile and "
                    "ssl_keyfile must name one that its own authority has signed."
                )
            raise StoreUnavailable(
                f"Redis at {where}{named} can't be reached ({cause}). {remedy}"
            ) from error
        except CommandFailed as error:
            if _NO_CLUSTER in error.reason:
                raise StoreUnavailable(
                    f"{where} is no cluster. Write redis:// or rediss:// in A2A_REDIS_URL, and one server."
                ) from error
            if _NO_SERVICE in error.reason:
                raise StoreUnavailable(
                    f"The sentinels at {where} don't watch {self.place.service!r}. Correct the name at the end of "
                    "A2A_REDIS_URL: it is what stands behind `sentinel monitor` in their configuration."
                ) from error
            raise StoreUnavailable(
                f"Redis at {where} refused us ({error.reason}). Correct the user and password in A2A_REDIS_URL."
            ) from error
        for name, reply in await self.each("INFO"):
            if isinstance(reply, CommandFailed):
                continue  # it may not be asked
            self._check_server(where if not self.sharded else name, parse_info(reply))

    @staticmethod
    def _check_server(where: str, info: dict[str, str]) -> None:
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

    async def _check_kind(self) -> None:
        """Check that it answers, and is what the address says.

        Raises:
            StoreUnavailable: It is something else.
            Unavailable: It doesn't answer.
            CommandFailed: It refuses us.
        """
        for _, reply in await self.each("PING"):
            if isinstance(reply, CommandFailed):
                raise reply
        if self.sharded:
            asked = ["COMMAND", "INFO", "SSUBSCRIBE"]
            if await self._may(asked) == [None]:
                raise StoreUnavailable(
                    "This cluster has no sharded Pub/Sub. Use Redis 7 or later, or Valkey, for a cluster."
                )
        elif b"cluster_enabled:1" in (await self._may(["INFO", "cluster"]) or b""):
            raise StoreUnavailable(
                f"Redis at {self.place.shown} is one server of a cluster. Write redis+cluster:// (with TLS "
                "rediss+cluster://) in A2A_REDIS_URL."
            )

    async def _may(self, command: Command) -> Any:
        """Ask what a user may be forbidden to ask; None if it is."""
        try:
            return await self.topology.ask(command)
        except CommandFailed:
            return None

    async def dedicated(
        self,
        name: str | bytes = "",
        *,
        hear: Callable[[Any], None] | None = None,
        heard: Callable[[], None] | None = None,
    ) -> Link:
        """Return a link of its own, whose replies may take for ever: for reads that block.

        Args:
            name: The key, or the channel, for which it is.
            hear: Takes each reply that nobody waits for.
            heard: Called when all that came at once was heard.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: Redis refuses us.
        """
        return await self.topology.dedicated(name, hear, heard)

    async def aclose(self) -> None:
        """Close every link that is shared."""
        await self.topology.aclose()


def _topology(place: Place, timeout: float) -> Topology:
    if place.kind == "cluster":
        return Cluster(place, timeout)
    if place.kind == "sentinel":
        return Sentinel(place, timeout)
    return Single.at(place.seeds[0], timeout)
