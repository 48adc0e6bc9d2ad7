"""Agents that the product serves while it is measured."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

from a2a_streaming import Agent, Run, agent_card


class AnsweringAgent(Agent):
    """Answers at once: one artifact, and the end."""

    card = agent_card("answering")

    async def run(self, run: Run) -> None:
        """Answer."""
        await run.attach("answer", "Here it is.")
        await run.complete("Done")


class HoldingAgent(Agent):
    """Says so many things, and then holds its task open; the message is their number."""

    card = agent_card("holding")

    async def run(self, run: Run) -> None:
        """Hold."""
        for n in range(int(run.text)):
            await run.working(f"Step {n} of a longer story")
        await asyncio.sleep(250)


class PacingAgent(Agent):
    """Emits numbered events at a pace, once a file is there; the message says all three."""

    card = agent_card("pacing")

    async def run(self, run: Run) -> None:
        """Wait, then emit."""
        told = json.loads(run.text)
        while not Path(told["go"]).exists():  # noqa: ASYNC240 - a look, now and then
            await asyncio.sleep(0.02)
        for n in range(told["count"]):
            await run.working(f"seq={n:012d} ts={time.monotonic_ns():019d} and some words")
            await asyncio.sleep(told["pause"])
        await asyncio.sleep(1)
        await run.complete("Done")


class ChunkingAgent(Agent):
    """Streams an artifact in so many chunks; the message is their number."""

    card = agent_card("chunking")

    async def run(self, run: Run) -> None:
        """Stream."""
        async with run.artifact("answer") as answer:
            for n in range(int(run.text)):
                await answer.write(f"{n:06d} some words of an answer, as they come from a model ")
        await run.complete("Done")


class TellingAgent(Agent):
    """Streams an artifact at a pace.

    The message says in how many chunks of how many letters, the pause between them, after how long the first one
    comes, and for how long there may be more.
    """

    card = agent_card("telling")

    async def run(self, run: Run) -> None:
        """Stream, each task at a moment of its own."""
        told = json.loads(run.text)
        words = "some words of an answer, as they come from a model: token by token, one after another. "
        padding = (words * (1 + told["size"] // len(words)))[: told["size"]]
        await asyncio.sleep(told["after"] + told["pause"] * random.random())
        async with run.artifact("answer") as answer:
            end = time.monotonic() + told["seconds"]
            for n in range(told["count"]):
                await answer.write(f"{n:06d} {padding}")
                await asyncio.sleep(told["pause"])
                if time.monotonic() > end:
                    break
        await run.complete("Done")
