"""A first signal asks for a clean end, whatever the process is at; a second one is the end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM

import httpx2
import pytest

from processes import Running, launched, started
from streams import asked, message, streaming

STUBBORN = "apps.stubborn:StubbornAgent"

once = pytest.mark.parametrize("number", [SIGINT, SIGTERM])
twice = pytest.mark.parametrize(("first", "second"), [(SIGTERM, SIGTERM), (SIGINT, SIGINT)])
either = pytest.mark.parametrize(("first", "second"), [(SIGTERM, SIGINT), (SIGINT, SIGTERM)])


@asynccontextmanager
async def holding(http: httpx2.AsyncClient, up: Running, how: str) -> AsyncIterator[None]:
    """The agent is in the middle of a message."""
    sent = asyncio.create_task(asked(http, f"{up.url}/", "tasks/send", "t1", message(how)))
    try:
        await asyncio.to_thread(up.until_said, "holding on")
        yield
    finally:
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)


async def until_unready(http: httpx2.AsyncClient, up: Running) -> None:
    """Wait until a process takes nothing more."""
    try:
        async with asyncio.timeout(20):
            while (await http.get(f"{up.url}/readyz")).status_code == 200:
                await asyncio.sleep(0.01)
    except httpx2.TransportError:
        pass


@pytest.mark.parametrize("first", [SIGTERM, SIGINT])
@pytest.mark.parametrize("second", [SIGTERM, SIGINT])
async def test_a_second_signal_ends_it_while_an_agent_holds_up_the_end(
    first: signal.Signals, second: signal.Signals, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("serve", STUBBORN, data_dir=tmp_path / "data") as up:
        async with holding(http, up, "hold"):
            up.process.send_signal(first)
            await until_unready(http, up)
            assert up.ended(second) == -second
        up.until_alone()


@twice
async def test_a_second_signal_ends_it_while_an_agent_blocks_the_event_loop(
    first: signal.Signals, second: signal.Signals, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("serve", STUBBORN, data_dir=tmp_path / "data") as up:
        async with holding(http, up, f"block {tmp_path / 'never'}"):
            up.process.send_signal(first)
            up.until_taken(first)
            assert up.ended(second) == -second
        up.until_alone()


@once
async def test_a_first_signal_is_heard_while_an_agent_blocks_the_event_loop(
    number: signal.Signals, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    leave = tmp_path / "leave"
    with started("serve", STUBBORN, data_dir=tmp_path / "data", A2A_LEASE_SECONDS="60") as up:
        async with holding(http, up, f"block {leave}"):
            up.process.send_signal(number)
            up.until_taken(number)
            leave.touch()
            assert up.process.wait(20) == 0
        assert not up.store_pids()


async def test_a_second_signal_ends_it_while_redis_is_silent(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("up", data_dir=tmp_path / "data", A2A_REDIS_TIMEOUT="600") as up:
        url = f"{up.url}/"
        said = message("Please change the date of my flight")
        async with streaming(http, url, "tasks/sendSubscribe", "t1", said) as told:
            await anext(told)
            with stopped(up.store_pids()):
                up.process.send_signal(SIGTERM)
                up.until_taken(SIGTERM)
                assert up.ended(SIGTERM) == -SIGTERM
        up.until_alone()


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """These processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@either
def test_a_second_signal_ends_a_start_that_hangs(
    first: signal.Signals, second: signal.Signals, tmp_path: Path
) -> None:
    directory = tmp_path / "data" / "redis"
    directory.mkdir(mode=0o700, parents=True)
    with (directory / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # nobody joins the store
        with launched("serve", STUBBORN, data_dir=tmp_path / "data") as up:
            until_open(up, directory / "gate")
            up.process.send_signal(first)
            up.until_taken(first)
            assert up.ended(second) == -second
            up.until_alone()


def until_open(up: Running, path: Path) -> None:
    """Wait until a process has a file open."""
    descriptors = Path(f"/proc/{up.process.pid}/fd")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for descriptor in list(descriptors.iterdir()):
            try:
                if descriptor.readlink() == path:
                    return
            except FileNotFoundError:  # closed in the meantime
                continue
        time.sleep(0.01)
    raise AssertionError(f"it didn't open {path}")


@once
def test_a_first_signal_calls_a_start_off(number: signal.Signals, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with launched(
            "up", data_dir=tmp_path / "data", A2A_REDIS_URL=url, A2A_REDIS_TIMEOUT="600"
        ) as up:
            asking, _ = silent.accept()
            with asking:
                assert up.ended(number) == 0
            assert up.process.stdout is not None
            said = up.process.stdout.read()
    assert "stopping" in said
    assert "Traceback" not in said
    assert "is ready" not in said


@once
def test_a_first_signal_calls_the_embedded_stores_start_off(
    number: signal.Signals, tmp_path: Path
) -> None:
    silent = tmp_path / "silent-server"
    silent.write_text(f"#!{sys.executable}\nimport signal\n\nsignal.pause()\n")
    silent.chmod(0o755)
    with launched("up", data_dir=tmp_path / "data", A2A_REDIS_SERVER=str(silent)) as up:
        until_open(up, tmp_path / "data" / "redis" / "alive")
        assert up.ended(number) == 0
        up.until_alone()
