"""A platform with a specialist that waits in the middle of an answer, in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from conversations.platforms import PlatformProcess
from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from processes import free_port, started

HALF = "depot, ship, "
WHOLE = "depot, ship, truck, your door, "


@dataclass
class Parcels:
    """The platform, and what lets its specialist go on.

    Args:
        platform: The platform.
        gate: The file that the specialist waits for.
    """

    platform: PlatformProcess
    gate: Path

    @property
    def url(self) -> str:
        """The platform's address."""
        return self.platform.url

    def let_on(self) -> None:
        """Let the specialist go on."""
        self.gate.touch()


@asynccontextmanager
async def parcels(stage: Stage, directory: Path) -> AsyncIterator[Parcels]:
    """Run both.

    Args:
        stage: What the platform stands on.
        directory: For the files.
    """
    port, gate = free_port(), directory / "gate"
    serving = started(
        *("serve", "apps.parcels:ParcelsAgent", "--port", str(port)),
        data_dir=directory / "parcels",
        port=port,
        PARCELS_GATE=str(gate),
        A2A_REDIS_URL=stage.redis_url,
        A2A_KEY_PREFIX=f"parcels-{port}:",
    )
    await asyncio.to_thread(serving.__enter__)
    try:
        async with stage.platform(
            CONVERSATIONS["balance"],
            "sqlite",
            "offline",
            directory,
            A2A_AGENTS=f"http://127.0.0.1:{port}",
        ) as (platform, _):
            yield Parcels(platform, gate)
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
