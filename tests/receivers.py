"""Webhooks on the loopback, which note what they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming.push import ID_HEADER, POSITION_HEADER
from conftest import serving
from tasks import until


@dataclass
class Receiver:
    """A webhook that notes what it is told; it fails as often as it is asked to, or holds its answers back."""

    url: str = ""
    failing: int = 0
    status: int = 503
    """What it fails with."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """What its failures carry."""
    holding: asyncio.Event | None = None
    """Answers are held back until this is set."""
    tried: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    """Id and body of each request, whatever came of it."""
    taken: list[tuple[str, dict[str, str], Any]] = field(
        default_factory=list[tuple[str, dict[str, str], Any]]
    )

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        headers = dict(request.headers)
        self.tried.append((headers[ID_HEADER.lower()], body))
        if self.holding is not None:
            await self.holding.wait()
        if self.failing:
            self.failing -= 1
            return Response(status_code=self.status, headers=self.headers)
        self.taken.append((headers.get(POSITION_HEADER.lower(), ""), headers, json.loads(body)))
        return Response(status_code=204)

    @property
    def words(self) -> list[str]:
        """What was said in the statuses that were told."""
        said = [
            body["statusUpdate"]["status"] for _, _, body in self.taken if "statusUpdate" in body
        ]
        return ["".join(p["text"] for p in s["message"]["parts"]) for s in said]

    @property
    def ids(self) -> list[str]:
        """The ids of what was taken."""
        return [headers[ID_HEADER.lower()] for _, headers, _ in self.taken]

    @property
    def offsets(self) -> list[int]:
        """Where in their logs the events that were taken stand."""
        return [int(position.partition("-")[2]) for position, _, _ in self.taken]

    @property
    def states(self) -> list[str]:
        """The states that were told, in any version."""
        told = [body.get("statusUpdate") or body.get("task") or body for _, _, body in self.taken]
        said = [one["status"]["state"] for one in told if "status" in one]
        return [state.removeprefix("TASK_STATE_").lower() for state in said]

    async def until_completed(self) -> None:
        """Wait until it was told that its task has completed."""

        async def is_told() -> bool:
            return "completed" in self.states

        await until(is_told)

    async def until(self, count: int) -> None:
        """Wait until so many events were taken."""

        async def is_there() -> bool:
            return len(self.taken) >= count

        await until(is_there)

    async def until_tried(self, count: int) -> None:
        """Wait until so many requests have come."""

        async def is_there() -> bool:
            return len(self.tried) >= count

        await until(is_there)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Serve a webhook."""
    taking = Receiver()
    app = Starlette(routes=[Route("/hook", taking.__call__, methods=["POST"])])
    async with serving(app) as running:
        taking.url = f"{running.url}/hook"
        try:
            yield taking
        finally:
            if taking.holding is not None:
                taking.holding.set()
