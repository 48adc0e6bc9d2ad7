"""A process that ends doesn't send all its clients to the others at once."""

from __future__ import annotations

import asyncio

import httpx2

from a2a_streaming import create_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from agents import Scripted, echo
from conftest import serving
from streams import message, request


class Noted:
    """A stream that notes when it is ended.

    Args:
        ends: Where; the time and its own number.
        number: Its number.
    """

    def __init__(self, ends: list[tuple[float, int]], number: int) -> None:
        self._ends = ends
        self._number = number

    def stop(self, why: str) -> None:
        """Note it."""
        assert why == "drain"
        self._ends.append((asyncio.get_running_loop().time(), self._number))


async def test_streams_are_told_goodbye_one_after_the_other_and_in_no_order() -> None:
    ends: list[tuple[float, int]] = []
    node = Node([], Settings(goodbye_seconds=0.3), role="front")
    for number in range(300):
        node.track(Noted(ends, number))
    await node.drain()
    numbers = [number for _, number in ends]
    assert sorted(numbers) == [*range(300)]
    assert numbers != sorted(numbers)
    assert len({at for at, _ in ends}) > 2
    late = Noted(ends, 300)
    node.track(late)
    assert ends[-1][1] == 300, "who comes while it ends is sent on at once"


async def test_each_stream_is_told_another_time_to_wait_before_it_comes_back(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    spread = settings.model_copy(update={"retry_ms": 500, "retry_spread_ms": 10_000})
    told: list[int | None] = []
    async with serving(create_app(Scripted(echo), settings=spread)) as served:
        for number in range(4):
            decoder = Decoder()
            body = request("tasks/sendSubscribe", f"t{number}", message("hello"))
            async with http.stream("POST", f"{served.url}/", json=body) as response:
                async for chunk in response.aiter_raw():
                    decoder.feed(chunk)
            told.append(decoder.retry)
    assert all(wait is not None and 500 <= wait <= 10_500 for wait in told)
    assert len(set(told)) > 1
