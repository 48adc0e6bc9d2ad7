"""A cluster: each command goes to the primary that has its slot, and follows the slot when that moves.

The map of slots is what some server of the cluster tells. It is asked for anew whenever a server is away or sends us
elsewhere. What is asked together is split by server, and asked of all of them at once.

Source: Redis Cluster Specification, "Redirection and resharding".
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from a2a_streaming.backbone.address import Address, Place
from a2a_streaming.backbone.line import Line
from a2a_streaming.backbone.link import Command, CommandFailed, Link, LinkLost, Redirected
from a2a_streaming.backbone.slots import SLOTS, slot_of, slot_of_key
from a2a_streaming.backbone.topology import PAUSES, Hear
from a2a_streaming.errors import Unavailable

_LOOK_SECONDS = 1.0
"""For so long a server that is asked for the map may keep silent."""
_HOPS = 8
"""How often a command is sent elsewhere at once; after that with pauses, as the cluster doesn't agree yet."""
_SLOT_PAUSE = 0.02
"""Seconds before a command is asked again whose keys are on their way."""
_PASSING = ("CLUSTERDOWN", "LOADING", "MASTERDOWN")


class _Server:
    """One server of the cluster.

    Args:
        address: Where it is.
        timeout: Seconds that a command may take.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self.address = address
        self.name = address.name
        self.line = Line(partial(Link.open, address, timeout=timeout))

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return replies in order; if the server is away, why, for each."""
        try:
            return await (self.line.living() or await self.line.open()).ask_all(commands)
        except Unavailable as away:
            return [away] * len(commands)


