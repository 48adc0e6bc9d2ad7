"""@a2a-js/sdk's client in a real Node program: every transport and version that it speaks."""

from __future__ import annotations

import asyncio
import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from a2a_streaming.settings import Settings
from programs import needs
from receivers import receiving
from transports import SPOKEN, Counting, serving_both

HERE = Path(__file__).parent / "js"
HOME = HERE.parent.parent.parent / ".cache" / "js-sdk"

WHOLE = "one two three four"
NO_LISTS = {
    "JSONRPC": "JsonRpcTransportError",
    "HTTP+JSON": "UnsupportedOperationError",
    "GRPC": "UnsupportedOperationError",
}
"""How the client says that 0.3 has no lists."""


@pytest.fixture(scope="session")
def js_home() -> Path:
    """A folder with the JavaScript SDK; made once a checkout."""
    wanted = (HERE / "package-lock.json").read_text()
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "js-sdk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = HOME / "done"
        if not done.exists() or done.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, HOME)
            quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            subprocess.run(["npm", "ci", *quiet], cwd=HOME, check=True)
            done.write_text(wanted)
    return HOME


@needs("node", "npm")
@pytest.mark.timeout(180)  # the first time, packages are fetched
@pytest.mark.parametrize(("transport", "version"), SPOKEN)
async def test_it_sends_streams_cancels_resumes_and_sets_webhooks(
    settings: Settings, js_home: Path, transport: str, version: str
) -> None:
    agent = Counting()
    private = settings.model_copy(update={"push_private": True})
    async with serving_both(agent, private) as both, receiving() as receiver:
        program = await asyncio.create_subprocess_exec(
            *("node", HERE / "client.mjs", js_home, both.http.url),
            *(transport, version, receiver.url),
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdout is not None
        last = b""
        async for line in program.stdout:
            if line == b"go\n":
                agent.go.set()
            last = line
        assert await program.wait() == 0
        await receiver.until_completed()
    seen: dict[str, Any] = json.loads(last)
    assert seen["speaks"] == [transport, version]
    assert seen["sent"] == {"state": "completed", "text": WHOLE}
    # This client reads the names of errors in gRPC's details, which 0.3 doesn't have.
    typed = (transport, version) != ("GRPC", "0.3")
    not_found = "TaskNotFoundError" if typed else "A2AError"
    assert seen["streamed"] == {
        "asked": {"states": ["submitted", "working", "input_required"], "text": WHOLE},
        "followed": "completed",
        "got": "completed",
        "cancel": "TaskNotCancelableError" if typed else "A2AError",
        "missing": not_found,
        "listed": ["completed"] if version == "1.0" else NO_LISTS[transport],
    }
    assert seen["canceled"] == {
        "answered": "canceled",
        "states": ["submitted", "working", "canceled"],
    }
    resumed = seen["resumed"]
    assert resumed["seen"] == {"states": ["submitted", "working"], "text": "one two "}
    assert (resumed["states"], resumed["text"]) == (["working", "completed"], WHOLE)
    assert resumed["webhooks"] == {
        "kept": [True, True],
        "both": ["mine", "other"],
        "left": ["mine"],
        "missing": not_found,
    }
    if transport == "GRPC":
        assert resumed["after"] == {"states": ["completed"], "text": "three four"}
    assert set(receiver.states) == {"completed"}
    assert {headers["authorization"] for _, headers, _ in receiver.taken} == {"Bearer secret"}
