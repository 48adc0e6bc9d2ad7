"""An agent that doesn't stop when it is told to."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from a2a_streaming import Agent, Run, agent_card


def block_until_there(path: Path) -> None:
    """Block the event loop until a file is there, and swallow every attempt to end that."""
    there = False
    while not there:
        with suppress(BaseException):
            time.sleep(0.01)
            there = path.exists()


class StubbornAgent(Agent):
    """Says on standard output that it begins, and then holds on, whatever is raised in it.

    The message says how: `hold`, waiting, for ever; `block <path>`, blocking the event loop until a file
    is there.
    """

    card = agent_card("stubborn")

    async def run(self, run: Run) -> None:
        how, _, path = run.text.partition(" ")
        print("holding on", flush=True)
        while how == "hold":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        block_until_there(Path(path))
        await run.complete("Let go")