class Cluster:
    """A cluster.

    Args:
        place: Some of its servers, and how to sign in at all.
        timeout: Seconds that a command may take.
    """

    sharded = True

    def __init__(self, place: Place, timeout: float) -> None:
        self._place = place
        self._timeout = timeout
        self._servers: dict[str, _Server] = {}
        self._slots: list[_Server | None] = [None] * SLOTS
        self._replicas: list[Address] = []
        self._looking: asyncio.Task[None] | None = None
        self._knows: _Server | None = None
        """Who has just been named as a slot's new server: it knows more than others yet."""
        self._closed = False
        self.generation = 0

    # What is asked.

    async def ask(self, command: Command) -> Any:
        """Return a command's reply, as `Topology` says."""
        slot = slot_of(command)
        server = self._slots[slot] if slot is not None else None
        reply: Any = None
        if server is not None and (link := server.line.living()) is not None:
            try:
                return await link.ask(command)
            except Unavailable as refused:
                reply = refused
        [reply] = await self._carry_out([command], [reply])
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Return commands' replies, as `Topology` says."""
        return await self._carry_out(commands, [None] * len(commands))

    async def _carry_out(self, commands: Sequence[Command], replies: list[Any]) -> list[Any]:
        """Ask, and ask again what was sent elsewhere or wasn't answered, for a while.

        Args:
            commands: What to ask.
            replies: For each None; or why it wasn't carried out.
        """
        slots = [slot_of(command) for command in commands]
        common = next((slot for slot in slots if slot is not None), None)
        slots = [common if slot is None else slot for slot in slots]
        patience = _Patience(self._timeout)
        todo = list(range(len(commands)))
        if replies[0] is not None:
            todo = await self._mend(todo, slots, replies, patience)
        while todo:
            sent: dict[tuple[_Server, bool], list[int]] = {}
            for n in todo:
                before = replies[n]
                asking = isinstance(before, Redirected) and before.kind == "ASK"
                server = (
                    self._server_at(self._elsewhere(before, slots[n]))
                    if asking
                    else await self._server_of(slots[n])
                )
                sent.setdefault((server, asking), []).append(n)
            batches = [
                self._ask_one(server, [commands[n] for n in numbers], asking=asking)
                for (server, asking), numbers in sent.items()
            ]
            told = [await batches[0]] if len(batches) == 1 else await asyncio.gather(*batches)
            for numbers, batch in zip(sent.values(), told, strict=True):
                for n, reply in zip(numbers, batch, strict=True):
                    replies[n] = reply
            todo = await self._mend(todo, slots, replies, patience)
        return replies

    async def _ask_one(
        self, server: _Server, commands: Sequence[Command], *, asking: bool
    ) -> list[Any]:
        if not asking:
            return await server.ask_all(commands)
        replies = await server.ask_all([part for one in commands for part in (["ASKING"], one)])
        return replies[1::2]

    async def _mend(
        self,
        todo: Sequence[int],
        slots: Sequence[int | None],
        replies: Sequence[Any],
        patience: _Patience,
    ) -> list[int]:
        """Do something about refusals, and return what to ask again; nothing when patience is over.

        What stands behind a refused command, in the same slot, is asked again with it: so their order stays.
        """
        again: list[int] = []
        behind = set[int | None]()
        refusals: list[Unavailable] = []
        for n in todo:
            reply = replies[n]
            if isinstance(reply, Unavailable) and _passes(reply):
                refusals.append(reply)
                behind.add(slots[n])
                if isinstance(reply, Redirected) and reply.kind == "MOVED":
                    self._knows = self._server_at(self._elsewhere(reply, slots[n]))
                    self._slots[reply.slot] = self._knows
                    self.generation += 1
            elif slots[n] not in behind:
                continue
            again.append(n)
        if not again:
            return []
        looking: asyncio.Task[None] | None = None
        if any(not isinstance(one, Redirected) or one.kind == "MOVED" for one in refusals):
            looking = self._look_anew()
        if self._closed or not await patience.bear(refusals):
            return []
        if looking is not None and any(not isinstance(one, Redirected) for one in refusals):
            await asyncio.wait({looking})
        return again

    def _elsewhere(self, asked: Redirected, slot: int | None) -> Address:
        server = self._slots[slot] if slot is not None else None
        host = asked.host or (server.address.host if server else self._place.seeds[0].host)
        return self._place.primary.at(host, asked.port)

    async def _server_of(self, slot: int | None) -> _Server:
        server = self._slots[slot] if slot is not None else self._any()
        if server is None:
            await self.locate()
            server = self._slots[slot] if slot is not None else self._any()
        if server is None:
            raise LinkLost(ConnectionError(f"no server has slot {slot}"))
        return server

    def _any(self) -> _Server | None:
        return next((one for one in self._primaries() if one.line.living() is not None), None) or (
            next(iter(self._primaries()), None)
        )

    def _primaries(self) -> list[_Server]:
        return sorted({one for one in self._slots if one is not None}, key=lambda one: one.name)

    async def each(self, command: Command) -> list[tuple[str, Any]]:
        """Return each primary's reply, as `Topology` says."""
        await self.locate()
        servers = self._primaries()
        replies = await asyncio.gather(*(server.ask_all([command]) for server in servers))
        return [(one.name, reply) for one, [reply] in zip(servers, replies, strict=True)]

    async def scan(self, cursor: bytes, match: str, count: int) -> tuple[bytes, list[bytes]]:
        """Return the next keys, as `Topology` says; those of a slot that moves meanwhile may be missed, or come twice."""
        name, _, at = cursor.decode().rpartition(" ")
        if not name:
            await self.locate()
        # One that is no primary any more is left out: the next one follows.
        left = [one for one in self._primaries() if one.name >= name]
        found: list[bytes] = []
        for server in left:
            [reply] = await server.ask_all(
                [["SCAN", at if server.name == name else "0", "MATCH", match, "COUNT", count]]
            )
            if isinstance(reply, Exception):
                raise reply
            found += reply[1]
            if reply[0] != b"0":
                return f"{server.name} ".encode() + reply[0], found
            if len(found) >= count and server is not left[-1]:
                return f"{server.name}\0 0".encode(), found  # the name that would be next
        return b"0", found

    def home(self, name: str | bytes, /) -> str:
        """Return the server's name that has a key or channel; empty if none is known."""
        server = self._slots[slot_of_key(name)]
        return server.name if server is not None else ""

    async def dedicated(
        self, name: str | bytes, /, hear: Hear | None, heard: Callable[[], None] | None
    ) -> Link:
        """Return a link of one's own, as `Topology` says."""
        await self.locate()
        server = await self._server_of(slot_of_key(name))
        return await Link.open(
            server.address, timeout=self._timeout, patient=True, hear=hear, heard=heard
        )

    # Where the slots are.

    async def locate(self) -> None:
        """Ask for the map of slots anew; whoever asks meanwhile waits for the same answer.

        Raises:
            Unavailable: No server tells.
            CommandFailed: They refuse us, or are no cluster.
        """
        await asyncio.shield(self._look_anew())

    def _look_anew(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="look for Redis' slots")
            self._looking.add_done_callback(_heard)
        return self._looking

    async def _look(self) -> None:
        last: Exception = LinkLost(ConnectionError("the store is closed"))
        doubtful: tuple[Any, Address] | None = None
        for server in self._to_ask():
            if self._closed:
                break
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    info, slots = await server.ask_all([["CLUSTER", "INFO"], ["CLUSTER", "SLOTS"]])
            except (TimeoutError, CommandFailed) as error:
                last = LinkLost(error) if isinstance(error, TimeoutError) else error
                continue
            if isinstance(slots, Exception):
                last = slots
            elif isinstance(info, bytes) and b"cluster_state:ok" not in info:
                # It may be cut off from the others: they know better.
                doubtful = doubtful or (slots, server.address)
            else:
                self._take(slots, server.address)
                return
        if doubtful is None:
            raise last
        self._take(*doubtful)

    def _to_ask(self) -> Iterator[_Server]:
        """Go through the servers that may know: those with a link first, then the others, then the ones we began with."""
        if self._knows is not None:
            yield self._knows
            self._knows = None
        known = self._primaries()
        random.shuffle(known)
        yield from sorted(known, key=lambda one: one.line.living() is None)
        for address in [*self._place.seeds, *self._replicas]:
            yield self._server_at(address)

    def _server_at(self, address: Address) -> _Server:
        server = self._servers.get(address.name)
        if server is None:
            server = self._servers[address.name] = _Server(address, self._timeout)
        return server

    def _take(self, told: Any, by: Address) -> None:
        slots: list[_Server | None] = [None] * SLOTS
        self._replicas = []
        for first, last, *those in told:
            addresses = [
                self._place.primary.at(one[0].decode() if one[0] else by.host, one[1])
                for one in those
            ]
            slots[first : last + 1] = [self._server_at(addresses[0])] * (last + 1 - first)
            self._replicas += addresses[1:]
        if slots != self._slots:
            self.generation += 1
        self._slots = slots
        used = {one.name for one in slots if one is not None}
        for name in [name for name in self._servers if name not in used]:
            self._servers.pop(name).line.drop()

    async def aclose(self) -> None:
        """Close every link that is shared."""
        self._closed = True
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.wait({self._looking})
        for server in self._servers.values():
            await server.line.aclose()


