"""What a store of any set-up can do: one server, a primary that sentinels name, or a cluster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

from a2a_streaming.backbone.address import Address
from a2a_streaming.backbone.line import Line
from a2a_streaming.backbone.link import Command, Link, LinkLost

PAUSES = (0.05, 0.1, 0.2)
"""Seconds before what a lost link was asked is asked again, at most."""
Hear: TypeAlias = Callable[[Any], None]


class Topology(Protocol):
    """Which server is asked what.

    Whatever is asked may be carried out twice: a link that was lost hasn't told whether it was.
    """

    @property
    def sharded(self) -> bool:
        """Whether keys are spread over servers, and live events go by sharded Pub/Sub."""
        ...

    @property
    def generation(self) -> int:
        """A number that grows whenever keys are elsewhere than before."""
        ...

    async def ask(self, command: Command) -> Any:
        """Return a command's reply.

        Raises:
            Unavailable: The server that has its keys is away, full or loading.
            CommandFailed: It refused the command.
        """
        ...

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return commands' replies in order, each refusal as an exception among them.

        Those in one slot are carried out in order.

        Raises:
            Unavailable: A server is away.
        """
        ...

    async def each(self, command: Command) -> list[tuple[str, Any]]:
        """Return each primary's name, and its reply to a command; refusals as exceptions.

        Raises:
            Unavailable: A server is away.
        """
        ...

    async def scan(self, cursor: bytes, match: str, count: int) -> tuple[bytes, list[bytes]]:
        """Return the next keys of a walk through all servers, and the cursor behind them.

        Args:
            cursor: `0` at the beginning, and returned at the end.
            match: A pattern.
            count: How many to look at, about.

        Raises:
            Unavailable: A server is away.
        """
        ...

    def home(self, name: str | bytes, /) -> str:
        """Return the name of the server that has a key or channel, as far as is known."""
        ...

    async def locate(self) -> None:
        """Find out anew where keys are.

        Raises:
            Unavailable: Nobody tells.
        """
        ...

    async def dedicated(
        self, name: str | bytes, /, hear: Hear | None, heard: Callable[[], None] | None
    ) -> Link:
        """Return a link of one's own to the server that has a key or channel; its replies may take for ever.

        Raises:
            Unavailable: That server is away, full or loading.
            CommandFailed: It refuses us.
        """
        ...

    async def aclose(self) -> None:
        """Close every link that is shared."""
        ...


class Single:
    """One server.

    Args:
        name: What it is called.
        connect: Makes a link to it.
    """

    sharded = False
    generation = 0

    def __init__(self, name: str, connect: Callable[..., Coroutine[Any, Any, Link]]) -> None:
        self._name = name
        self._connect = connect
        self._line = Line(connect)

    @classmethod
    def at(cls, address: Address, timeout: float) -> Single:
        """Return the one at an address.

        Args:
            address: The address.
            timeout: Seconds that a command may take.
        """

        async def connect(**how: Any) -> Link:
            return await Link.open(address, timeout=timeout, **how)

        return cls(address.name, connect)

    async def ask(self, command: Command) -> Any:
        """Return a command's reply, as `Topology` says."""
        line = self._line
        try:
            return await (line.living() or await line.open()).ask(command)
        except LinkLost as lost:
            return await self._ask_again(lost, lambda link: link.ask(command))

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return commands' replies, as `Topology` says."""
        line = self._line
        try:
            return await (line.living() or await line.open()).ask_all(commands)
        except LinkLost as lost:
            return await self._ask_again(lost, lambda link: link.ask_all(commands))

    async def _ask_again(self, lost: LinkLost, how: Callable[[Link], asyncio.Future[Any]]) -> Any:
        """Ask on other links, for a while: the one on which it was asked is lost."""
        for pause in PAUSES:
            # Who hasn't answered for as long as a command may take is asked no more.
            if self._line.closed or isinstance(lost.__cause__, TimeoutError):
                break
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            try:
                return await how(await self._line.open())
            except LinkLost as again:
                lost = again
        raise lost

    async def each(self, command: Command) -> list[tuple[str, Any]]:
        """Return its reply, as `Topology` says."""
        return [(self._name, reply) for reply in await self.ask_all([command])]

    async def scan(self, cursor: bytes, match: str, count: int) -> tuple[bytes, list[bytes]]:
        """Return the next keys, as `Topology` says."""
        cursor, found = await self.ask(["SCAN", cursor, "MATCH", match, "COUNT", count])
        return cursor, found

    def home(self, _: str | bytes, /) -> str:
        """Return its name."""
        return self._name

    async def locate(self) -> None:
        """Do nothing: all is here."""

    async def dedicated(
        self, _: str | bytes, /, hear: Hear | None, heard: Callable[[], None] | None
    ) -> Link:
        """Return a link of one's own, as `Topology` says."""
        return await self._connect(patient=True, hear=hear, heard=heard)

    async def aclose(self) -> None:
        """Close the shared link."""
        await self._line.aclose()
