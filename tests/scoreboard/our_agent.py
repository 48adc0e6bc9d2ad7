"""The agent that ticks, for this project's servers: `a2a-streaming serve scoreboard.our_agent:TickingAgent`."""

from __future__ import annotations

import asyncio

from a2a_streaming import Agent, Run, agent_card


class TickingAgent(Agent):
    """Ticks: so many chunks, so many seconds apart, each padded to so many bytes."""

    card = agent_card("ticking")

    async def run(self, run: Run) -> None:
        """Tick."""
        _, count, pause, size = run.text.split()
        await run.working()
        async with run.artifact("ticks") as ticks:
            for number in range(1, int(count) + 1):
                await asyncio.sleep(float(pause))
                await ticks.write(f"tick {number};".ljust(int(size), "-"))
        await run.complete()