class _Patience:
    """For how long one goes on asking.

    Args:
        timeout: Seconds for which keys may be on their way.
    """

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self._hops = 0
        self._pauses = iter(PAUSES)

    async def bear(self, refusals: Sequence[Unavailable]) -> bool:
        """Wait as long as is fit; say whether to ask again.

        Args:
            refusals: Why commands weren't carried out.
        """
        if any(not isinstance(one, Redirected) for one in refusals):
            pause = next(self._pauses, None)
            # Who hasn't answered for as long as a command may take is asked no more.
            if pause is None or any(isinstance(one.__cause__, TimeoutError) for one in refusals):
                return False
        elif any(isinstance(one, Redirected) and one.kind == "TRYAGAIN" for one in refusals):
            pause = _SLOT_PAUSE
        else:
            self._hops += 1
            pause = 0.0 if self._hops < _HOPS else _SLOT_PAUSE
        if time.monotonic() + pause > self._until:
            return False
        if pause:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        return True


def _passes(refused: Unavailable) -> bool:
    """Say whether it may be otherwise in a moment, or elsewhere."""
    return isinstance(refused, LinkLost | Redirected) or str(refused.__cause__).startswith(_PASSING)


def _heard(looked: asyncio.Task[None]) -> None:
    if not looked.cancelled():
        looked.exception()
