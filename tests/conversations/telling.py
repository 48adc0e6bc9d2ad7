"""What events show a customer; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from a2a_streaming.client import StreamEvent
from conversations.script import Json, Sight


def plain(event: StreamEvent) -> tuple[str, Json]:
    """Return an event as everybody is told it: whether a stream ends with it depends on when it is told."""
    return event.position, {key: value for key, value in event.data.items() if key != "final"}


def sights(events: Sequence[StreamEvent], first: int) -> list[Sight]:
    """Return what the events of a turn show; artifacts by what they have become, where they were begun."""
    shown = [Sight(f"artifact {name}", contents(parts)) for name, parts in artifacts(events)]
    by_index = dict(zip(_indices(events), shown, strict=True))
    seen: list[Sight] = []
    for event in events[first:]:
        if event.kind == "artifact":
            sight = by_index[event.data["artifact"]["index"]]
            if sight not in seen:
                seen.append(sight)
            continue
        status = event.data["status"]
        said = status.get("message") or {}
        if said.get("role") == "user":
            continue
        if step := event.data.get("metadata", {}).get("step"):
            seen.append(Sight(f"step {step}", contents(said.get("parts", ()))))
        else:
            seen.append(Sight(status["state"], contents(said.get("parts", ()))))
    return seen


def _indices(events: Sequence[StreamEvent]) -> list[int]:
    """Return the artifacts' indices, in the order in which they were begun."""
    return list(dict.fromkeys(e.data["artifact"]["index"] for e in events if e.kind == "artifact"))


def artifacts(events: Sequence[StreamEvent]) -> list[tuple[str, list[Json]]]:
    """Return artifacts as the events put them together: name and parts."""
    names: dict[int, str] = {}
    parts: dict[int, list[Json]] = {index: [] for index in _indices(events)}
    for event in events:
        if event.kind == "artifact":
            artifact = event.data["artifact"]
            index = artifact["index"]
            names[index] = artifact.get("name", names.get(index, ""))
            if not artifact.get("append"):
                parts[index] = []
            parts[index] += artifact["parts"]
    return [(names[index], found) for index, found in parts.items()]


def contents(parts: Any) -> str:
    """Return what parts hold, in a text: words, data as JSON, files by their names and sizes."""
    told = ""
    for part in parts:
        match part:
            case {"text": str(text)}:
                told += text
            case {"data": data}:
                told += f" {json.dumps(data, ensure_ascii=False, sort_keys=True)}"
            case {"file": file}:
                told += f" {file['name']} ({file['mimeType']}, {len(file['bytes'])})"
            case _:
                told += f" {part}"
    return told
