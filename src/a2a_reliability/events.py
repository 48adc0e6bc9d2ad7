"""What a server tells of a task, in one vocabulary: read from A2A 1.0's JSON, and from 0.3's.

Only what all watchers must agree on is kept: states, words and content. Timestamps, history and metadata may
differ between two who are told the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from a2a_reliability.errors import Unreadable

Json = dict[str, Any]
Piece = tuple[str, str]
"""A part: its kind, and its text or its JSON."""
Content = tuple[Piece, ...]
"""Parts; texts beside one another are one."""

TERMINAL = frozenset({"completed", "failed", "canceled", "rejected"})
"""States after which nothing comes (specification 1.0, section 4.1.3)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole task, as it was told.

    Args:
        task_id: Its id.
        state: Its state, by its short name: `completed`.
        words: What its status says.
        artifacts: Their contents by their ids.
    """

    task_id: str
    state: str
    words: str = ""
    artifacts: Mapping[str, Content] = field(default_factory=dict[str, Content])


@dataclass(frozen=True, slots=True)
class StatusTold:
    """A `TaskStatusUpdateEvent` (section 4.2.1)."""

    task_id: str
    state: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactTold:
    """A `TaskArtifactUpdateEvent` (section 4.2.2)."""

    task_id: str
    artifact_id: str
    content: Content
    append: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class MessageTold:
    """A message instead of a task."""

    words: str


_PADDING = re.compile(r"-{64,}")
"""Ticks of many bytes are padded with dashes. They are counted, not kept: a story holds each state of a task."""

Event = Snapshot | StatusTold | ArtifactTold | MessageTold


def joined(content: Content, more: Iterable[Piece]) -> Content:
    """Return parts with others behind them; texts that meet become one."""
    pieces = list(content)
    for kind, value in more:
        if kind == "text" and not value:
            continue
        if kind == "text" and pieces and pieces[-1][0] == "text":
            pieces[-1] = ("text", pieces[-1][1] + value)
        else:
            pieces.append((kind, value))
    return tuple(pieces)


def text(words: str) -> Content:
    """Return content that is one text."""
    return joined((), [("text", words)])


def read_event(payload: Any) -> Event:
    """Read one of a stream's events.

    Args:
        payload: A `StreamResponse` (1.0), or what 0.3 sends in its place.

    Raises:
        Unreadable: It is neither.
    """
    try:
        match payload:
            case {"task": dict()}:
                return read_task(payload["task"])
            case {"statusUpdate": {"taskId": str(task), "status": status}}:
                return StatusTold(task, *_status(status))
            case {"artifactUpdate": {"taskId": str(task)} as update}:
                return _artifact(task, update)
            case {"message": dict()}:
                return MessageTold(_words(payload["message"]))
            case {"kind": "task"}:
                return read_task(payload)
            case {"kind": "status-update", "taskId": str(task), "status": status}:
                return StatusTold(task, *_status(status))
            case {"kind": "artifact-update", "taskId": str(task)}:
                return _artifact(task, payload)
            case {"kind": "message"}:
                return MessageTold(_words(payload))
            case _:
                pass
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable("an event lacks what it must have", json.dumps(payload)) from error
    raise Unreadable("no event of A2A", json.dumps(payload))


def read_task(task: Json) -> Snapshot:
    """Read a whole task.

    Raises:
        Unreadable: It isn't one.
    """
    try:
        artifacts = {one["artifactId"]: _content(one) for one in task.get("artifacts") or ()}
        return Snapshot(task["id"], *_status(task["status"]), artifacts)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable("a task lacks what it must have", json.dumps(task)) from error


def described(event: Event) -> str:
    """Return an event in a few words, for the report."""
    match event:
        case Snapshot():
            content = "; ".join(f"{name}: {_short(of)}" for name, of in event.artifacts.items())
            return f"task {event.state}" + (f" [{content}]" if content else "")
        case StatusTold():
            return f"status {event.state}" + (f" '{event.words[:40]}'" if event.words else "")
        case ArtifactTold():
            sign = "+" if event.append else "="
            return f"{event.artifact_id} {sign} {_short(event.content)}" + "." * event.last
        case MessageTold():
            return f"message '{event.words[:40]}'"


def _short(content: Content) -> str:
    whole = " ".join(value.rstrip("- ") for _, value in content)
    return whole if len(whole) <= 60 else f"{whole[:24]} … {whole[-24:]}"


def _status(status: Json) -> tuple[str, str]:
    state = status["state"].removeprefix("TASK_STATE_").lower().replace("_", "-")
    return state, _words(status.get("message") or {})


def _words(message: Json) -> str:
    return "".join(value for kind, value in _content(message) if kind == "text")


def _artifact(task: str, update: Json) -> ArtifactTold:
    artifact = update["artifact"]
    append, last = bool(update.get("append")), bool(update.get("lastChunk"))
    return ArtifactTold(task, artifact["artifactId"], _content(artifact), append, last)


def _content(holder: Json) -> Content:
    return joined((), [_piece(part) for part in holder.get("parts") or ()])


def _piece(part: Json) -> Piece:
    if isinstance(part.get("text"), str):
        return "text", _PADDING.sub(lambda run: f"<{len(run[0])} dashes>", part["text"])
    told = {name: value for name, value in part.items() if name not in {"kind", "metadata"}}
    return "other", json.dumps(told, sort_keys=True)
