"""Questions that an agent asks by a form: read from its JSON schema, and their answers; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from a2a_streaming.cli.words import data_of
from a2a_streaming.task import Json

_YES = frozenset({"y", "yes", "true", "1"})
_NO = frozenset({"n", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class Question:
    """One field of a form.

    Args:
        name: The field.
        title: What is asked.
        kind: Its type in JSON schema: `string`, `boolean`, `integer` or `number`.
        choices: The answers that there are, each with its words; empty for one of one's own.
        required: Whether it must be answered.
        format: `date`, or empty.
    """

    name: str
    title: str
    kind: str = "string"
    choices: tuple[tuple[Any, str], ...] = ()
    required: bool = True
    format: str = ""

    @property
    def hint(self) -> str:
        """What an answer looks like; empty for any words."""
        if self.choices:
            return f"1-{len(self.choices)}"
        if self.kind == "boolean":
            return "yes or no"
        return "YYYY-MM-DD" if self.format == "date" else ""

    def read(self, answer: str) -> Any:
        """Read an answer.

        Args:
            answer: As it was typed.

        Raises:
            ValueError: It is none to this question.
        """
        told = answer.strip()
        if self.choices:
            return self._choice(told)
        match self.kind:
            case "boolean":
                if told.casefold() in _YES | _NO:
                    return told.casefold() in _YES
                raise ValueError("Answer yes or no.")
            case "integer":
                return int(told)
            case "number":
                return float(told)
            case _:
                if self.format == "date":
                    date.fromisoformat(told)
                return told

    def _choice(self, told: str) -> Any:
        if told.isascii() and told.isdigit() and 0 < int(told) <= len(self.choices):
            return self.choices[int(told) - 1][0]
        for value, label in self.choices:
            if told.casefold() in (str(value).casefold(), label.casefold()):
                return value
        raise ValueError(f"Choose 1 to {len(self.choices)}.")


def questions_of(parts: list[Json]) -> list[Question]:
    """Return what a form asks; nothing if parts have none that can be asked in a terminal.

    Args:
        parts: What the agent has said, with the form as data (`{"form": <JSON schema of an object>}`).
    """
    data: Any = data_of(parts)
    form: Any = cast("Json", data).get("form") if isinstance(data, dict) else None
    if not isinstance(form, dict):
        return []
    schema = cast("Json", form)
    properties: Any = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    required: Any = schema.get("required") or []
    found: list[Question] = []
    for name, field in cast("Json", properties).items():
        told = cast("Json", field if isinstance(field, dict) else {})
        kind: Any = told.get("type", "string")
        if kind not in ("string", "boolean", "integer", "number"):
            return []  # an answer in words will do
        title = told.get("title") or told.get("description") or name
        found.append(
            Question(
                name,
                str(title),
                kind,
                _choices(told),
                name in required,
                str(told.get("format", "")),
            )
        )
    return found


def _choices(field: Json) -> tuple[tuple[Any, str], ...]:
    """Return a field's choices: those of `oneOf`, with titles, or of `enum`."""
    one_of: Any = field.get("oneOf")
    if isinstance(one_of, list):
        listed = [cast("Json", one) for one in cast("list[Any]", one_of) if isinstance(one, dict)]
        return tuple(
            (one["const"], str(one.get("title", one["const"]))) for one in listed if "const" in one
        )
    values: Any = field.get("enum")
    return tuple((v, str(v)) for v in cast("list[Any]", values)) if isinstance(values, list) else ()


def answer_message(values: Json) -> Json:
    """Return the message that fills in a form.

    Args:
        values: The answers, by field.
    """
    return {"role": "user", "parts": [{"type": "data", "data": values}]}
