"""A webhook on the loopback, which notes what it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming.push import POSITION_HEADER
from conftest import serving
from tasks import until


@dataclass
class Receiver:
    """A webhook that notes what it is told, and fails as often as it is asked to."""

    url: str = ""
    failing: int = 0
    taken: list[tuple[str, dict[str, str], Any]] = field(
        default_factory=list[tuple[str, dict[str, str], Any]]
    )

    async def __call__(self, request: Request) -> Response:
        body = json.loads(await request.body())
        if self.failing:
            self.failing -= 1
            return Response(status_code=503)
        headers = dict(request.headers)
        self.taken.append((headers[POSITION_HEADER.lower()], headers, body))
        return Response(status_code=204)

    @property
    def words(self) -> list[str]:
        """What was said in the statuses that were told."""
        said = [
            body["statusUpdate"]["status"] for _, _, body in self.taken if "statusUpdate" in body
        ]
        return ["".join(p["text"] for p in s["message"]["parts"]) for s in said]

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


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Serve a webhook."""
    taking = Receiver()
    app = Starlette(routes=[Route("/hook", taking.__call__, methods=["POST"])])
    async with serving(app) as running:
        taking.url = f"{running.url}/hook"
        yield taking
