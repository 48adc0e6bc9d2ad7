"""`tasks`: tables of tasks, by the operators' API or, for who isn't an operator, by ListTasks."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

from a2a_streaming.cli.remote import Refused, Remote
from a2a_streaming.cli.words import one_line
from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.task import Json, State

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)")
_PAGE = 100
_STATES = {state.label: state for state in State}
_STYLES = {
    "completed": "green",
    "working": "cyan",
    "submitted": "cyan",
    "input-required": "magenta",
    "auth-required": "magenta",
    "failed": "red",
    "rejected": "red",
    "canceled": "yellow",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks are wanted; what is empty doesn't matter. Ages as they are typed: `90`, `15m`, `2h`, `3d`.

    Args:
        state: Their state.
        agent: Their agent.
        owner: Their owner.
        context: Their context.
        words: What their id, owner, context or first words contain.
        silent: Those alone that are to move on by themselves, and haven't for so long.
        unchanged: Those alone whose last change is at least so long ago.
        changed: Those alone whose last change is at most so long ago.
        older: Those alone that were accepted at least so long ago.
        newer: Those alone that were accepted at most so long ago.
        archived: Whether they are looked for in the archive, not in Redis.
    """

    state: str = ""
    agent: str = ""
    owner: str = ""
    context: str = ""
    words: str = ""
    silent: str = ""
    unchanged: str = ""
    changed: str = ""
    older: str = ""
    newer: str = ""
    archived: bool = False

    def query(self) -> dict[str, str]:
        """Return them as the operators' API takes them.

        Raises:
            BadParameter: An age can't be read.
        """
        ages = {
            name: str(seconds_of(told))
            for name in ("silent", "unchanged", "changed", "older", "newer")
            if (told := getattr(self, name))
        }
        named = {
            "state": self.state,
            "agent": self.agent,
            "owner": self.owner,
            "context": self.context,
            "q": self.words,
            "archived": "true" if self.archived else "",
        }
        return {**{name: told for name, told in named.items() if told}, **ages}

    def params(self) -> Json:
        """Return them as ListTasks takes them.

        Raises:
            NeedsOperator: It takes not all of them.
        """
        beyond = [
            f"--{name}"
            for name in (
                "agent",
                "owner",
                "words",
                "silent",
                "unchanged",
                "older",
                "newer",
                "archived",
            )
            if getattr(self, name)
        ]
        if beyond:
            raise NeedsOperator(beyond)
        params: Json = {}
        if self.state:
            params["status"] = _STATES[self.state].value
        if self.context:
            params["contextId"] = self.context
        if self.changed:
            since = datetime.fromtimestamp(time.time() - seconds_of(self.changed), UTC)
            params["statusTimestampAfter"] = since.isoformat().replace("+00:00", "Z")
        return params


class NeedsOperator(A2AStreamingError):
    """Filters are for operators alone.

    Args:
        filters: Which.
    """

    def __init__(self, filters: list[str]) -> None:
        super().__init__(
            f"{', '.join(filters)}: for the role operator alone. Sign in as one with --token, or leave them out."
        )


def seconds_of(told: str) -> float:
    """Return how many seconds an age has.

    Args:
        told: As it was typed: seconds, or with a unit of s, m, h, d, w.

    Raises:
        BadParameter: It is none.
    """
    found = _DURATION.fullmatch(told.strip())
    if found is None:
        raise typer.BadParameter(f"{told!r} is no age: type 90 (seconds), 15m, 2h, 3d or 1w.")
    return float(found[1]) * _UNITS[found[2]]


def tasks(
    url: str, token: str | None, filters: Filters, *, most: int | None, as_json: bool
) -> None:
    """List tasks, the latest change first.

    Args:
        url: The server's address.
        token: An API key or a token.
        filters: Which tasks.
        most: How many at most; None for all.
        as_json: Whether to write a JSON object for each.

    Raises:
        A2AStreamingError: The server refuses, or can't be reached.
    """
    if filters.state and filters.state not in _STATES:
        raise typer.BadParameter(f"{filters.state!r} is no state: choose {', '.join(_STATES)}.")
    filters.query()  # what is wrong is said before anything is asked
    asyncio.run(_list(url, token, filters, most, as_json))


