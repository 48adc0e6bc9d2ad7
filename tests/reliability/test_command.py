"""What the command says, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from a2a_reliability.cli import app
from conftest import serving
from reliability.faulty import Faulty

QUICK = ("--chunks", "12", "--pause", "0.005")


async def said(fault: str, *arguments: str) -> Result:
    """What it says of a server with this fault."""
    server = Faulty(fault)
    async with serving(server.app) as served:
        try:
            asked = [served.url, *QUICK, *arguments]
            return await asyncio.to_thread(CliRunner().invoke, app, asked)
        finally:
            await server.aclose()


async def test_a_failure_tells_its_reason_and_its_section_and_what_was_seen() -> None:
    told = await said("doubles events", "--only", "in-order")
    assert told.exit_code == 1
    assert "FAILED   in-order" in told.output
    assert "double: ticks [1, 2, 3" in told.output
    assert "(asked by specification 1.0, 3.5.2)" in told.output
    assert "ticks: [1, 1, 2, 2" in told.output
    assert told.output.endswith("specification: 0 passed, 1 failed; beyond it: 0 yes, 0 no\n")


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
async def test_what_the_specification_is_silent_on_counts_only_if_asked_for(
    strict: tuple[str, ...], code: int
) -> None:
    told = await said("runs a message twice", "--only", "same-message-runs-once", "--json", *strict)
    assert json.loads(told.output)["result"] == "failed"
    assert told.exit_code == code


async def test_an_agent_that_does_not_tick_is_asked_in_its_own_words() -> None:
    told = await said("", "--text", "tick 12 0.005 16", "--only", "in-order", "--only", "ends-once")
    assert told.exit_code == 0
    assert "-        in-order                         the agent doesn't tick" in told.output
    assert "passed   ends-once" in told.output


async def test_the_crash_is_the_users_own_command(tmp_path: Path) -> None:
    killed, begun = tmp_path / "killed", tmp_path / "started"
    commands = ("--crash-command", f"touch {killed}", "--start-command", f"touch {begun}")
    told = await said("", *commands, "--only", "crash-keeps-the-task")
    assert "yes      crash-keeps-the-task" in told.output
    assert killed.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "nothing"), "There is no check nothing"),
        (("--message", "[1"), "--message takes a JSON object"),
        (("--header", "wrong"), "A header is 'Name: value'"),
        (("--start-command", "true"), "--start-command needs --crash-command"),
        (("--binding", "HTTP+JSON"), "it offers JSONRPC 1.0"),
        (("--a2a-version", "0.3"), "it offers JSONRPC 1.0"),
    ],
)
async def test_wrong_use_is_told(arguments: tuple[str, ...], words: str) -> None:
    told = await said("", *arguments)
    assert told.exit_code == 2
    assert words in " ".join(told.output.replace("│", " ").split())
