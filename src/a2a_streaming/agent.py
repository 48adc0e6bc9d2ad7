"""What an agent's author writes against: `Agent`, and the `Run` that is handed to it.

class Returns(Agent):
card = agent_card("returns", skills=[...])

async def run(self, run: Run) -> None:
order = await run.step("order", find_order, run.text)
await run.working(f"Found order {order['id']}")
async with run.artifact("label") as label:
async for chunk in render(order):
await label.write(chunk)
await run.complete("Your label is ready")
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from enum import StrEnum

from a2a.types import AgentCard

from a2a_streaming.errors import UnsupportedOperation
from a2a_streaming.run import Run


class Unwatched(StrEnum):
    """What happens to a run when nobody watches its task any more, on any process."""

    CARRY_ON = "carry on"
    """Nothing: the story is there for whoever comes back."""
    SLOW_DOWN = "slow down"
    """It emits at most one event in half a second, until somebody watches again."""
    CANCEL = "cancel"
    """The task ends as canceled."""


class Agent(ABC):
    """An agent: a card that says what it can do, and `run`, which does it.

    One object serves all tasks, so it keeps nothing of a task in itself: what a later turn must know
    goes into the task, as an artifact or as a status' metadata.
    """

    card: AgentCard
    """What the agent can do; made by `agent_card`."""
    extended_card: AgentCard | None = None
    """What is told of it to those who have signed in, if that is more than the card says."""
    unwatched: Unwatched = Unwatched.CARRY_ON
    """What happens to a run that nobody watches."""
    unwatched_seconds: float = 60.0
    """For how long nobody must have watched, before that happens."""
    resumable: bool = True
    """Whether a turn in which it has emitted may be run again when its process is gone.

    If not, such a task ends as failed and says so; it is given `A2A_CANCEL_SECONDS` to finish when its
    process drains."""
    may_answer_with_message: bool = False
    """Whether it may answer with a message and no task (`Run.answer`): what it sends first is held back
    until it is known which."""

    @property
    def name(self) -> str:
        """The agent's name in addresses and keys: the card's, in lower case, without `Agent`."""
        return slug(self.card.name)

    @abstractmethod
    async def run(self, run: Run) -> None:
        """Handle one message, and end the turn: by `complete`, `fail`, `reject` or `input_required`.

        Args:
            run: The message, the task so far, and the ways to answer.
        """

    @property
    def escalates(self) -> bool:
        """Whether it hands tasks over to people when somebody asks for that, by `escalate`."""
        return type(self).escalate is not Agent.escalate

    async def escalate(self, run: Run, reason: str) -> None:  # noqa: ARG002 - for who overrides it
        """Hand a task over to a person, because somebody who oversees it wants that; then end the turn.

        Called in the place of `run`, whatever the task was doing: in the turn that was interrupted for it or,
        if the task waits for its customer, once more in its latest one. The task's metadata say under
        `escalated` who wants it. Steps have names of their own here; what earlier steps came to, and what a
        dead attempt at this did, is as in `run`. An agent that doesn't override it isn't asked.

        Args:
            run: The turn, and the ways to answer; to be ended as in `run`.
            reason: Why, in words for the person.

        Raises:
            UnsupportedOperation: It can't.
        """
        raise UnsupportedOperation(
            f"The agent {self.name!r} hands nothing over to people: cancel the task instead."
        )

    async def cancel(self, run: Run) -> None:  # noqa: B027 - to have nothing to clean up is common
        """Clean up after a task that `run` doesn't end itself: canceled, failed, too slow. May do nothing.

        Called after the run has stopped, on any process, at least once; also for a task that waits for its
        customer when it is canceled. What the agent began elsewhere for the task, it ends here.

        Args:
            run: The latest turn; nothing more can be emitted.
        """


def slug(name: str) -> str:
    """Return an agent's name as addresses and keys spell it: `Billing Agent` → `billing`."""
    short = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removesuffix("-agent")
    return short or "agent"
