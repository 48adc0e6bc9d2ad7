"""A TCP proxy that breaks the links that it carries."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Literal, Self


@dataclass
class _Carried:
    """A connection that is carried."""

    subscribes: bool = False
    doomed: bool = False
    """Whether it is cut instead of carrying the next reply."""


class Proxy:
    """Carries connections to a server, which may change, until it is told to cut or to swallow them.

    Args:
        target: Host and port, or the path of a Unix socket.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self.target = target
        self.port = 0
        self.latency = 0.0
        """Seconds that each chunk is held up."""
        self.rate = 0
        """Bytes a second that each connection carries in a direction; 0 for no limit."""
        self.cuts: Literal["", "before", "after"] = ""
        """Whether the next call of a script is cut: before it gets there, or after it was carried out."""
        self.deaf = False
        """Whether connections that subscribe to channels carry nothing back."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def swallow(self) -> None:
        """Become a black hole: connections stay open and carry nothing, new ones too."""
        self._open.clear()

    def carry(self) -> None:
        """Carry again, what was held back first."""
        self._open.set()

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the target."""
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            # Canceled only by the proxy's own end; asyncio would complain about it.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                inner = await self.reach()
                self._writers.add(inner[1])
                carried = _Carried()
                await asyncio.gather(
                    self._pump(reader, inner[1], carried, there=True),
                    self._pump(inner[0], writer, carried, there=False),
                )
                self._writers.discard(inner[1])
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        carried: _Carried,
        *,
        there: bool,
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self.rate:
                    await asyncio.sleep(len(chunk) / self.rate)
                await self._open.wait()
                if there:
                    carried.subscribes = carried.subscribes or b"SUBSCRIBE" in chunk
                    if self.cuts and b"EVALSHA" in chunk:
                        before, self.cuts = self.cuts == "before", ""
                        if before:
                            break
                        carried.doomed = True
                elif carried.doomed:
                    break
                elif self.deaf and carried.subscribes:
                    continue
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()
