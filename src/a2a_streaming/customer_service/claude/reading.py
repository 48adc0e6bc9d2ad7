"""What a customer wants of a specialist, read out of their words: a request, and what they said of it.

The model may look things up in the systems of record, as its customer alone, and then fills in one of the forms
that say what can be asked for. It can't do anything: the specialist's own flow goes on from the form, as it does
from what was read offline: it checks each slot, quotes, and asks the customer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from a2a_streaming.customer_service.claude.api import Claude
from a2a_streaming.customer_service.claude.budget import Ledger
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.prompt import ANY, Prompt, Reply, Tool, ToolUse
from a2a_streaming.customer_service.claude.quoting import RULE, quote, quote_data
from a2a_streaming.customer_service.records import RecordsError
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_ROUNDS = 4
"""Requests for one reading: in the last one a form must be filled in."""
_LOOKUPS = 4
"""Lookups of one answer that are carried out."""
_MAX_TOKENS = 600
_LONGEST = 1000
"""Characters of a slot's text."""
_MAX_RESULT = 6000

Look = Callable[[Mapping[str, str]], Awaitable[Any]]
"""Looks something up, for the customer whose turn it is; changes nothing."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Something that the model may look up.

    Args:
        name: Its name.
        description: What it tells, in words for the model.
        look: Looks it up.
        needs: What must be given, by name: what it is, in words for the model.
    """

    name: str
    description: str
    look: Look
    needs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def tool(self) -> Tool:
        """The form of it."""
        properties = {name: {"type": "string", "description": d} for name, d in self.needs.items()}
        schema: Json = {"type": "object", "properties": properties, "required": list(self.needs)}
        return Tool(self.name, self.description, schema)


