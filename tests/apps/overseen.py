"""An agent that does what its message says, and hands over what it is asked to."""

import asyncio

from a2a_streaming import Agent, Run, agent_card


class OverseenAgent(Agent):
    """`done`, `ask`, `fail`, or `hang` in the first attempt; anything else is echoed in chunks."""

    card = agent_card("overseen")

    async def run(self, run: Run) -> None:
        match run.text.split()[0]:
            case "ask":
                await run.input_required("And?")
            case "fail":
                await run.fail("it failed")
            case "hang":
                await run.step("looked", lambda: {"found": 1})
                await run.working("hanging")
                if run.attempt == 1:
                    await asyncio.Event().wait()
                await run.complete("at last")
            case _:
                async with run.artifact("echo") as echo:
                    await echo.write(run.text)
                    await echo.write("!")
                await run.complete("done")

    async def escalate(self, run: Run, reason: str) -> None:
        await run.input_required(f"handed over: {reason}")
