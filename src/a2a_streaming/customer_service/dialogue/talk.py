"""The conversation with a customer: how specialists show progress, ask, and answer.

Whatever a flow tells the customer goes through here, so another way of wording takes this one's place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from a2a_streaming import Run
from a2a_streaming.artifact import ArtifactStream
from a2a_streaming.customer_service import company
from a2a_streaming.customer_service.claude.assistant import Assistant
from a2a_streaming.customer_service.dialogue.earlier import outcome
from a2a_streaming.customer_service.dialogue.wish import CONFIRM, Choice, Pending
from a2a_streaming.customer_service.records import Customer
from a2a_streaming.customer_service.replies import money
from a2a_streaming.event import data_part
from a2a_streaming.task import HANDOVER, Json

T = TypeVar("T")

KEY = "pending"
"""Where what the customer was asked stands in the task's metadata."""
STEP = "step"
"""Where a status names the step that an agent is at."""


class Talk:
    """One turn of a conversation.

    Args:
        run: The turn.
        customer: Whose it is.
        flow: The flow's name.
        assistant: Claude's part in it.
    """

    def __init__(self, run: Run, customer: Customer, flow: str, assistant: Assistant) -> None:
        self.run = run
        self.customer = customer
        self.flow = flow
        self._assistant = assistant
        self._shown: list[str] = []
        self._acted = False
        self._changed = False
        self.about: Mapping[str, Any] = {}
        """What is known of the customer's wish; what it is about is told with the last word."""

    def money(self, cents: int) -> str:
        """Return an amount in the customer's currency."""
        return money(cents, self.customer.currency)

    async def progress(self, step: str, text: str) -> None:
        """Show what is being done.

        Args:
            step: The step's name, for pages.
            text: The same in words for the customer.
        """
        await self.run.working(text, metadata={STEP: step})

    async def ask(
        self,
        slot: str,
        question: str,
        slots: Mapping[str, Any],
        *,
        choices: Sequence[Choice] = (),
        schema: Json | None = None,
        facts: Json | None = None,
    ) -> None:
        """Ask the customer for something, in words and as a form, and end the turn.

        Args:
            slot: What for.
            question: The question.
            slots: What is known so far.
            choices: The answers that there are; none for an answer of their own.
            schema: The answer's JSON schema; by default one of the choices, or a text.
            facts: What pages may show beside it.
        """
        lines = "".join(f"\n- {choice.label}" for choice in choices)
        field: Json = schema or {"type": "string"}
        if choices and schema is None:
            field["oneOf"] = [{"const": choice.value, "title": choice.label} for choice in choices]
        told: Json = {
            "question": slot,
            "form": {
                "type": "object",
                "title": question,
                "properties": {slot: field},
                "required": [slot],
            },
            **(facts or {}),
        }
        if choices:
            told["choices"] = [choice.value for choice in choices]
        kept = {key: value for key, value in slots.items() if key not in (CONFIRM, slot)}
        pending = Pending(self.flow, slot, kept, tuple(choices))
        worded = await self._word(question, lines)
        await self.run.input_required(
            f"{worded}{lines}", data_part(told), metadata=self._metadata({KEY: pending.to_json()})
        )

    async def confirm(self, question: str, slots: Mapping[str, Any], facts: Json) -> None:
        """Ask the customer whether something is to be done, and end the turn; in these very words.

        Args:
            question: What is to be done, and what it costs.
            slots: What is known: all that is needed to do it.
            facts: What pages may show beside it: the quote.
        """
        told: Json = {
            "question": CONFIRM,
            "form": {
                "type": "object",
                "title": question,
                "properties": {CONFIRM: {"type": "boolean", "title": "Go ahead?"}},
                "required": [CONFIRM],
            },
            "choices": ["yes", "no"],
            **facts,
        }
        pending = Pending(self.flow, CONFIRM, slots)
        await self.run.input_required(
            f"{question} (yes or no)",
            data_part(told),
            metadata=self._metadata({KEY: pending.to_json()}),
        )

    async def effect(
        self, name: str, kind: type[T], function: Callable[..., Awaitable[T]], *args: Any
    ) -> T:
        """Have an effect on a system of record, once, with the step's key.

        Args:
            name: The step's name.
            kind: The result's class.
            function: What has the effect; it takes an `idempotency_key`.
            args: Its other arguments.

        Returns:
            What it returned, in this attempt or in an earlier one.
        """
        self._acted = True
        codec = TypeAdapter(kind)

        async def once(*, idempotency_key: str) -> Any:
            done = await function(*args, idempotency_key=idempotency_key)
            return codec.dump_python(done, mode="json")

        result = codec.validate_python(await self.run.step(name, once))
        self._changed = True
        return result

    def artifact(self, name: str, description: str) -> ArtifactStream:
        """Open an artifact that is sent in chunks."""
        return self.run.artifact(name, description=description)

    async def show(self, name: str, description: str, text: str, facts: Json) -> None:
        """Show something: in words, and as data.

        Args:
            name: The artifact's name.
            description: What it is.
            text: The words.
            facts: The data; the customer's currency is added.
        """
        self._shown.append(text)
        told = data_part({**facts, "currency": self.customer.currency})
        await self.run.attach(name, text, told, description=description)

    async def done(self, text: str, *, metadata: Json | None = None) -> None:
        """Say the last word, and end the task."""
        await self._end(await self._word(text, *self._shown), metadata)

    async def unable(self, text: str) -> None:
        """Say what can't be done here and where it can, and end the task."""
        await self.done(f"{text} If you need help with it, {company.CONTACT}.")

    async def hand_over(self) -> None:
        """Say that a person must see to it, and end the task."""
        text = f"That is for a colleague. If nobody answers you here, {company.CONTACT}."
        metadata = self._metadata({HANDOVER: {"reason": "requested"}})
        await self.run.complete(text, metadata=metadata)

    async def leave(self) -> None:
        """Say that nothing was done, because the customer wants it so, and end the task."""
        text = "All right, I have left everything as it is."
        await self._end(text)

    async def _end(self, text: str, metadata: Json | None = None) -> None:
        """End the task; who sees to the customer's next wish is told what this one was about."""
        told = outcome(self.flow, self.about, done=self._changed)
        parts = [data_part(told)] if told is not None else []
        await self.run.complete(text, *parts, metadata=self._metadata(metadata))

    async def _word(self, text: str, *shown: str) -> str:
        """Return an answer as it is to be said; what was done is told as it is."""
        return text if self._acted else await self._assistant.word(text, shown)

    def _metadata(self, metadata: Json | None = None) -> Json:
        return {**(metadata or {}), **self._assistant.metadata}
