"""An agent that takes its time, for processes that are replaced meanwhile: it refunds, and goes on telling how it waits."""

import asyncio
import time

from a2a_streaming import Agent, Run, agent_card
from apps.refunding import pay, receipt


class RolledAgent(Agent):
    """Refunds, and stays for a while; the message is `<seconds> <amount>`."""

    card = agent_card("rolled")

    async def run(self, run: Run) -> None:
        seconds, amount = run.text.split()
        end: float = await run.step("end", lambda: time.time() + float(seconds))
        await run.working(f"Refunding {amount} cents")
        paid = await run.step("refund", pay, run.task_id, int(amount))
        tick = 0
        while time.time() < end:
            await run.working(f"tick {tick}")
            tick += 1
            await asyncio.sleep(0.25)
        async with run.artifact("receipt") as paper:
            for line in receipt(paid["amount"], paid["paidAt"]):
                await paper.write(line)
        await run.complete(f"Refunded {amount} cents")
