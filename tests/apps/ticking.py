"""An agent that says who it is, again and again, until it is told to end."""

import asyncio
import os
import re
from pathlib import Path
from typing import NamedTuple

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.errors import Fenced, RunEnded

_ENOUGH = 2000
_SAYS = re.compile(r"attempt (\d+) pid (\d+) ")


class Tick(NamedTuple):
    """Who ticked: the attempt and the process; both 0 if nobody did."""

    attempt: int
    pid: int


def tick_of(text: str) -> Tick:
    """Read what a tick says."""
    said = _SAYS.match(text)
    return Tick(int(said[1]), int(said[2])) if said else Tick(0, 0)


class TickingAgent(Agent):
    """Ticks each so many seconds until a file is there; the message gives both, `<seconds> <path>`.

    Each tick tells the attempt and the process. What stops it is told on standard output.
    """

    card = agent_card("ticking")

    async def run(self, run: Run) -> None:
        pause, path = run.text.split(" ", 1)
        leave = Path(path)
        doing = "writing"
        try:
            for n in range(_ENOUGH):
                doing = "writing"
                await run.working(f"attempt {run.attempt} pid {os.getpid()} tick {n}")
                doing = "waiting"
                if await asyncio.to_thread(leave.exists):
                    break
                await asyncio.sleep(float(pause))
            await run.complete(f"attempt {run.attempt} pid {os.getpid()} done")
        except (Fenced, RunEnded, asyncio.CancelledError) as error:
            print(f"stopped {run.task_id} {doing} {type(error).__name__}", flush=True)
            raise