async def _list(
    url: str, token: str | None, filters: Filters, most: int | None, as_json: bool
) -> None:
    table = None if as_json or not sys.stdout.isatty() else _Table()
    count, more = 0, False
    async with Remote(url, token) as remote, aclosing(_rows(remote, filters)) as rows:
        async for row in rows:
            if count == most:
                more = True
                break
            count += 1
            if table is not None:
                table.add(row)
            else:
                typer.echo(orjson.dumps(row).decode() if as_json else _line(row))
    if table is not None:
        table.show()
    if more:
        typer.echo(f"There are more than {count}: narrow it down, or use --all.", err=True)


async def _rows(remote: Remote, filters: Filters) -> AsyncGenerator[Json]:
    """Yield rows as the operators' API tells them, also where ListTasks has to do."""
    first = True
    token = ""
    query = filters.query()
    while first or token:
        try:
            page = await _operators_page(remote, {**query, "size": str(_PAGE), "token": token})
        except Refused as refused:
            if not first or refused.status not in (403, 404, 405):
                raise
            async with aclosing(_own_rows(remote, filters)) as rows:
                async for row in rows:
                    yield row
            return
        first = False
        for row in page["tasks"]:
            yield row
        token = page["next"] or ""


async def _operators_page(remote: Remote, query: dict[str, str]) -> Json:
    return await remote.get("/ops/api/tasks", **{k: v for k, v in query.items() if v})


async def _own_rows(remote: Remote, filters: Filters) -> AsyncGenerator[Json]:
    """Yield the caller's own tasks of one agent."""
    params = {**filters.params(), "pageSize": _PAGE, "historyLength": 1}
    token = ""
    while True:
        page = await remote.call("/rpc/1.0", "ListTasks", {**params, "pageToken": token})
        for task in page.get("tasks", ()):
            yield _own_row(task)
        token = page.get("nextPageToken", "")
        if not token:
            return


def _own_row(task: Json) -> Json:
    status: Json = task["status"]
    at = status.get("timestamp")
    changed = int(datetime.fromisoformat(at).timestamp() * 1000) if at else None
    message: Json = status.get("message") or {}
    parts: list[Json] = message.get("parts") or []
    return {
        "id": task["id"],
        "context": task.get("contextId", ""),
        "state": State(status["state"]).label,
        "changed": changed,
        "text": " ".join(part["text"] for part in parts if "text" in part),
    }


def _line(row: Json) -> str:
    """Return a row for a pipe: id, state, agent, owner, when it changed, and words, with tabs between."""
    changed = row.get("changed")
    at = (
        datetime.fromtimestamp(changed / 1000, UTC).isoformat(timespec="seconds") if changed else ""
    )
    cells = [row["id"], row["state"], row.get("agent", ""), row.get("owner", ""), at, row["text"]]
    return "\t".join(one_line(str(cell)).replace("\t", " ") for cell in cells)


class _Table:
    """The table on a terminal."""

    def __init__(self) -> None:
        from rich.table import Table  # noqa: PLC0415 - rich takes a third of a second to import

        self._table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("TASK", "STATE", "AGENT", "OWNER"):
            self._table.add_column(name, no_wrap=True, overflow="ellipsis")
        for name in ("AGE", "CHANGED", "EVENTS"):
            self._table.add_column(name, justify="right", no_wrap=True)
        self._table.add_column("SAID", no_wrap=True, overflow="ellipsis", ratio=1)

    def add(self, row: Json) -> None:
        """Add a task."""
        from rich.text import Text  # noqa: PLC0415 - see above

        now = time.time() * 1000
        cells: list[Any] = [
            row["id"],
            Text(row["state"], style=_STYLES.get(row["state"], "")),
            row.get("agent", ""),
            row.get("owner", ""),
            _ago(now, row.get("created")),
            _ago(now, row.get("changed")),
            str(row.get("events", "")),
            row["text"],
        ]
        told = [cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in cells]
        self._table.add_row(*told)

    def show(self) -> None:
        """Show it."""
        from rich.console import Console  # noqa: PLC0415 - see above

        Console(highlight=False).print(self._table)


def _ago(now: float, at: int | None) -> str:
    """Return how long ago something was, short."""
    if at is None:
        return ""
    seconds = max(0.0, (now - at) / 1000)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
