"""The one module that connects to Redis.

Everything else in the backbone speaks to a `Store`: commands, pipelines, scripts, and connections of
their own for reads that block. Whatever says that Redis is away, full or loading becomes `Unavailable`,
which a client sees as "come back later".
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    BusyLoadingError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from a2a_streaming.errors import A2AStreamingError, StoreUnavailable, Unavailable

Command: TypeAlias = Sequence[str | bytes | int | float]
_AWAY = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, ReadOnlyError, OSError)


class CommandFailed(A2AStreamingError):
    """Redis refused a command: a fault of ours, or a key of another type.

    Args:
        reason: What Redis said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis refused a command: {reason}")
        self.reason = reason


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
        max_connections: The most connections for commands.
        timeout: Seconds that a command may take.
    """

    def __init__(self, url: str, *, max_connections: int = 16, timeout: float = 5.0) -> None:
        try:
            pool: Any = BlockingConnectionPool  # its from_url is untyped
            self._pool: Any = pool.from_url(
                url,
                max_connections=max_connections,
                timeout=timeout,
                # The limits are ours: redis-py would send within `asyncio.wait_for`, which in Python
                # 3.11 swallows a cancel that comes just as it is done, and the canceled task goes on.
                socket_timeout=None,
                socket_connect_timeout=timeout,
                protocol=2,
                client_name="a2a-streaming",
                retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3),
            )
        except ValueError as error:
            raise StoreUnavailable(
                f"A2A_REDIS_URL is no Redis address ({error}); it looks like redis://localhost:6379/0."
            ) from error
        self._redis: Any = Redis(connection_pool=self._pool)
        # Replies as Redis sends them: one shape, in commands, pipelines and scripts alike.
        self._redis.response_callbacks.clear()
        self._timeout = timeout
        self.url = url

    async def call(self, *command: str | bytes | float) -> Any:
        """Execute one command.

        Raises:
            Unavailable: Redis is away, full or loading.
            CommandFailed: Redis refused the command.
        """
        return await _within(self._timeout, self._redis.execute_command(*command))

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands in one round trip, not as a transaction.

        Returns:
            Their replies in order; a refused command's reply is a CommandFailed.

        Raises:
            Unavailable: Redis is away, full or loading.
        """
        if not commands:
            return []
        pipeline: Any = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies = await _within(self._timeout, pipeline.execute(raise_on_error=False))
        replies = [_translated(r) if isinstance(r, RedisError) else r for r in replies]
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
        try:
            return await self.call(*script.command(keys, args))
        except CommandFailed as error:
            if not error.reason.startswith("NOSCRIPT"):
                raise
            return await self.call("EVAL", script.source, len(keys), *keys, *args)

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
        where = _without_password(self.url)
        try:
            await self.call("PING")
        except Unavailable as error:
            raise StoreUnavailable(
                f"Redis at {where} can't be reached ({error.__cause__}). Start it, correct "
                "A2A_REDIS_URL, or leave A2A_REDIS_URL empty to use the embedded store."
            ) from error
        except CommandFailed as error:
            raise StoreUnavailable(
                f"Redis at {where} refused us ({error.reason}). Correct the user and password in A2A_REDIS_URL."
            ) from error
        try:
            reply = await self.call("CONFIG", "GET", "maxmemory*")
        except CommandFailed:
            return  # managed services forbid CONFIG
        found = {bytes(reply[i]): bytes(reply[i + 1]) for i in range(0, len(reply), 2)}
        policy = found.get(b"maxmemory-policy", b"noeviction").decode()
        if policy != "noeviction" and found.get(b"maxmemory", b"0") != b"0":
            raise StoreUnavailable(
                f"Redis at {where} would evict tasks when it is full (maxmemory-policy {policy}). "
                "Set maxmemory-policy to noeviction, or use another Redis."
            )

    def dedicated(self) -> Dedicated:
        """Return a connection of its own, for reads that block."""
        return Dedicated(self._pool.make_connection(), self._timeout)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
        await self._pool.disconnect()


class Dedicated:
    """One connection that its owner reads without a time limit.

    Args:
        connection: redis-py's.
        timeout: Seconds that connecting or sending may take.
    """

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self._connection: Any = connection
        self._timeout = timeout

    async def connect(self) -> None:
        """Connect.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            await _within(self._timeout, self._connection.connect())
        except BaseException:
            await self.aclose()
            raise

    async def send(self, *command: str | bytes | float) -> None:
        """Send a command without waiting for its reply.

        Raises:
            Unavailable: The connection is gone.
        """
        if not self._connection.is_connected:  # redis-py would connect anew, unknown to the reader
            raise _away(ConnectionResetError("the connection is closed"))
        await _within(self._timeout, self._connection.send_command(*command))

    async def read(self) -> Any:
        """Wait for the next reply, however long it takes.

        Raises:
            Unavailable: The connection is gone.
            CommandFailed: Redis refused a command.
        """
        try:
            return await self._connection.read_response(timeout=math.inf)
        except (RedisError, OSError) as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        """Close it, whatever it is doing."""
        try:
            async with asyncio.timeout(1):
                await self._connection.disconnect(nowait=True)
        except (RedisError, OSError, TimeoutError):
            pass  # it was gone already


async def _within(seconds: float, doing: Awaitable[Any]) -> Any:
    """Await what Redis does; what says that it is away, or takes too long, becomes Unavailable."""
    try:
        async with asyncio.timeout(seconds):
            return await doing
    except (RedisError, OSError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    if isinstance(error, (OutOfMemoryError, *_AWAY)):
        return _away(error)
    text = str(error)
    if isinstance(error, ResponseError) and text.startswith(
        ("OOM", "LOADING", "MASTERDOWN", "BUSY ", "MISCONF", "NOREPLICAS", "CLUSTERDOWN")
    ):
        return _away(error)
    if isinstance(error, NoScriptError) and not text.startswith("NOSCRIPT"):
        text = f"NOSCRIPT {text}"
    return CommandFailed(text)


def _away(error: Exception) -> Unavailable:
    full = isinstance(error, OutOfMemoryError) or str(error).startswith("OOM")
    away = Unavailable(
        "The store is full for the moment; try again."
        if full
        else "The store is away for the moment; try again."
    )
    away.__cause__ = error
    return away


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
