"""What a customer wants of a specialist, read out of their words: a request, and what they said of it.

The model may look things up in the systems of record, as its customer alone, and then fills in one form. It
can't do anything: the form says what is wanted, and the specialist's own flow goes on from there, as it does with
what was read offline: it checks each slot, quotes, and asks the customer.
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
from a2a_streaming.customer_service.claude.prompt import Prompt, Reply, Tool, ToolUse
from a2a_streaming.customer_service.claude.quoting import RULE, quote, quote_data
from a2a_streaming.customer_service.records import RecordsError
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_TELL = "tell_request"
_ROUNDS = 4
"""Requests for one reading: in the last one the form must be filled in."""
_LOOKUPS = 4
"""Lookups of one answer that are carried out."""
_MAX_TOKENS = 600
_LONGEST = 200
_MAX_RESULT = 6000

Look = Callable[[Json], Awaitable[Any]]
"""Looks something up, for the customer whose turn it is; changes nothing."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Something that the model may look up.

    Args:
        name: Its name.
        description: What it tells, in words for the model.
        needs: What must be given, by name: what it is, in words for the model.
    """

    name: str
    description: str
    needs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def tool(self) -> Tool:
        """The form of it."""
        properties = {name: {"type": "string", "description": d} for name, d in self.needs.items()}
        return Tool(
            self.name,
            self.description,
            {"type": "object", "properties": properties, "required": list(self.needs)},
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that a customer may say of what they want.

    Args:
        description: What it is, in words for the model.
        kind: What it must be: a `string` of at most 200 characters, a `date`, or a `integer` from 0 on.
        choices: What it may be, if that is known.
    """

    description: str
    kind: str = "string"
    choices: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return its schema."""
        kind = "integer" if self.kind == "integer" else "string"
        schema: Json = {"type": kind, "description": self.description}
        if self.kind == "date":
            schema["format"] = "date"
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema

    def check(self, value: Any) -> Any:
        """Return what the model filled in; None if it isn't of this kind."""
        match self.kind:
            case "integer":
                fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**6
            case "date":
                fits = isinstance(value, str) and _is_date(value)
            case _:
                fits = isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
        return value if fits and (not self.choices or value in self.choices) else None


@dataclass(frozen=True, slots=True)
class Counter:
    """What a specialist can be asked for, as the model is told; the same for every customer.

    Args:
        name: The specialist.
        about: What it does, in a sentence.
        requests: What can be wanted, by name: what it is, in words for the model.
        slots: What may be said of it, by name.
        lookups: What may be looked up.
    """

    name: str
    about: str
    requests: Mapping[str, str]
    slots: Mapping[str, Slot]
    lookups: Sequence[Lookup] = ()

    @property
    def tools(self) -> list[Tool]:
        """Its forms."""
        form: Json = {
            "type": "object",
            "properties": {
                "wanted": {"type": "string", "enum": list(self.requests)},
                **{name: slot.to_json() for name, slot in self.slots.items()},
            },
            "required": ["wanted"],
        }
        tell = Tool(_TELL, "Tells what the customer wants. It only asks; it changes nothing.", form)
        return [*(lookup.tool for lookup in self.lookups), tell]

    @property
    def instructions(self) -> str:
        """What the model is told before everything else."""
        wishes = "\n".join(f"- {name}: {what}" for name, what in self.requests.items())
        return (
            f"You read what customers write to the {self.name} desk of a company, and fill in a form.\n"
            f"The desk: {self.about}\n\nWhat can be wanted:\n{wishes}\n\n"
            f"- Fill in the form with `{_TELL}`, once. Look things up before, but only what you need to "
            "understand the customer, such as which booking they mean.\n"
            "- Fill in only what the customer said, in this message or before. Leave out what they didn't "
            "say: they are asked for it. Guess nothing.\n"
            "- Dates are calendar dates, YYYY-MM-DD; count from today's date in the data.\n"
            "- You decide nothing and promise nothing. Whether something is possible, what it costs, and "
            "whether the customer agrees, is found out afterwards, by others.\n"
            f"- {RULE}"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a customer wants, as it was read; to be checked like what anybody else says.

    Args:
        name: What: one of the counter's requests.
        slots: What they said of it, each of its slot's kind.
    """

    name: str
    slots: Json

    def to_json(self) -> Json:
        """Return it as a step keeps it."""
        return {"wanted": self.name, **self.slots}


async def read_request(
    claude: Claude,
    ledger: Ledger,
    counter: Counter,
    *,
    look: Mapping[str, Look],
    situation: Json,
    said: Sequence[str],
) -> Wanted:
    """Read what a customer wants.

    Args:
        claude: Claude.
        ledger: What the task has spent.
        counter: What the specialist can be asked for.
        look: Looks things up, by the lookups' names.
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
        forced = _TELL if number == _ROUNDS - 1 else ""
        prompt = Prompt(
            f"read {counter.name}",
            counter.instructions,
            messages,
            tools=counter.tools,
            forced=forced,
            max_tokens=_MAX_TOKENS,
        )
        reply = await claude.ask(prompt, ledger)
        for use in reply.uses:
            if use.name == _TELL:
                return _check(counter, use.input)
        messages = [*messages, *await _answered(counter, look, reply)]
    raise ClaudeFailed(Reason.UNREADABLE, "it didn't fill in the form")


async def _answered(counter: Counter, look: Mapping[str, Look], reply: Reply) -> list[Json]:
    """Return the messages with which the conversation goes on: the answer, and what was looked up."""
    if not reply.uses:
        if not reply.text.strip():
            raise ClaudeFailed(Reason.UNREADABLE, "it said nothing")
        return [reply.to_message(), {"role": "user", "content": f"Please use {_TELL}."}]
    results = [
        await _look_up(counter, look, use) if place < _LOOKUPS else _result(use, None)
        for place, use in enumerate(reply.uses)
    ]
    return [reply.to_message(), {"role": "user", "content": results}]


async def _look_up(counter: Counter, look: Mapping[str, Look], use: ToolUse) -> Json:
    lookup = next((one for one in counter.lookups if one.name == use.name), None)
    given = {
        n: v for n in (lookup.needs if lookup else ()) if isinstance(v := use.input.get(n), str)
    }
    if lookup is None or use.name not in look or len(given) < len(lookup.needs):
        _log.warning("Claude used a tool that there isn't, or wrongly", purpose=counter.name)
        return _result(use, None)
    try:
        return _result(use, orjson.dumps(await look[use.name](given)).decode()[:_MAX_RESULT])
    except RecordsError as error:
        return _result(use, str(error))


def _result(use: ToolUse, found: str | None) -> Json:
    told = quote_data(found) if found is not None else f"That can't be done. Use {_TELL} now."
    result: Json = {"type": "tool_result", "tool_use_id": use.id, "content": told}
    return result if found is not None else {**result, "is_error": True}


def _check(counter: Counter, told: Json) -> Wanted:
    """Read the form: what isn't asked for, or isn't of its slot's kind, is left out."""
    wanted = told.get("wanted")
    if not isinstance(wanted, str) or wanted not in counter.requests:
        raise ClaudeFailed(Reason.UNREADABLE, "it wants what there isn't")
    slots = {name: slot.check(told.get(name)) for name, slot in counter.slots.items()}
    return Wanted(wanted, {name: value for name, value in slots.items() if value is not None})


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
