"""A new specialist: takes goods back. The platform learns of it by its address alone.

    cd examples
    a2a-streaming serve returns:ReturnsAgent --port 8010
    A2A_AGENTS=http://127.0.0.1:8010 a2a-streaming up

The Intent Agent reads the card below: what customers may say is in the skills' examples, so they are
sentences as customers write them.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.event import data_part

_ORDER = re.compile(r"\b\d{4,8}\b")
_DAYS = 30


class ReturnsAgent(Agent):
    """Makes a label with which a customer sends goods back."""

    card = agent_card(
        "returns",
        description="Takes goods back: makes the label, and says what happens then.",
        skills=[
            {
                "id": "return_goods",
                "name": "Send goods back",
                "description": "Makes a label with which the customer sends an order back.",
                "tags": ["return", "send back", "exchange"],
                "examples": [
                    "I want to return my shoes",
                    "Send order 4711 back",
                    "The jacket doesn't fit, how do I send it back?",
                    "I need a return label",
                ],
            }
        ],
    )

    async def run(self, run: Run) -> None:
        """Handle one message: make the label or, without an order's number, ask for it."""
        found = _ORDER.search(run.text)
        if found is None:
            form = {
                "type": "object",
                "properties": {"order": {"type": "string", "pattern": _ORDER.pattern}},
                "required": ["order"],
            }
            await run.input_required("What is the order's number?", data_part({"schema": form}))
            return
        await run.working(f"Looking at order {found[0]}")
        # What decides the way is kept as a step: another attempt tomorrow prints the same date.
        until = await run.step("until", _last_day)
        async with run.artifact("label", description="Your return label") as label:
            for line in (f"Return of order {found[0]}", "Meridian Goods, Dock 7", f"By {until}"):
                await label.write(f"{line}\n")
        await run.complete(f"Stick the label on the parcel, and post it by {until}.")


def _last_day() -> str:
    return (date.today() + timedelta(_DAYS)).isoformat()
