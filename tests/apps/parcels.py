"""A specialist for parcels that waits in the middle, until a file lets it go on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from a2a_streaming import Agent, Run, agent_card

GATE = Path(os.environ.get("PARCELS_GATE", "gate"))


class ParcelsAgent(Agent):
    card = agent_card(
        "parcels",
        description="Finds parcels.",
        skills=[
            {
                "id": "find_parcel",
                "name": "Find a parcel",
                "description": "Tells where a parcel is.",
                "tags": ["parcel"],
                "examples": ["Where is my parcel?", "My parcel hasn't come"],
            }
        ],
    )

    async def run(self, run: Run) -> None:
        await run.step("begun", lambda: None)
        await run.working("Looking for it")
        async with run.artifact("route") as route:
            for stop in ("depot", "ship"):
                await route.write(f"{stop}, ")
            while not await asyncio.to_thread(GATE.exists):
                await asyncio.sleep(0.02)
            for stop in ("truck", "your door"):
                await route.write(f"{stop}, ")
        await run.complete("Found")
