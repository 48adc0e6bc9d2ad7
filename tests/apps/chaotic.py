"""An agent that does what the message's plan says, well or badly; each event says who wrote it, and as which."""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.errors import RunEnded
from a2a_streaming.task import State
from apps.refunding import pay, receipt


class Voice:
    """Marks what one execution of `run` says: `~<execution> <number from 0> <process> <attempt>~`.

    Args:
        run: The run.
        size: Bytes of filling.
    """

    def __init__(self, run: Run, size: int) -> None:
        self._who = secrets.token_hex(4)
        self._attempt = run.attempt
        self._filling = "x" * size
        self._count = 0

    def next(self, words: str = "") -> str:
        """What is said next."""
        number, self._count = self._count, self._count + 1
        return f"~{self._who} {number} {os.getpid()} {self._attempt}~ {words}{self._filling}"


async def stream(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Say so many things, each after a pause."""
    for _ in range(plan["events"]):
        await run.working(voice.next())
        await asyncio.sleep(plan["pause"])
    await run.complete(voice.next())


async def burst(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Send an artifact as fast as it goes, several times with rests between."""
    for number in range(plan.get("artifacts", 1)):
        async with run.artifact(f"burst-{number}") as paper:
            for _ in range(0 if paper.finished else plan["events"]):
                await paper.write(voice.next())
        await asyncio.sleep(plan["pause"])
    await run.complete(voice.next())


async def pays(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Pay once, and show a receipt."""
    await run.working(voice.next("Paying"))
    paid = await run.step("refund", pay, run.task_id, plan["amount"])
    async with run.artifact("receipt") as paper:
        for line in receipt(paid["amount"], paid["paidAt"]):
            await paper.write(line)
    await run.complete("Paid")


async def raises(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Fail in the midst of it."""
    for _ in range(plan["events"]):
        await run.working(voice.next())
    raise LookupError("as planned")


async def hangs(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Say something, then nothing for ever."""
    await run.working(voice.next())
    await asyncio.Event().wait()


async def late(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Go on after the end, from another task, too."""
    await run.working(voice.next())
    await run.complete(voice.next())

    async def strays() -> None:
        for _ in range(3):
            try:
                await run.working(voice.next("late"))
            except RunEnded:
                await asyncio.sleep(0.01)

    await asyncio.gather(strays(), strays())


async def blocks(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Block the event loop for a while."""
    await run.working(voice.next())
    time.sleep(plan["pause"])  # this is the fault
    await run.complete(voice.next())


async def asks(run: Run, voice: Voice, plan: dict[str, Any]) -> None:
    """Ask the customer, and end with what they say."""
    if run.found is State.SUBMITTED:
        await run.working(voice.next())
        await run.input_required(voice.next("Shall I?"))
    else:
        await run.complete(voice.next(run.text))


_DOES: dict[str, Callable[[Run, Voice, dict[str, Any]], Awaitable[None]]] = {
    "stream": stream,
    "burst": burst,
    "pay": pays,
    "raise": raises,
    "hang": hangs,
    "late": late,
    "block": blocks,
    "ask": asks,
}


class ChaoticAgent(Agent):
    """Follows the plan that the task's first message gives in JSON."""

    card = agent_card("chaotic")

    async def run(self, run: Run) -> None:
        plan: dict[str, Any] = (
            orjson.loads(run.text) if run.text.startswith("{") else {"do": "ask", "size": 0}
        )
        await _DOES[plan["do"]](run, Voice(run, plan.get("size", 0)), plan)
