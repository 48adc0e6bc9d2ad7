"""What is asked of Claude, and what it answers: plain values, without the SDK's types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from a2a_streaming.customer_service.claude.budget import Usage
from a2a_streaming.task import Json

ANY = "any"
"""Forces the use of a tool, whichever."""
_CACHED: Json = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A form that the model may fill in.

    Args:
        name: Its name.
        description: What it is for, in words for the model.
        schema: The form's JSON schema, an object's.
    """

    name: str
    description: str
    schema: Json

    def to_json(self) -> Json:
        """Return it as the Messages API has it."""
        return {"name": self.name, "description": self.description, "input_schema": self.schema}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A form that the model has filled in; as little to be trusted as any other input.

    Args:
        id: The use's id, which its result names.
        name: The tool's name, as the model says it.
        input: What it filled in.
    """

    id: str
    name: str
    input: Json


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request.

    What is the same in every request of its kind, system and tools, comes first and is cached; what differs,
    the day, the customer and their words, stands in the messages.

    Args:
        purpose: What it is for, in a word, for logs and metrics.
        system: The instructions.
        messages: The messages, as the Messages API has them.
        tools: The forms that the model may fill in.
        forced: The tool that it must use, or `ANY`; empty: none must be.
        max_tokens: The most tokens of the answer.
    """

    purpose: str
    system: str
    messages: Sequence[Json]
    tools: Sequence[Tool] = ()
    forced: str = ""
    max_tokens: int = 1024

    def to_json(self, model: str) -> Json:
        """Return the request's body.

        The API caches tools, system and messages in that order: a mark on the system covers the tools, too.
        A model that thinks can't be forced to use a tool, and thinking is time in which a customer waits.

        Args:
            model: The model's name.
        """
        body: Json = {
            "model": model,
            "max_tokens": self.max_tokens,
            "system": [{"type": "text", "text": self.system, "cache_control": _CACHED}],
            "messages": list(self.messages),
            "thinking": {"type": "disabled"},
        }
        if self.tools:
            body["tools"] = [tool.to_json() for tool in self.tools]
        if self.forced:
            choice = {"type": ANY} if self.forced == ANY else {"type": "tool", "name": self.forced}
            body["tool_choice"] = {**choice, "disable_parallel_tool_use": True}
        return body

    @property
    def size(self) -> int:
        """How many bytes it has: by which its tokens are guessed before it is sent."""
        return len(orjson.dumps(self.to_json("")))


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer to a request.

    Args:
        text: What the model said.
        uses: The forms that it filled in, in order.
        stop: Why it stopped, as the API says it.
        usage: What it cost in tokens.
    """

    text: str = ""
    uses: Sequence[ToolUse] = ()
    stop: str = ""
    usage: Usage = field(default_factory=Usage)

    def to_message(self) -> Json:
        """Return it as the assistant's turn in a conversation that goes on."""
        content: list[Any] = [{"type": "text", "text": self.text}] if self.text.strip() else []
        content += [
            {"type": "tool_use", "id": use.id, "name": use.name, "input": use.input}
            for use in self.uses
        ]
        return {"role": "assistant", "content": content}
