"""An agent that notes on disk what it does, and waits there for leave to go on."""

import asyncio
import os
from pathlib import Path

from a2a_streaming import Agent, Run, agent_card

NOTES = Path(os.environ.get("STEPPING_NOTES", "notes"))


def note(word: str) -> str:
    """Append a word to the notes."""
    with NOTES.open("a") as notes:
        notes.write(f"{word}\n")
    return word


class SteppingAgent(Agent):
    """Does one step, waits, does another."""

    card = agent_card("stepping")

    async def run(self, run: Run) -> None:
        await run.step("first", note, "first")
        async with run.artifact("words") as words:
            await words.write(f"attempt {run.attempt} ")
            await run.working("Waiting for leave")
            while not await asyncio.to_thread(NOTES.with_suffix(".leave").exists):
                await asyncio.sleep(0.02)
            await words.write("went on")
        await run.step("second", note, "second")
        await run.complete("Done")