@dataclass(frozen=True, slots=True)
class Request:
    """Something that a customer can ask a specialist for.

    Args:
        name: Its name.
        description: What it is, in words for the model.
        slots: What may be said of it: for each slot its JSON schema.
    """

    name: str
    description: str
    slots: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def tool(self) -> Tool:
        """The form of it."""
        told = f"The customer wants: {self.description} It only asks for it; it changes nothing."
        return Tool(self.name, told, {"type": "object", "properties": dict(self.slots)})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a customer wants, as it was read; to be checked like what anybody else says.

    Args:
        name: What: one of the requests.
        slots: What they said of it, each by its slot's schema.
    """

    name: str
    slots: Json


@dataclass(frozen=True, slots=True)
class Menu:
    """What a specialist can be asked for, and what may be looked up before.

    Args:
        name: The specialist.
        requests: What can be asked for.
        lookups: What may be looked up; their names and descriptions are the same for every customer.
    """

    name: str
    requests: Sequence[Request]
    lookups: Sequence[Lookup] = ()

    @property
    def tools(self) -> list[Tool]:
        """All the forms."""
        return [one.tool for one in (*self.lookups, *self.requests)]

    @property
    def instructions(self) -> str:
        """What the model is told before everything else; the same for every customer."""
        return (
            f"You read what customers write to the {self.name} desk of a company, and fill in the form of "
            f"what they want: one of {', '.join(one.name for one in self.requests)}.\n\n"
            "- Fill in one form, once. If they want several things, take the first. Look things up before, "
            "but only what you need to understand the customer, such as which booking they mean.\n"
            "- Fill in only what the customer said, in this message or before. Leave out what they didn't "
            "say: they are asked for it. Guess nothing.\n"
            "- If they answer a question that they were asked, fill in the form of that request, with the "
            "answer.\n"
            "- `earlier` in the data is what came of the customer's other wishes in the same message, before this "
            "one. It tells which booking, invoice or charge this one may be about.\n"
            "- Dates are calendar dates, YYYY-MM-DD; count from today's date in the data.\n"
            "- You decide nothing and promise nothing. Whether something is possible, what it costs, and "
            "whether the customer agrees, is found out afterwards, by others.\n"
            f"- {RULE}"
        )

    def check(self, use: ToolUse) -> Wanted | None:
        """Read a form that was filled in; None if it is none of these. What doesn't fit its slot is left out.

        Args:
            use: The form.
        """
        request = next((one for one in self.requests if one.name == use.name), None)
        if request is None:
            return None
        told = {name: use.input[name] for name in request.slots if name in use.input}
        slots = {name: value for name, value in told.items() if fits(value, request.slots[name])}
        return Wanted(request.name, slots)


async def read_request(
    claude: Claude,
    ledger: Ledger,
    menu: Menu,
    *,
    situation: Json,
    said: Sequence[str],
) -> Wanted:
    """Read what a customer wants.

    Args:
        claude: Claude.
        ledger: What the task has spent.
        menu: What the specialist can be asked for.
        situation: What the model should know: the day, what the customer was asked, what is known already.
        said: What the customer said, the last of it last.

    Raises:
        ClaudeFailed: It couldn't be read.
    """
    words = "\n".join(quote(text) for text in said)
    messages: list[Json] = [
        {"role": "user", "content": f"{quote_data(orjson.dumps(situation).decode())}\n{words}"}
    ]
    for number in range(_ROUNDS):
        last = number == _ROUNDS - 1
        prompt = Prompt(
            f"read {menu.name}",
            menu.instructions,
            messages,
            tools=[one.tool for one in menu.requests] if last else menu.tools,
            forced=ANY if last else "",
            max_tokens=_MAX_TOKENS,
        )
        reply = await claude.ask(prompt, ledger)
        for use in reply.uses:
            if (wanted := menu.check(use)) is not None:
                return wanted
        messages = [*messages, *await _answered(menu, reply)]
    raise ClaudeFailed(Reason.UNREADABLE, "it filled in no form")


async def _answered(menu: Menu, reply: Reply) -> list[Json]:
    """Return the messages with which the conversation goes on: the answer, and what was looked up."""
    if not reply.uses:
        if not reply.text.strip():
            raise ClaudeFailed(Reason.UNREADABLE, "it said nothing")
        return [reply.to_message(), {"role": "user", "content": "Please fill in a form."}]
    results = [
        await _look_up(menu, use) if place < _LOOKUPS else _result(use, None)
        for place, use in enumerate(reply.uses)
    ]
    return [reply.to_message(), {"role": "user", "content": results}]


async def _look_up(menu: Menu, use: ToolUse) -> Json:
    lookup = next((one for one in menu.lookups if one.name == use.name), None)
    needs: Mapping[str, str] = lookup.needs if lookup is not None else {}
    given = {name: value for name in needs if isinstance(value := use.input.get(name), str)}
    if lookup is None or len(given) < len(needs):
        _log.warning("Claude used a tool that there isn't, or wrongly", menu=menu.name)
        return _result(use, None)
    try:
        return _result(use, orjson.dumps(await lookup.look(given)).decode()[:_MAX_RESULT])
    except RecordsError as error:
        return _result(use, str(error))


def _result(use: ToolUse, found: str | None) -> Json:
    told = quote_data(found) if found is not None else "That can't be done. Fill in a form now."
    result: Json = {"type": "tool_result", "tool_use_id": use.id, "content": told}
    return result if found is not None else {**result, "is_error": True}


def fits(value: Any, schema: Json) -> bool:
    """Say whether a value fits a slot's schema: its type, and what else it says of texts and numbers.

    Args:
        value: The value.
        schema: The schema of a text, a whole number, or a yes or no.
    """
    match schema.get("type"):
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            if not isinstance(value, int) or isinstance(value, bool):
                return False
            return schema.get("minimum", 0) <= value <= schema.get("maximum", 10**6)
        case "string":
            if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
                return False
            if not value.isprintable() or value not in schema.get("enum", [value]):
                return False
            return schema.get("format") != "date" or _is_date(value)
        case _:
            return False


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
