"""Reading one answer of the Messages API as it comes; pure.

The raw events are read here, not the SDK's folding of them: it takes a tool's input that breaks off for a whole
one, and hands on what a server says without looking at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from a2a_streaming.customer_service.claude.budget import Usage
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.prompt import Reply, ToolUse
from a2a_streaming.task import Json

_MAX_CHARACTERS = 64_000
"""The most characters of an answer; no `max_tokens` of ours allows as many."""
_GUESS = 3
"""Characters to a token, where an answer breaks off before its tokens are told."""


@dataclass(slots=True)
class _Block:
    kind: str
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list[str])


class AnswerReader:
    """Folds the events of one answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._begun = False
        self._ended = False
        self._stop = ""
        self._characters = 0
        self._counts: dict[str, int] = {}
        self._told_output = False

    def read(self, event: Any) -> str:
        """Take the next event.

        Args:
            event: The event (JSON).

        Returns:
            The piece of text that it adds to the answer; empty if it adds none.

        Raises:
            ClaudeFailed: It isn't what the API says.
        """
        try:
            return self._read(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ClaudeFailed(Reason.UNREADABLE, type(error).__name__) from error

    def _read(self, event: Any) -> str:
        match event["type"]:
            case "message_start":
                self._begun = True
                self._count(event["message"]["usage"])
            case "content_block_start":
                self._begin_block(event["index"], event["content_block"])
            case "content_block_delta":
                return self._add(self._blocks[event["index"]], event["delta"])
            case "message_delta":
                self._stop = str(event["delta"].get("stop_reason") or "")
                self._count(event["usage"])
                self._told_output = True
            case "message_stop":
                self._ended = self._begun
            case _:  # pings, and what later versions add
                pass
        return ""

    def _begin_block(self, index: int, block: dict[str, Any]) -> None:
        kind = block["type"]
        if kind == "tool_use":
            self._blocks[index] = _Block(kind, str(block["id"]), str(block["name"]))
        else:
            self._blocks[index] = _Block(kind)

    def _add(self, block: _Block, delta: dict[str, Any]) -> str:
        match delta:
            case {"type": "text_delta", "text": str(piece)} if block.kind == "text":
                told = piece
            case {"type": "input_json_delta", "partial_json": str(piece)}:
                told = ""
            case _:
                return ""
        self._characters += len(piece)
        if self._characters > _MAX_CHARACTERS:
            raise ClaudeFailed(Reason.UNREADABLE, "too long")
        block.pieces.append(piece)
        return told

    def _count(self, usage: dict[str, Any]) -> None:
        """Take counts; each is of the whole answer so far, and those that aren't told stand."""
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
        ):
            if (count := usage.get(name)) is not None:
                self._counts[name] = max(0, int(count))

    @property
    def begun(self) -> bool:
        """Whether the answer has begun, and so costs something."""
        return self._begun

    @property
    def usage(self) -> Usage:
        """What the answer has cost so far; guessed where it broke off before it told."""
        output = self._counts.get("output_tokens", 0)
        if not self._told_output:
            output = max(output, self._characters // _GUESS)
        return Usage(
            self._counts.get("input_tokens", 0),
            self._counts.get("cache_creation_input_tokens", 0),
            self._counts.get("cache_read_input_tokens", 0),
            output,
        )

    def reply(self) -> Reply:
        """Return the whole answer.

        Raises:
            ClaudeFailed: It broke off, the model would not give it, or a tool's input is no JSON object.
        """
        if not self._ended:
            raise ClaudeFailed(Reason.CUT)
        if self._stop == "refusal":
            raise ClaudeFailed(Reason.DECLINED)
        if self._stop not in ("end_turn", "tool_use", "stop_sequence"):
            raise ClaudeFailed(Reason.UNREADABLE, f"it stopped by {self._stop[:32] or 'nothing'}")
        blocks = [block for _, block in sorted(self._blocks.items())]
        return Reply(
            "".join(piece for block in blocks if block.kind == "text" for piece in block.pieces),
            tuple(_use(block) for block in blocks if block.kind == "tool_use"),
            self._stop,
            self.usage,
        )


def _use(block: _Block) -> ToolUse:
    try:
        told: Any = orjson.loads("".join(block.pieces) or "{}")
    except orjson.JSONDecodeError as error:
        raise ClaudeFailed(Reason.UNREADABLE, "a tool's input is no JSON") from error
    if not isinstance(told, dict):
        raise ClaudeFailed(Reason.UNREADABLE, "a tool's input is no object")
    return ToolUse(block.id, block.name, cast("Json", told))
