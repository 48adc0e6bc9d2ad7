"""A story on a terminal: what has happened scrolls by, what is under way moves below it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import orjson
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from a2a_streaming.cli.forms import questions_of
from a2a_streaming.cli.words import by_user, clean, data_of, said, text_of, words_of
from a2a_streaming.client import StreamEvent
from a2a_streaming.task import Json

_SHOWN = 12
"""Lines of a growing artifact that are shown while it grows."""
_ENDS = {"completed": ("✔", "green"), "canceled": ("■", "yellow")}
_DATA = 400
"""The most characters of data that are shown."""


class Screen:
    """Tells on a terminal.

    Args:
        console: The terminal; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._step = ""
        self._since = 0.0
        self._growing: dict[int, _Growing] = {}

    def begin(self, task: str) -> None:
        """Say which task it is."""
        self._console.print(Text(f"task {clean(task)}", style="dim"))

    def pause(self) -> None:
        """Let what is under way be, and leave the terminal to others."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tell(self, event: StreamEvent) -> None:
        """Show an event."""
        if event.reset is not None:
            self._reset(event.reset.reason, event.reset.task)
        if "artifact" in event.data:
            self._artifact(event.data)
        elif "status" in event.data:
            self._status(event.data)
        if event.final:
            self.pause()

    def _reset(self, reason: str, task: Json) -> None:
        self._growing.clear()
        self._step = ""
        self._say(Text(f"↻ the story begins anew ({clean(reason)}); as it stands:", style="yellow"))
        for artifact in task.get("artifacts", ()):
            self._say(*_shown(_name(artifact), artifact["parts"]))

    def _status(self, data: Json) -> None:
        state: str = data["status"]["state"]
        parts = said(data)
        if by_user(data):
            self._say(Text(f"▸ {clean(text_of(parts))}", style="bold cyan"))
        elif state in ("submitted", "working"):
            self._next_step(_step(data))
        else:
            self._finish_step()
            self._flush()
            self._end(state, parts)

    def _next_step(self, step: str) -> None:
        """Show what is done now; what was done before is done."""
        if not step:
            self._show()
            return
        self._finish_step()
        self._step, self._since = step, time.monotonic()
        self._show()

    def _finish_step(self) -> None:
        if self._step:
            took = time.monotonic() - self._since
            line = Text.assemble(("✓ ", "green"), self._step)
            if took >= 0.5:
                line.append(f"  {took:.1f} s", style="dim")
            self._say(line)
        self._step = ""

    def _artifact(self, data: Json) -> None:
        artifact: Json = data["artifact"]
        index: int = artifact.get("index", 0)
        growing = self._growing.get(index)
        if growing is None or not artifact.get("append"):
            growing = self._growing[index] = _Growing(_name(artifact))
        growing.parts += artifact["parts"]
        if artifact.get("lastChunk", not artifact.get("append") and "lastChunk" not in artifact):
            self._say(*_shown(growing.name, growing.parts))
            del self._growing[index]
        self._show()

    def _flush(self) -> None:
        """Show what has grown and wasn't finished."""
        for growing in self._growing.values():
            if growing.parts:
                self._say(*_shown(growing.name, growing.parts))
        self._growing.clear()

    def _end(self, state: str, parts: list[Json]) -> None:
        words = clean(words_of(parts))
        if state in ("input-required", "auth-required"):
            mark, style = "?", "bold magenta"
        else:
            mark, style = _ENDS.get(state, ("✘", "red"))
        told = Text.assemble((f"{mark} {state}", style))
        if words:
            told.append(f"  {words}")
        self._say(told)
        for question in questions_of(parts):
            if question.choices and words.count("\n- ") < len(question.choices):
                labels = [label for _, label in question.choices]
                self._say(*(Text(f"  {n}. {clean(one)}") for n, one in enumerate(labels, 1)))

    def _say(self, *lines: RenderableType) -> None:
        """Let lines scroll by, above what is under way."""
        console = self._live.console if self._live is not None else self._console
        for line in lines:
            console.print(line)

    def _show(self) -> None:
        """Show what is under way."""
        rows: list[RenderableType] = [one.tail() for one in self._growing.values() if one.parts]
        rows.append(Spinner("dots", Text(self._step or "working"), style="cyan"))
        if self._live is None:
            self._live = Live(console=self._console, transient=True, refresh_per_second=8)
            self._live.start()
        self._live.update(Group(*rows))


class _Growing:
    """An artifact whose pieces are still coming.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Json] = []

    def tail(self) -> RenderableType:
        """Return its last lines."""
        lines = clean(words_of(self.parts)).splitlines()[-_SHOWN:]
        return Text.assemble((f"┃ {self.name}\n", "bold"), ("\n".join(lines), ""))


def _shown(name: str, parts: Sequence[Json]) -> list[RenderableType]:
    """Return an artifact as it scrolls by."""
    shown: list[RenderableType] = [Text(f"┃ {name}", style="bold")]
    words = clean(words_of(list(parts)))
    if words:
        shown.append(Text(words))
    data: Any = data_of(list(parts))
    if data is not None:
        shown.append(Text(_data(name, data), style="dim"))
    files = [part for part in parts if part.get("type") == "file"]
    shown += [Text(clean(text_of([part])), style="underline") for part in files]
    return shown


def _data(name: str, data: Any) -> str:
    """Return data in a line; what an intent's artifact says, in words."""
    if name == "intent" and isinstance(data, dict):
        intents: Any = cast("Json", data).get("intents")
        if isinstance(intents, list):
            told = [_intent(cast("Json", one)) for one in cast("list[Any]", intents)]
            return clean(", then ".join(told))
    text = clean(orjson.dumps(data).decode())
    return text if len(text) <= _DATA else f"{text[:_DATA]} …"


def _intent(one: Json) -> str:
    confidence: Any = one.get("confidence")
    sure = f" ({confidence:.0%})" if isinstance(confidence, float | int) else ""
    return f"{one.get('intent')}{sure} → {one.get('route') or 'nobody'}"


def _name(artifact: Json) -> str:
    return clean(artifact.get("name") or "artifact")


def _step(data: Json) -> str:
    """Return what is done now, in words: what the agent says or, without words, whom the task is given to."""
    words = clean(words_of(said(data))).strip()
    metadata: Json = data.get("metadata") or {}
    agent, step = metadata.get("agent"), metadata.get("step")
    if isinstance(agent, str) and not step and not words:
        return f"{agent.capitalize()} Agent"
    return words or (str(step).replace("_", " ") if step else "")
