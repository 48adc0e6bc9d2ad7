"""An agent that asks for a seat by a form, and takes words as well."""

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.event import data_part

FORM = {
    "type": "object",
    "title": "Which seat?",
    "properties": {
        "seat": {
            "type": "string",
            "oneOf": [{"const": "12A", "title": "by the window"}, {"const": "12C"}],
        }
    },
    "required": ["seat"],
}


class SeatsAgent(Agent):
    """`fail` fails; everything else is about seats."""

    card = agent_card("seats")

    async def run(self, run: Run) -> None:
        if run.text == "fail":
            await run.fail("No seats")
        elif run.data and "seat" in run.data:
            await run.complete(f"You have {run.data['seat']}")
        elif run.text.startswith("any"):
            await run.complete("You have one")
        else:
            await run.working("Looking at the plan", metadata={"step": "plan"})
            async with run.artifact("plan") as plan:
                for row in ("12A ", "12C"):
                    await plan.write(row)
            await run.input_required("Which seat?", data_part({"question": "seat", "form": FORM}))
