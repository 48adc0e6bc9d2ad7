"""An agent that logs as programs do, and raises what its customer has said."""

import logging

from a2a_streaming import Agent, Run, agent_card

_log = logging.getLogger("blurting")


def think(text: str) -> None:
    """Say in a thread what it does, without its customer's words; at debug with them."""
    _log.warning("thinking")
    _log.debug("thinking of %s", text)


class BlurtingAgent(Agent):
    """Thinks, and fails."""

    card = agent_card("blurting")

    async def run(self, run: Run) -> None:
        await run.step("think", think, run.text)
        try:
            int(run.text)
        except ValueError as error:
            raise ExceptionGroup(run.text, [KeyError(run.text)]) from error
