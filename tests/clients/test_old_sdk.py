"""Clients that were written before: a2a-sdk 0.3.26 and httpx-sse, in an environment of their own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from conftest import serving
from keyholders import key_for

HERE = Path(__file__).parent
HOME = HERE.parent.parent / ".cache" / "old-sdk"
HEARTBEAT = 0.02


class Slow(Agent):
    """Says three things, with pauses in which heartbeats come."""

    card = agent_card("slow")

    async def run(self, run: Run) -> None:
        await run.working("one")
        await asyncio.sleep(3 * HEARTBEAT)
        await run.attach("thing", "two")
        await run.complete("three")


@pytest.fixture(scope="session")
def old_python() -> Path:
    """A Python with the old SDK; made once a checkout."""
    python = HOME / "bin" / "python"
    wanted = (HERE / "old_sdk.txt").read_text()
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "old-sdk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = HOME / "done"
        if not done.exists() or done.read_text() != wanted:
            uv = [sys.executable, "-m", "uv"]
            made = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)]
            subprocess.run(made, check=True)
            sync = ["pip", "sync", "--quiet", "--python", str(python), "--require-hashes"]
            subprocess.run([*uv, *sync, str(HERE / "old_sdk.txt")], check=True)
            done.write_text(wanted)
    return python


KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SIGNING_IN = {
    "auth_keys": True,
    "auth_issuer": "https://issuer.example",
    "auth_audience": "slow",
    "card_signing_key": SecretStr(PEM),
}
"""Everything that a card can say of how to sign in."""


@pytest.mark.timeout(180)  # the first time, packages are fetched
@pytest.mark.parametrize("signs_in", [False, True])
async def test_old_clients_read_our_cards_answers_and_streams(
    settings: Settings, old_python: Path, signs_in: bool
) -> None:
    changed = SIGNING_IN if signs_in else {}
    beating = settings.model_copy(update={"heartbeat_seconds": HEARTBEAT, **changed})
    app = create_app(Slow(), settings=beating)
    async with serving(app) as served:
        key = [await key_for(app.state.node, "mia")] if signs_in else []
        program = await asyncio.create_subprocess_exec(
            old_python, HERE / "old_sdk.py", served.url, *key, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await program.communicate()
    assert program.returncode == 0
    seen: dict[str, Any] = json.loads(told)
    assert seen["card"] == ["Slow Agent", "0.3.0", "JSONRPC"]
    wanted = {"apiKey": "apiKey", "openIdConnect": "openIdConnect"}
    assert seen["schemes"] == (wanted if signs_in else {})
    refused = seen["jsonrpc"].pop("refused")
    assert "has already ended" in refused
    assert seen["jsonrpc"] == {"events": 4, "state": "completed", "again": "completed"}
    assert seen["rest"] == {"events": 4, "final": True, "state": "completed"}
    assert seen["httpx_sse"] == [{"events": 4, "empty": 0}] * 3
