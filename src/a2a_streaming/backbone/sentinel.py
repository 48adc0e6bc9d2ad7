"""The primary that sentinels know: asked for at each connecting, and left when they name another.

Source: Redis' "Guidelines for Redis clients with support for Redis Sentinel".
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any, cast

from a2a_streaming.backbone.address import Address, Place
from a2a_streaming.backbone.line import Line
from a2a_streaming.backbone.link import CommandFailed, Link, LinkLost
from a2a_streaming.backbone.topology import Single
from a2a_streaming.errors import Unavailable

_LOOK_SECONDS = 1.0
"""How often they are asked whether the primary is still the same; and for how long they may keep silent."""


class Sentinel(Single):
    """One server: the one that most sentinels call the primary of a service.

    A link to a server that they don't name any more is cut: it may be the old primary that doesn't know yet, and
    what it was told would be lost.

    Args:
        place: The sentinels, and the service.
        timeout: Seconds that a command may take.
    """

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__(place.shown, self._to_primary)
        self._place = place
        self._timeout = timeout
        patience = min(timeout, _LOOK_SECONDS)
        self._asked = [Line(partial(Link.open, seed, timeout=patience)) for seed in place.seeds]
        self._links: list[tuple[str, Link]] = []
        self._watching: asyncio.Task[None] | None = None

    async def _to_primary(self, **how: Any) -> Link:
        address = await self._primary()
        link = await Link.open(address, timeout=self._timeout, **how)
        try:
            async with asyncio.timeout(self._timeout):  # a patient link has none of its own
                await self._prove(address, link)
        except TimeoutError as error:
            link.abort()
            raise LinkLost(error) from error
        except BaseException:
            link.abort()
            raise
        self._links = [(name, one) for name, one in self._links if not one.ended.done()]
        self._links.append((address.name, link))
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="watch the sentinels")
        return link

    async def _prove(self, address: Address, link: Link) -> None:
        with contextlib.suppress(CommandFailed):  # a user may be forbidden to ask
            role = await link.ask(["ROLE"])
            if role[0] != b"master":
                raise LinkLost(ConnectionError(f"{address.name} isn't the primary, or not yet"))

    async def _primary(self) -> Address:
        """Return where the primary is: of what most of them say, the latest."""
        told = await self.told("MASTER", enough=len(self._asked) // 2 + 1)
        found = [fields for fields in map(fields_of, told) if "ip" in fields]
        if not found:
            refused = next((one for one in told if isinstance(one, CommandFailed)), None)
            if refused is not None:
                raise refused
            raise LinkLost(ConnectionError("no sentinel answers"))
        latest = max(found, key=lambda fields: int(fields.get("config-epoch", "0")))
        return self._place.primary.at(latest["ip"], int(latest["port"]))

    async def told(self, what: str, *, enough: int | None = None) -> list[Any]:
        """Return what sentinels say of the service; an exception for each that doesn't.

        Args:
            what: SENTINEL's subcommand.
            enough: How many answers to wait for; None for all.
        """
        asking = [asyncio.ensure_future(self._ask_one(line, what)) for line in self._asked]
        told: list[Any] = []
        try:
            for one in asyncio.as_completed(asking):
                told.append(await one)
                if sum(not isinstance(reply, Exception) for reply in told) == enough:
                    break
        finally:
            for one in asking:
                one.cancel()
        return told

    async def _ask_one(self, line: Line, what: str) -> Any:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                link = line.living() or await line.open()
                return await link.ask(["SENTINEL", what, self._place.service])
        except (Unavailable, CommandFailed, TimeoutError) as error:
            return error

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(Unavailable, CommandFailed):
                now = (await self._primary()).name
                for name, link in self._links:
                    if name != now:
                        link.abort(ConnectionError(f"the primary is {now} now, not {name}"))

    async def aclose(self) -> None:
        """Close every link that is shared."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await super().aclose()
        for line in self._asked:
            await line.aclose()


def fields_of(told: Any) -> dict[str, str]:
    """Return a flat list of names and values as fields; none if it is something else.

    Args:
        told: The list.
    """
    if not isinstance(told, list):
        return {}
    texts = [part.decode(errors="replace") for part in cast("list[bytes]", told)]
    return dict(zip(texts[::2], texts[1::2], strict=True))
