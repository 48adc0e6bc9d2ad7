"""What a terminal shows of a story."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from a2a_streaming.cli.screen import Screen
from a2a_streaming.cli.words import lines_of
from a2a_streaming.client import StreamEvent


def text(told: str) -> dict[str, Any]:
    """A part of words."""
    return {"type": "text", "text": told}


def status(
    state: str, *parts: dict[str, Any], role: str = "agent", final: bool = False, **metadata: Any
) -> StreamEvent:
    """A status event."""
    said = {"message": {"role": role, "parts": list(parts)}} if parts else {}
    data: dict[str, Any] = {"id": "t1", "status": {"state": state, **said}, "final": final}
    if metadata:
        data["metadata"] = metadata
    return StreamEvent(
        "reset" if "reset" in metadata else "status", data, "1-1", final=final, task="t1"
    )


def artifact(*parts: dict[str, Any], name: str = "answer", **more: Any) -> StreamEvent:
    """An artifact's event."""
    told = {"name": name, "index": 0, "parts": list(parts), **more}
    return StreamEvent("artifact", {"id": "t1", "artifact": told}, "1-2", final=False, task="t1")


@pytest.fixture
def terminal() -> Console:
    """A terminal of which what it shows can be read."""
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def shown(terminal: Console, *events: StreamEvent) -> list[str]:
    """The lines that are left on a terminal when events were told."""
    screen = Screen(terminal)
    for event in events:
        screen.tell(event)
    screen.pause()
    file = terminal.file
    assert isinstance(file, io.StringIO)
    return _left(file.getvalue())


def _left(written: str) -> list[str]:
    """What a terminal is left with: what is moving below is cleared, line by line."""
    lines: list[str] = [""]
    at = 0
    n = 0
    while n < len(written):
        if written.startswith("\x1b[", n):
            end = n + 2
            while not written[end].isalpha():
                end += 1
            count = int(written[n + 2 : end] or 1) if written[n + 2 : end].isdigit() else 1
            if written[end] == "A":
                at -= count
            elif written[end] == "K":
                lines[at] = ""
            n = end + 1
            continue
        if written[n] == "\n":
            at += 1
            if at == len(lines):
                lines.append("")
        elif written[n] != "\r":
            lines[at] += written[n]
        n += 1
    return [line.rstrip() for line in lines if line.strip()]


def test_steps_are_ticked_off_chunks_grow_and_the_end_stands_below(terminal: Console) -> None:
    left = shown(
        terminal,
        status("submitted"),
        status("working", text("Looking at your bookings"), step="look_up"),
        status("working", agent="billing"),
        artifact(text("Dear "), lastChunk=False),
        artifact(text("Anna"), append=True, lastChunk=True),
        status("completed", text("Bye"), final=True),
    )
    assert left == [
        "✓ Looking at your bookings",
        "┃ answer",
        "Dear Anna",
        "✓ Billing Agent",
        "✔ completed  Bye",
    ]


def test_a_form_is_shown_as_a_question_with_its_choices(terminal: Console) -> None:
    seats = {"enum": ["aisle", "window"]}
    data = {"form": {"type": "object", "properties": {"seat": seats}, "required": ["seat"]}}
    asked = status(
        "input-required", text("Which seat?"), {"type": "data", "data": data}, final=True
    )
    assert shown(terminal, asked) == [
        "? input-required  Which seat?",
        "  1. aisle",
        "  2. window",
    ]
    assert lines_of(asked) == ["1-1  input-required  Which seat?"]


def test_a_reset_shows_the_task_as_it_is_now(terminal: Console) -> None:
    task = {"status": {"state": "working"}, "artifacts": [{"name": "a", "parts": [text("all")]}]}
    told = status("working", reset={"reason": "trimmed", "task": task})
    left = shown(terminal, artifact(text("half"), lastChunk=False), told)
    assert left == ["↻ the story begins anew (trimmed); as it stands:", "┃ a", "all"]
    assert lines_of(told) == [
        "1-1  (the story begins anew: trimmed)",
        "1-1  [a] all",
        "1-1  working",
    ]


def test_intents_files_and_what_the_customer_says_are_told_in_words(terminal: Console) -> None:
    intents = [{"intent": "refund", "confidence": 0.93, "route": "billing"}]
    file = {"type": "file", "file": {"name": "invoice.pdf", "mimeType": "application/pdf"}}
    left = shown(
        terminal,
        status("working", text("Refund me"), role="user"),
        artifact({"type": "data", "data": {"intents": intents}}, name="intent"),
        artifact(file, name="invoice"),
        status("failed", text("No"), final=True),
    )
    assert left == [
        "▸ Refund me",
        "┃ intent",
        "refund (93%) → billing",
        "┃ invoice",
        "[invoice.pdf (application/pdf)]",
        "✘ failed  No",
    ]


def test_what_is_said_cant_drive_a_terminal(terminal: Console) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[bold]no\u202emarkup\u009b31m[/bold]"
    left = shown(terminal, status("completed", text(evil), final=True))
    [line] = lines_of(status("completed", text(f"two\n{evil}")))
    for told in (left[0], line):
        assert not set(told) & set("\x1b\x07\u009b\u202e")
        assert "[bold]no" in told
