"""A customer who talks with an agent, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jsonschema

from a2a_streaming.client import Client, StreamEvent
from customer_service.platforms import artifact, story, text_of


@dataclass
class Turn:
    """What an agent said and showed in one turn."""

    events: list[StreamEvent]

    @property
    def state(self) -> str | None:
        return self.events[-1].state

    @property
    def text(self) -> str:
        return text_of(self.events[-1])

    @property
    def data(self) -> dict[str, Any]:
        """The data beside the question."""
        parts = self.events[-1].data["status"]["message"]["parts"]
        return next(part["data"] for part in parts if part["type"] == "data")

    @property
    def steps(self) -> list[str]:
        """The steps that it has shown."""
        metadata = [e.data.get("metadata", {}) for e in self.events if e.kind == "status"]
        return [told["step"] for told in metadata if "step" in told]

    def shown(self, name: str) -> tuple[str, dict[str, Any]]:
        return artifact(self.events, name)


class Customer:
    """A customer in one task."""

    def __init__(self, client: Client, task: str = "t1") -> None:
        self._client = client
        self._task = task
        self._after: str | None = None

    async def says(self, text: str) -> Turn:
        return await self._sends(text)

    async def fills(self, **fields: Any) -> Turn:
        """Answer by a form's fields."""
        return await self._sends({"role": "user", "parts": [{"type": "data", "data": fields}]})

    async def asked(self, text: str) -> Turn:
        """Say something that is answered by a question, whose form is a JSON schema."""
        turn = await self.says(text)
        assert turn.state == "input-required", turn.text
        form = turn.data["form"]
        jsonschema.Draft202012Validator.check_schema(form)
        assert form["required"] == [turn.data["question"]]
        return turn

    async def _sends(self, message: str | dict[str, Any]) -> Turn:
        turn = Turn(await story(self._client, self._task, message, after=self._after))
        self._after = turn.events[-1].position
        return turn
