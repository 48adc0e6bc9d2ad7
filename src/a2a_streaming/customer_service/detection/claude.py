"""Detection by Claude: one call with a forced tool, whose answer is checked like any other input.

What the customer says is data: it stands alone in a delimited user message, and all that the model can
do with it is to fill in the tool's form. When the call fails, for whatever reason, another detector reads
the message instead, and the reading says so, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    SPEAK_TO_HUMAN,
    Detector,
    Intent,
    Reading,
    Specialist,
)

_TOOL = "tell_intents"
_NONE = "none"
"""What the tool says where no specialist is due: an enumeration that names everything is kept to best."""
_MAX_TOKENS = 800
_MOST = 8
"""Intents of one message."""
_INSTRUCTIONS = f"""\
You read messages to a company's customer service and tell what the customer wants, with the tool.

- One intent for each thing that the customer wants, in the order in which to see to it; mostly it is one. Who \
wants the same of two things wants two, so an intent may come again: to cancel a flight and a hotel, to refund two fees.
- `route` is the specialist whose skills cover it; `{HUMAN}` if the customer asks for a person; `{_NONE}` \
for small talk and for what no specialist covers.
- `intent` is the skill's id, of that specialist; {SPEAK_TO_HUMAN} for `{HUMAN}`; \
{", ".join(sorted(SMALLTALK))} for small talk; {OUT_OF_SCOPE} for what is none of ours.
- `confidence` is how sure you are, from 0 to 1. Be honest: below 0.5 the customer is asked what they mean.
- `text`, if there are several: the customer's words that ask for this one, in their order. You may leave words \
out, but add and change none: of "cancel my flight to Rome and my hotel" they are "cancel my flight to Rome", and \
"cancel my hotel".
- `alternatives` are what the customer may mean instead, the most probable first; leave them out if you are sure.
- {RULE}
"""


class _ToldIntent(BaseModel):
    intent: str
    confidence: float = Field(ge=0, le=1)
    route: str
    text: str = ""


class _Told(BaseModel):
    intents: list[_ToldIntent] = Field(min_length=1, max_length=_MOST)
    alternatives: list[_ToldIntent] = Field(default=[], max_length=_MOST)


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
        intents = _intents(routes)
        prompt = Prompt(
            "intent",
            f"{_INSTRUCTIONS}\nThe specialists:\n{_describe(routes)}",
            [{"role": "user", "content": quote(text)}],
            tools=[
                Tool(_TOOL, "Tells what the customer wants and who sees to it.", _schema(intents))
            ],
            forced=_TOOL,
            max_tokens=_MAX_TOKENS,
        )
        reply = await self._claude.ask(prompt, ledger)
        for use in reply.uses:
            if use.name == _TOOL:
                return _check(use.input, intents, text)
        raise ClaudeFailed(Reason.UNREADABLE, "it didn't use the tool")


def _intents(routes: Sequence[Specialist]) -> dict[str, tuple[str, ...]]:
    """Return what each route can be wanted for, as the tool names both."""
    return {specialist.name: specialist.intents for specialist in routes} | {
        HUMAN: (SPEAK_TO_HUMAN,),
        _NONE: (*sorted(SMALLTALK), OUT_OF_SCOPE),
    }


def _check(told: Any, known: Mapping[str, Sequence[str]], text: str) -> Reading:
    """Read the tool's input; what has a route that there isn't, or one that isn't its own, is dropped.

    Raises:
        ClaudeFailed: It isn't what the schema asks for, or nothing is left.
    """
    try:
        checked = _Told.model_validate(told)
    except ValidationError as error:
        raise ClaudeFailed(Reason.UNREADABLE, "not by the schema") from error
    several = len(checked.intents) > 1
    intents, alternatives = (
        tuple(
            Intent(
                item.intent,
                item.confidence,
                item.route if item.route != _NONE else None,
                _copied(item.text, text) if several else "",
            )
            for item in items
            if item.intent in known.get(item.route, ())
        )
        for items in (checked.intents, checked.alternatives)
    )
    if not intents:
        raise ClaudeFailed(Reason.UNREADABLE, "no intent of a route that there is")
    return Reading(intents, "claude", alternatives=alternatives)


def _copied(told: str, text: str) -> str:
    """Return words of the customer's, in their order; none if one isn't theirs: specialists are told no others."""
    said = text.split()
    rest = iter(map(_bare, said))
    words = told.split()
    return " ".join(words) if all(_bare(word) in rest for word in words) else ""


def _bare(word: str) -> str:
    """Return a word without what ends a sentence: where words were left out, another one may end."""
    return word.strip(",.;:!?").lower() or word


def _schema(known: Mapping[str, Sequence[str]]) -> dict[str, object]:
    intents = list(dict.fromkeys(intent for names in known.values() for intent in names))
    properties: dict[str, object] = {
        "intent": {"type": "string", "enum": intents, "description": "What is wanted."},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "route": {"type": "string", "enum": list(known)},
        "text": {"type": "string", "description": "The customer's own words for it."},
    }
    required = ["intent", "confidence", "route"]
    item = {"type": "object", "properties": properties, "required": required}
    return {
        "type": "object",
        "properties": {
            "intents": {
                "type": "array",
                "minItems": 1,
                "maxItems": _MOST,
                "items": item,
                "description": "All that is wanted, in order; an intent may come again, with its own words.",
            },
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
