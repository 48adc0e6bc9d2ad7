"""One connection to Redis that many share: what is asked together is sent together.

Commands wait for no reply before the next is sent (pipelining), and all that are asked in one turn of the
event loop leave in one write. Replies come back in order. redis-py reads the address; everything after
that is a protocol of asyncio and hiredis' parser, which cost a tenth of its clients.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from a2a_streaming.errors import A2AStreamingError, StoreUnavailable, Unavailable

Command: TypeAlias = Sequence[str | bytes | int | float]

_AWAY = (
    "OOM",
    "LOADING",
    "MASTERDOWN",
    "BUSY ",
    "MISCONF",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "READONLY",
)
_NONE_YET: Any = object()
_AT_ONCE = 16
"""Commands that leave without waiting for more, so that Redis works while others are still asked."""
_pack: Callable[[tuple[str | bytes | int | float, ...]], bytes] = cast("Any", hiredis).pack_command
NAME = "a2a-streaming"


class CommandFailed(A2AStreamingError):
    """Redis refused a command: a fault of ours, or a key of another type.

    Args:
        reason: What Redis said.
    """

    def __init__(self, reason: str) -> None:
        remedy = (
            ". `a2a-streaming acl` tells what rights its user needs."
            if reason.startswith("NOPERM")
            else ""
        )
        super().__init__(f"Redis refused a command: {reason}{remedy}")
        self.reason = reason


class LinkLost(Unavailable):
    """The connection was lost: whether Redis has carried out what was asked is unknown.

    Args:
        cause: Why.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__("The store is away for the moment; try again.")
        self.__cause__ = cause


class Address:
    """Where Redis is, and how to sign in.

    Args:
        url: redis://, rediss:// or unix://, as redis-py takes it, with its options for TLS (ssl_ca_certs …).

    Raises:
        StoreUnavailable: It is no such URL, or TLS can't be set up as it says.
    """

    def __init__(self, url: str) -> None:
        try:
            told: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise StoreUnavailable(
                f"A2A_REDIS_URL is no Redis address ({error}); it looks like redis://localhost:6379/0."
            ) from error
        self._path: str | None = told.get("path")
        self._host = str(told.get("host", "localhost"))
        self._port = int(told.get("port", 6379))
        self._ssl: Any = None
        if told.pop("connection_class", None) is SSLConnection:
            try:
                tls: Any = SSLConnection(**told).ssl_context
                self._ssl = tls.get()
            except (OSError, RedisError, TypeError) as error:
                raise StoreUnavailable(
                    f"TLS to Redis can't be set up as A2A_REDIS_URL says ({error}). Its options ssl_ca_certs, ssl_certfile "
                    "and ssl_keyfile name PEM files that this process can read; ssl_cert_reqs is required, optional or none."
                ) from error
        self._login = [part for part in (told.get("username"), told.get("password")) if part]
        self._database = int(told.get("db", 0))

    async def connect(self, protocol: Callable[[], Link]) -> Link:
        """Connect.

        Args:
            protocol: Makes the link.

        Raises:
            OSError: Nobody answers there.
        """
        loop = asyncio.get_running_loop()
        if self._path is not None:
            _, link = await loop.create_unix_connection(protocol, self._path)
        else:
            _, link = await loop.create_connection(protocol, self._host, self._port, ssl=self._ssl)
        return link

    @property
    def greeting(self) -> list[Command]:
        """What is said first on a new connection."""
        said: list[Command] = []
        if self._login:
            said.append(["AUTH", *self._login])
        if self._database:
            said.append(["SELECT", self._database])
        return [*said, ["CLIENT", "SETNAME", NAME]]


