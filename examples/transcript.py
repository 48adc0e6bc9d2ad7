"""A specialist that watches upstream: it follows the customer's task, by the contract that customers use.

    cd examples
    TRANSCRIPT_OF=http://127.0.0.1:8000 a2a-streaming serve transcript:TranscriptAgent --port 8011
    A2A_AGENTS=http://127.0.0.1:8011 a2a-streaming up

The Intent Agent tells its specialists whose request they see to: `parent` in the message's metadata names the
customer's task and where it is found. The specialist's acting token opens it, for it names the same customer.
A message's metadata are its sender's word, so the address must be one that the operator has named: else
anybody could have the token sent to a server of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.client import Client

PARENTS = tuple(os.environ.get("TRANSCRIPT_OF", "http://127.0.0.1:8000").split(","))
"""Where customers' tasks may be watched."""


class TranscriptAgent(Agent):
    """Writes down what was said in a conversation, up to the request for it."""

    card = agent_card(
        "transcript",
        description="Writes down the conversation so far.",
        skills=[
            {
                "id": "transcript",
                "name": "A transcript",
                "description": "Writes down what was said in this conversation.",
                "tags": ["transcript"],
                "examples": [
                    "Send me a transcript of this conversation",
                    "Write down what we have said",
                    "I'd like this chat in writing",
                ],
            }
        ],
    )

    async def run(self, run: Run) -> None:
        """Follow the customer's task until it tells of this one."""
        match run.message.get("metadata", {}).get("parent"):
            case {"task": str(task), "url": str(url)} if url in PARENTS:
                pass
            case _:
                await run.reject("I write down conversations with our Intent Agent alone.")
                return
        await run.working("Reading the conversation")
        async with (
            Client(url, token=await run.acting_token()) as client,
            aclosing(client.resubscribe(task)) as events,
            run.artifact("transcript") as transcript,
        ):
            # The stream tells what follows on the first message; that one stands in the task.
            [opening, *_] = (await client.get(task, history_length=1000))["history"]
            for line in spoken(opening):
                await transcript.write(f"{line}\n")
            async for event in events:
                if event.data.get("metadata", {}).get("delegate", {}).get("task") == run.task_id:
                    break  # here we came in
                for line in spoken(event.data.get("status", {}).get("message") or {}):
                    await transcript.write(f"{line}\n")
        await run.complete("Here is what was said until now.")


def spoken(said: dict[str, Any]) -> Iterator[str]:
    """Return what a message adds to the transcript, line by line.

    Args:
        said: A message (first dialect).
    """
    who = "You" if said.get("role") == "user" else "We"
    for part in said.get("parts", ()):
        if "text" in part:
            yield f"{who}: {part['text']}"
