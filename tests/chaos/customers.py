"""Customers: they send, watch over real HTTP, and come back through whichever front lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from a2a_streaming.position import Position
from a2a_streaming.sse import Decoder
from apps.ticking import Tick, tick_of

_NOT_FOUND = -32001
_ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Told:
    """One event that a customer was told.

    Args:
        at: When, by the monotonic clock.
        position: Where it stands.
        data: What it says.
    """

    at: float
    position: str
    data: dict[str, Any]

    @property
    def epoch(self) -> int:
        """The epoch under which it was written."""
        return Position.parse(self.position).epoch

    @property
    def text(self) -> str:
        """The words that its status carries; empty without."""
        said = self.data.get("status", {}).get("message") or {}
        return "".join(part.get("text", "") for part in said.get("parts", ()))


class Customer:
    """Sends one message, or only watches, until the task has ended.

    Until it was told something it sends its message again, which joins; then it resubscribes with
    the last position.

    Args:
        http: An HTTP client.
        fronts: The fronts that live now.
        task: The task.
        text: What to say; None for one who only watches.
    """

    def __init__(
        self,
        http: httpx2.AsyncClient,
        fronts: Callable[[], Sequence[str]],
        task: str,
        text: str | None,
    ) -> None:
        self._http = http
        self._fronts = fronts
        self.task = task
        self.text = text
        self.told: list[Told] = []
        self.over = False
        """Whether it was told the task's end."""
        self.tick = Tick(0, 0)
        """The latest tick that it was told, of an agent that ticks."""
        self.streams = 0
        """Streams that were opened for it."""
        self.resets = 0
        self.doing = "nothing yet"
        """What it does, for who wonders why it doesn't end."""
        self.retry: int | None = None
        """Milliseconds that it was told to wait before it comes back."""
        self.refusals: list[str] = []
        """Errors that a client can't make up for by trying again."""

    async def follow(self) -> None:
        """Watch to the end, over any number of connections."""
        while not self.over and len(self.refusals) < _ENOUGH:
            if fronts := self._fronts():
                with contextlib.suppress(httpx2.TransportError):  # the next one will do
                    await self._connect(random.choice(fronts))
            if not self.over:
                await asyncio.sleep(random.uniform(0.05, 0.2))

    async def _connect(self, url: str) -> None:
        headers: dict[str, str] = {}
        params: dict[str, Any] = {"id": self.task}
        if self.told:
            headers["Last-Event-ID"] = self.told[-1].position
        sends = self.text is not None and not self.told
        if sends:
            params["message"] = {"role": "user", "parts": [{"type": "text", "text": self.text}]}
        method = "tasks/sendSubscribe" if sends else "tasks/resubscribe"
        body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
        async with self._http.stream("POST", f"{url}/", json=body, headers=headers) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                self._refused(response.status_code, await response.aread())
                return
            self.streams += 1
            self.doing = "reading"
            decoder = Decoder()
            async for chunk in response.aiter_raw():
                for frame in decoder.feed(chunk):
                    self._hear(frame.id, json.loads(frame.data))
                self.retry = decoder.retry or self.retry

    def _hear(self, position: str, data: dict[str, Any]) -> None:
        self.told.append(Told(time.monotonic(), position, data))
        self.resets += "reset" in data.get("metadata", {})
        self.over = self.over or data.get("final") is True
        if (tick := tick_of(self.told[-1].text)).pid:
            self.tick = tick

    def _refused(self, status: int, body: bytes) -> None:
        if status == 503:
            return  # asked to come back
        code = json.loads(body).get("error", {}).get("code")
        early = code == _NOT_FOUND and self.text is None and not self.told
        if not early:
            self.refusals.append(f"{status} {body[:200].decode()}")
