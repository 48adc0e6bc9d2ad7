"""The command: `a2a-reliability URL`.

Exit codes: 0 well, 1 something failed, 2 used wrongly, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import Annotated, Literal

import typer

from a2a_reliability import report, running
from a2a_reliability.asking import Crash, Kit, Order, run_command
from a2a_reliability.connection import connected
from a2a_reliability.dialects import textual
from a2a_reliability.errors import Unusable
from a2a_reliability.events import Json

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Names = Annotated[list[str] | None, typer.Option(help="Only this check.", show_default=False)]


@app.command()
def check(  # noqa: PLR0913, PLR0917 - an argument for each option
    url: Annotated[str, typer.Argument(help="Where the agent's card is, without its path.")],
    text: Annotated[
        str | None, typer.Option(help="What to say to an agent that doesn't tick.")
    ] = None,
    message: Annotated[
        str | None, typer.Option(help="The same as a whole message, in JSON.")
    ] = None,
    chunks: Annotated[int, typer.Option(min=8, help="How many chunks a task ticks.")] = 20,
    pause: Annotated[float, typer.Option(min=0.001, help="Seconds between two chunks.")] = 0.1,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another address of the same agent.", show_default=False),
    ] = None,
    token: Annotated[str | None, typer.Option(help="A bearer token.")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(help="A header for every request, 'Name: value'.", show_default=False),
    ] = None,
    a2a_version: Annotated[
        Literal["1.0", "0.3"], typer.Option(help="The version to speak.")
    ] = "1.0",
    binding: Annotated[
        Literal["JSONRPC", "HTTP+JSON"], typer.Option(help="The binding to speak.")
    ] = "JSONRPC",
    crash_command: Annotated[str | None, typer.Option(help="Kills the server, in a shell.")] = None,
    start_command: Annotated[
        str | None,
        typer.Option(help="Starts it anew; without it, it must come back by itself."),
    ] = None,
    bound: Annotated[
        float, typer.Option(help="Seconds after a crash for the server, and for its task's end.")
    ] = 30,
    idle: Annotated[
        float, typer.Option(help="Seconds of silence to look for signs of life in; 0 for none.")
    ] = 0,
    herd: Annotated[int, typer.Option(help="How many streams join at once.")] = 100,
    patience: Annotated[float, typer.Option(help="Seconds to wait for anything else.")] = 10,
    seed: Annotated[int, typer.Option(help="Draws where connections are cut.")] = 1,
    only: Names = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What only informs counts, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Test an A2A server's reliability by its public face."""
    unknown = set(only or ()) - {one.name for one in running.checks()}
    if unknown:
        raise typer.BadParameter(
            f"There is no check {', '.join(sorted(unknown))}. There are: "
            + ", ".join(one.name for one in running.checks())
        )
    headers = dict(_header(one) for one in header or ())
    if token:
        headers["Authorization"] = f"Bearer {token}"
    order = Order(chunks, pause, _message(text, message, a2a_version))
    crash = _crash(crash_command, start_command, bound)

    async def work() -> int:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                connected(
                    url, version=a2a_version, binding=binding, headers=headers, patience=patience
                )
            )
            others = tuple(server.at(address) for address in also or ())
            for other in others:
                stack.push_async_callback(other.aclose)
            kit = Kit(server, order, others, crash, idle, herd, Random(seed))
            found: list[tuple[running.Check, running.Finding]] = []
            async for one, finding in running.run(kit, only or ()):
                found.append((one, finding))
                typer.echo((report.as_json if as_json else report.line)(one, finding))
            if not as_json:
                typer.echo(report.summary(found))
            return report.exit_code(found, strict=strict)

    try:
        sys.exit(asyncio.run(work()))
    except Unusable as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _header(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon:
        raise typer.BadParameter(f"A header is 'Name: value', not {given!r}.")
    return name.strip(), value.strip()


def _message(text: str | None, message: str | None, version: str) -> Json | None:
    if message is None:
        return None if text is None else textual(text, version)
    try:
        return dict(json.loads(message))
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"--message takes a JSON object: {error}.") from error


def _crash(crash_command: str | None, start_command: str | None, bound: float) -> Crash | None:
    if crash_command is None:
        if start_command is not None:
            raise typer.BadParameter("--start-command needs --crash-command.")
        return None
    kill = partial(run_command, crash_command, wait=True)
    return Crash(kill, partial(_start, start_command), bound)


async def _start(command: str | None) -> None:
    if command is not None:
        await run_command(command, wait=False)


def main() -> None:
    """Run the command line."""
    app(prog_name="a2a-reliability")
