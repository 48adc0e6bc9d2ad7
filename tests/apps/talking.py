"""An agent that talks as much as it is asked to."""

from a2a_streaming import Agent, Run, agent_card


class TalkingAgent(Agent):
    """Sends so many chunks of 300 bytes."""

    card = agent_card("talking")

    async def run(self, run: Run) -> None:
        async with run.artifact("talk") as talk:
            for _ in range(int(run.text)):
                await talk.write("x" * 300)
        await run.complete()