class Link(asyncio.Protocol):
    """One connection. Use `open`.

    Args:
        timeout: Seconds without any reply after which Redis counts as away; None to wait for ever.
        hear: Takes each reply that nobody waits for, as Pub/Sub's messages.
        heard: Called when all that came at once was heard.
    """

    def __init__(
        self,
        *,
        timeout: float | None,
        hear: Callable[[Any], None] | None = None,
        heard: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._hear = hear
        self._heard = heard
        self._reader: Any = hiredis.Reader(notEnoughData=_NONE_YET)
        self._waiting: deque[asyncio.Future[Any] | _Several] = deque()
        self._out: list[bytes] = []
        self._transport: Any = None
        self._progress = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self.why: Exception = ConnectionResetError("the connection is closed")
        """Why the connection is over, once it is."""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is over."""

    @classmethod
    async def open(
        cls,
        address: Address,
        *,
        timeout: float,  # noqa: ASYNC109 - the link's own, too
        patient: bool = False,
        hear: Callable[[Any], None] | None = None,
        heard: Callable[[], None] | None = None,
    ) -> Link:
        """Connect, and sign in.

        Args:
            address: Where to.
            timeout: Seconds that this may take, and afterwards each reply.
            patient: Whether replies may take for ever, as those of reads that block.
            hear: Takes each reply that nobody waits for.
            heard: Called when all that came at once was heard.

        Raises:
            LinkLost: Redis isn't there, or not in time.
            Unavailable: Redis is loading, or full.
            CommandFailed: Redis refuses the user or the database.
        """
        link: Link | None = None
        try:
            async with asyncio.timeout(timeout):
                link = await address.connect(
                    lambda: cls(timeout=None if patient else timeout, hear=hear, heard=heard)
                )
                for reply in [link.ask(command) for command in address.greeting]:
                    await reply
        except OSError as error:  # TimeoutError among them
            if link is not None:
                link.abort()
            raise LinkLost(error) from error
        except BaseException:
            if link is not None:
                link.abort()
            raise
        return link

    def ask(self, command: Command) -> asyncio.Future[Any]:
        """Send a command; its reply comes in order, and an error of Redis' as an exception.

        Args:
            command: The command.

        Raises:
            LinkLost: By the future: the connection is over.
            Unavailable: By the future: Redis is full or loading.
            CommandFailed: By the future: Redis refuses it.
        """
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self.ended.done():
            reply.set_exception(LinkLost(self.why))
            return reply
        self._send(command)
        self._await(reply)
        return reply

    def ask_all(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands; their replies come together, an error of Redis' as a CommandFailed among them.

        Args:
            commands: The commands, at least one.

        Raises:
            LinkLost: By the future: the connection is over.
        """
        replies: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.ended.done():
            replies.set_exception(LinkLost(self.why))
            return replies
        several = _Several(replies, len(commands))
        for command in commands:
            self._send(command)
            self._await(several)
        return replies

    def _await(self, reply: asyncio.Future[Any] | _Several) -> None:
        if not self._waiting:
            self._progress = self._loop.time()
        self._waiting.append(reply)
        if self._watch is None and self._timeout is not None:
            self._watch = self._loop.call_later(self._timeout, self._look)

    def tell(self, command: Command) -> None:
        """Send a command whose replies are heard, such as SUBSCRIBE.

        Args:
            command: The command.

        Raises:
            LinkLost: The connection is over.
        """
        if self.ended.done():
            raise LinkLost(self.why)
        self._send(command)

    def abort(self, why: Exception | None = None) -> None:
        """Close the connection at once.

        Args:
            why: What those who still wait are told.
        """
        if why is not None:
            self.why = why
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Close the connection at once, and wait until it is over, for a moment."""
        self.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(self.ended)

    def _send(self, command: Command) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(_pack(tuple(command)))
        if len(self._out) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self.ended.done():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _look(self) -> None:
        """Look whether Redis still answers."""
        self._watch = None
        if not self._waiting or self._timeout is None:
            return
        left = self._progress + self._timeout - self._loop.time()
        if left <= 0:
            self.abort(TimeoutError(f"no reply for {self._timeout:g} s"))
        else:
            self._watch = self._loop.call_later(left, self._look)

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport
        # What is written leaves at once: it was gathered here already.
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Hand replies to those who wait for them."""
        self._progress = self._loop.time()
        reader, waiting = self._reader, self._waiting
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not _NONE_YET:
                if not waiting:
                    if self._hear is not None:
                        self._hear(reply)
                    continue
                asked = waiting.popleft()
                if isinstance(asked, _Several):
                    asked.take(reply)
                elif asked.done():  # whoever asked has been canceled
                    continue
                elif isinstance(reply, hiredis.ReplyError):
                    asked.set_exception(_refused(reply))
                else:
                    asked.set_result(reply)
        except hiredis.ProtocolError as error:
            self.abort(ConnectionError(f"that isn't Redis: {error}"))
            return
        if self._heard is not None:
            self._heard()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait that they wait in vain."""
        if exc is not None:
            self.why = exc
        if self._watch is not None:
            self._watch.cancel()
        if not self.ended.done():
            self.ended.set_result(None)
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            future = asked.future if isinstance(asked, _Several) else asked
            if not future.done():
                future.set_exception(LinkLost(self.why))


class _Several:
    """Replies that are awaited together.

    Args:
        future: Gets them.
        count: How many.
    """

    __slots__ = ("_left", "_replies", "future")

    def __init__(self, future: asyncio.Future[list[Any]], count: int) -> None:
        self.future = future
        self._left = count
        self._replies: list[Any] = []

    def take(self, reply: Any) -> None:
        """Take the next one."""
        self._replies.append(_refused(reply) if isinstance(reply, hiredis.ReplyError) else reply)
        self._left -= 1
        if not self._left and not self.future.done():
            self.future.set_result(self._replies)


def _refused(reply: Any) -> Exception:
    text = str(reply)
    if text.startswith(_AWAY):
        return _away(text)
    return CommandFailed(text)


def _away(text: str) -> Unavailable:
    away = Unavailable(
        "The store is full for the moment; try again."
        if text.startswith("OOM")
        else "The store is away for the moment; try again."
    )
    away.__cause__ = ConnectionError(text)
    return away
