"""Detection by Claude: one call with a forced tool, whose answer is checked like any other input.

What the customer says is data: it stands alone in a delimited user message, and all that the model can
do with it is to fill in the tool's form. When the call fails, for whatever reason, another detector reads
the message instead, and the reading says so, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from a2a_streaming.customer_service.claude import (
    Claude,
    ClaudeFailed,
    Ledger,
    Prompt,
    Reason,
    Tool,
)
from a2a_streaming.customer_service.claude.budget import Purse
from a2a_streaming.customer_service.claude.quoting import RULE, quote
from a2a_streaming.customer_service.detection.offline import OfflineDetector
from a2a_streaming.customer_service.detection.reading import (
    HUMAN,
    OUT_OF_SCOPE,
    SMALLTALK,
    Detector,
    Intent,
    Reading,
    Specialist,
)

_TOOL = "tell_intents"
_NONE = "none"
"""What the tool says where no specialist is due: an enumeration that names everything is kept to best."""
_MAX_TOKENS = 512
_INSTRUCTIONS = f"""\
You read messages to a company's customer service and tell what the customer wants, with the tool.

- One intent for each thing that the customer wants, in the order in which to see to it; mostly it is one.
- `route` is the specialist whose skills cover it; `{HUMAN}` if the customer asks for a person; `{_NONE}` \
for small talk and for what no specialist covers.
- `intent` is a short name in snake case: the skill's id where one fits; {", ".join(sorted(SMALLTALK))} \
for small talk; {OUT_OF_SCOPE} for what is none of ours.
- `confidence` is how sure you are, from 0 to 1. Be honest: below 0.5 the customer is asked what they mean.
- `text`, if there are several: the part of the message that asks for this one, copied word for word.
- `alternatives` are what the customer may mean instead, the most probable first; leave them out if you are sure.
- {RULE}
"""


class _ToldIntent(BaseModel):
    intent: str = Field(pattern=r"^[a-z0-9_]{1,64}$")
    confidence: float = Field(ge=0, le=1)
    route: str
    text: str = ""


class _Told(BaseModel):
    intents: list[_ToldIntent] = Field(min_length=1, max_length=8)
    alternatives: list[_ToldIntent] = Field(default=[], max_length=8)


class ClaudeDetector:
    """Reads intents with Claude.

    Args:
        claude: Claude.
        fallback: Reads the message when Claude can't; the offline detector by default.
    """

    def __init__(self, claude: Claude, *, fallback: Detector | None = None) -> None:
        self._claude = claude
        self._fallback: Detector = fallback if fallback is not None else OfflineDetector()

    async def aclose(self) -> None:
        """Close what the fallback holds open; Claude is closed by whoever made it."""
        await self._fallback.aclose()

    async def detect(
        self, text: str, routes: Sequence[Specialist], *, ledger: Ledger | None = None
    ) -> Reading:
        """Read a message.

        Args:
            text: What the customer says.
            routes: The specialists that there are.
            ledger: What the task has spent on models; by default this reading has a budget of its own.
        """
        try:
            return await self._ask(text, routes, ledger if ledger is not None else Purse())
        except ClaudeFailed as failed:
            read = await self._fallback.detect(text, routes)
            return replace(read, reason=failed.reason.value)

    async def _ask(self, text: str, routes: Sequence[Specialist], ledger: Ledger) -> Reading:
        names = [specialist.name for specialist in routes]
        prompt = Prompt(
            "intent",
            f"{_INSTRUCTIONS}\nThe specialists:\n{_describe(routes)}",
            [{"role": "user", "content": quote(text)}],
            tools=[
                Tool(_TOOL, "Tells what the customer wants and who sees to it.", _schema(names))
            ],
            forced=_TOOL,
            max_tokens=_MAX_TOKENS,
        )
        reply = await self._claude.ask(prompt, ledger)
        for use in reply.uses:
            if use.name == _TOOL:
                return _check(use.input, names, text)
        raise ClaudeFailed(Reason.UNREADABLE, "it didn't use the tool")


def _check(told: Any, names: Sequence[str], text: str) -> Reading:
    """Read the tool's input; intents with a route that there isn't are dropped.

    Raises:
        ClaudeFailed: It isn't what the schema asks for, or nothing is left.
    """
    try:
        checked = _Told.model_validate(told)
    except ValidationError as error:
        raise ClaudeFailed(Reason.UNREADABLE, "not by the schema") from error
    routes = {name: name for name in (*names, HUMAN)} | {_NONE: None}
    several = len(checked.intents) > 1
    intents, alternatives = (
        tuple(
            Intent(
                item.intent,
                item.confidence,
                routes[item.route],
                _copied(item.text, text) if several else "",
            )
            for item in items
            if item.route in routes
        )
        for items in (checked.intents, checked.alternatives)
    )
    if not intents:
        raise ClaudeFailed(Reason.UNREADABLE, "no route that there is")
    return Reading(intents, "claude", alternatives=alternatives)


def _copied(told: str, text: str) -> str:
    """Return a part of the customer's text; empty if they didn't say it: specialists are told their words alone."""
    words = " ".join(told.split())
    return words if words and words in " ".join(text.split()) else ""


def _schema(names: Sequence[str]) -> dict[str, object]:
    properties: dict[str, object] = {
        "intent": {"type": "string", "description": "What is wanted, in snake case."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "route": {"type": "string", "enum": [*names, HUMAN, _NONE]},
        "text": {"type": "string", "description": "The customer's words for it, copied."},
    }
    required = ["intent", "confidence", "route"]
    item = {"type": "object", "properties": properties, "required": required}
    return {
        "type": "object",
        "properties": {
            "intents": {"type": "array", "minItems": 1, "items": item},
            "alternatives": {"type": "array", "items": item},
        },
        "required": ["intents"],
    }


def _describe(routes: Sequence[Specialist]) -> str:
    lines: list[str] = []
    for specialist in routes:
        lines.append(f"- {specialist.name}: {specialist.description}")
        for skill in specialist.skills:
            examples = "; ".join(skill.examples[:5])
            lines.append(f"  - {skill.id}: {skill.description} For example: {examples}")
    return "\n".join(lines) or "- (none is there now)"
