"""What events say, in words for a terminal or a pipe; pure."""

from __future__ import annotations

import re
from typing import Any

import orjson

from a2a_streaming.client import StreamEvent
from a2a_streaming.task import Json

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What agents and customers must not tell a terminal: escape sequences, and what turns text around."""
FAILED = frozenset({"failed", "rejected"})
"""States with which a command ends as failed."""


def clean(text: str) -> str:
    """Return text that a terminal shows as it is: control characters other than tabs and line ends are left out."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return text as one line, so that a pipe has one for each event."""
    return " ".join(clean(text).split("\n")).rstrip()


def text_of(parts: list[Json]) -> str:
    """Return what parts say, the data among them as JSON and files by their names."""
    return " ".join(told for part in parts if (told := _part(part)))


def words_of(parts: list[Json]) -> str:
    """Return the words alone that parts say."""
    return "".join(part.get("text", "") for part in parts if part.get("type") == "text")


def _part(part: Json) -> str:
    match part.get("type"):
        case "text":
            return part.get("text", "")
        case "data":
            return orjson.dumps(part.get("data")).decode()
        case "file":
            file: Json = part.get("file") or {}
            kind = f" ({file['mimeType']})" if file.get("mimeType") else ""
            return f"[{file.get('name') or file.get('uri') or 'file'}{kind}]"
        case _:
            return ""


def data_of(parts: list[Json]) -> Any:
    """Return the content of the first data part; None without one."""
    return next((part.get("data") for part in parts if part.get("type") == "data"), None)


def said(data: Json) -> list[Json]:
    """Return the parts that a status says; none without a message."""
    return _message(data).get("parts") or []


def by_user(data: Json) -> bool:
    """Say whether a status carries what the customer has said."""
    return _message(data).get("role") == "user"


def _message(data: Json) -> Json:
    status: Json = data.get("status") or {}
    return status.get("message") or {}


def lines_of(event: StreamEvent) -> list[str]:
    """Return an event as lines for a pipe: the position, two spaces, and what it says.

    Args:
        event: The event.
    """
    lines: list[str] = []
    if (reset := event.reset) is not None:
        lines.append(f"(the story begins anew: {reset.reason})")
        lines += [_artifact(one) for one in reset.task.get("artifacts", ())]
    if "artifact" in event.data:
        lines.append(_artifact(event.data["artifact"]))
    elif "status" in event.data:
        who = "you: " if by_user(event.data) else ""
        told = text_of(_without_form(said(event.data)))
        lines.append(f"{event.data['status']['state']}  {who}{told}")
    return [one_line(f"{event.position}  {line}") for line in lines]


def _artifact(artifact: Json) -> str:
    return f"[{artifact.get('name') or 'artifact'}] {text_of(artifact['parts'])}"


def _without_form(parts: list[Json]) -> list[Json]:
    """Return parts without a form, whose words stand beside it."""
    return [
        part
        for part in parts
        if not (isinstance(part.get("data"), dict) and isinstance(part["data"].get("form"), dict))
    ]


def json_of(event: StreamEvent) -> Json:
    """Return an event as it is told with `--json`, one object a line."""
    return {
        "task": event.task,
        "position": event.position,
        "kind": event.kind,
        "final": event.final,
        "event": event.data,
    }
