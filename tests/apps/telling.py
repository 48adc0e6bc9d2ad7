"""An agent that says what it is given, a word at a time."""

import asyncio

from a2a_streaming import Agent, Run, agent_card


class TellingAgent(Agent):
    """Says each word when it is given it, and ends with an empty one."""

    card = agent_card("telling")

    def __init__(self) -> None:
        self.words = asyncio.Queue[str]()

    async def run(self, run: Run) -> None:
        while word := await self.words.get():
            await run.working(word)
        await run.complete("That was it")
