"""An application as a user would write it, for servers that tests start as processes of their own."""

from a2a_streaming import Agent, Run, agent_card, create_app


class GreetingAgent(Agent):
    """Greets, or asks whom."""

    card = agent_card("greeting", skills=[{"id": "greet", "name": "Greet", "tags": ["hello"]}])

    async def run(self, run: Run) -> None:
        if run.text == "ask":
            await run.input_required("Whom?")
            return
        await run.working("Looking for words")
        async with run.artifact("greeting") as greeting:
            for word in ("Hello", ", ", run.text, "!"):
                await greeting.write(word)
        await run.complete("That was it")


app = create_app(GreetingAgent())
