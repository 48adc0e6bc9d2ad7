"""`up`, as a newcomer meets it: one command, curl, Ctrl-C; and what a crash leaves behind."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest

from processes import Running, free_port, ran, started
from programs import needs
from streams import asked, called, frames, message, states, streaming

README = Path(__file__).parent.parent.parent / "README.md"
QUESTION = "What's my account balance?"


def blocks(kind: str) -> str:
    """The README's script of a kind."""
    return "\n".join(
        re.findall(rf"^```sh {kind}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    )


def run_blocks(kind: str, up: Running) -> str:
    """Run the README's script against a server of ours, and return what it printed."""
    script = blocks(kind).replace("http://127.0.0.1:8000", up.url)
    script = script.replace(".data/redis/redis.sock", str(up.data_dir / "redis" / "redis.sock"))
    assert script, f"the README has no {kind} script"
    ran = subprocess.run(
        ["bash", "-uc", script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert not ran.stderr, ran.stderr
    return ran.stdout


@needs("curl", "bash")
def test_the_readmes_walk_tells_the_whole_story(tmp_path: Path) -> None:
    with started("up", data_dir=tmp_path / "data", cold=True) as up:
        first = run_blocks("walk", up)
        again = run_blocks("walk", up)
    assert first.count('"state":"submitted"') >= 3
    assert '{"id":"task-123","status":{"state":"submitted","timestamp":"' in first
    assert re.search(r'"id":"task-123","status":\{"state":"completed".*?"final":true,', first)
    assert re.search(r'"id":"task-124","status":\{"state":"completed".*?"final":true,', first)
    assert '"name":"intent"' in first
    assert re.search(r'"id":"6","result":\{"id":"task-123"', first)
    assert re.search(r'"id":"7","result":\{"id":"task-125".*?"state":"input-required"', first)
    assert re.search(r'"id":"8","result":\{"id":"task-125".*?"state":"canceled"', first)
    # A newcomer repeats it: the same story, at the same positions.
    assert (
        re.findall(r"^id: \S+", again, re.MULTILINE)[:5]
        == re.findall(r"^id: \S+", first, re.MULTILINE)[:5]
    )


@needs("redis-cli", "timeout")
def test_redis_cli_shows_the_keys_and_the_live_events(tmp_path: Path) -> None:
    with started("up", data_dir=tmp_path / "data") as up:
        place = str(up.data_dir / "redis" / "redis.sock")
        listening = subprocess.Popen(
            ["redis-cli", "-s", place, "PSUBSCRIBE", "channel:task:*"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert listening.stdout is not None
            assert listening.stdout.readline() == "psubscribe\n"
            body = {
                "jsonrpc": "2.0",
                "id": "1",
                "method": "tasks/sendSubscribe",
                "params": {"id": "task-123", "message": message(QUESTION)},
            }
            httpx2.post(f"{up.url}/", json=body, timeout=20)
            live = ""
            while "TASK_STATE_COMPLETED" not in live:
                live += listening.stdout.readline()
        finally:
            listening.terminate()
            listening.communicate(timeout=10)
        assert "channel:task:{task-123}" in live
        keys = _redis(place, "--scan", "--pattern", "*").splitlines()
        assert {"task:{task-123}", "task:{task-123}:meta", "task:{task-123}:stream"} <= set(keys)
        assert {"index:owner:", "index:agent:intent", "work:intent"} <= set(keys)
        for key in keys:
            assert int(_redis(place, "PTTL", key)) > 0, key
        script = "\n".join(
            line for line in blocks("redis").splitlines() if "PSUBSCRIBE" not in line
        )
        shown = subprocess.run(
            ["bash", "-euc", script.replace(".data/redis/redis.sock", place)],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        assert "TASK_STATE_SUBMITTED" in shown


def _redis(place: str, *arguments: str) -> str:
    shown = subprocess.run(
        ["redis-cli", "-s", place, *arguments], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


async def test_a_task_outlives_the_process_and_is_told_by_the_next_one(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    data = tmp_path / "data"
    with started("up", data_dir=data) as up:
        told = await called(http, f"{up.url}/", "tasks/sendSubscribe", "t1", message(QUESTION))
        up.process.kill()
        up.process.wait(10)
    with started("up", data_dir=data) as up:
        again = await called(http, f"{up.url}/", "tasks/resubscribe", "t1")
        task = await asked(http, f"{up.url}/", "tasks/get", "t1")
    # The store syncs once a second, but the process' death isn't the store's: nothing is lost.
    assert frames(again) == frames(told)
    assert task["result"]["status"]["state"] == "completed"


async def test_a_killed_process_leaves_no_store_behind(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("up", data_dir=tmp_path / "data") as up:
        place = up.data_dir / "redis" / "redis.sock"
        assert place.stat().st_mode & 0o777 == 0o700
        assert up.store_pids()
        up.process.kill()
        up.process.wait(10)
        up.until_alone()


def test_a_second_up_on_the_same_data_says_so(tmp_path: Path) -> None:
    with started("up", data_dir=tmp_path / "data") as up:
        second = ran("up", "--port", str(free_port()), "--data-dir", str(up.data_dir))
    assert second.returncode == 1
    assert "Another `a2a-streaming up`" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_clean_with_a_stream_open(
    number: signal.Signals, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("up", data_dir=tmp_path / "data") as up:
        url = f"{up.url}/"
        await called(
            http, url, "tasks/sendSubscribe", "t1", message("Please change the date of my flight")
        )
        last = (await called(http, url, "tasks/resubscribe", "t1"))[-1]
        assert last.data["status"]["state"] == "input-required"
        async with streaming(http, url, "tasks/resubscribe", "t1", after=last.id) as told:
            assert up.ended(number) == 0
            assert [frame async for frame in told] == []
        assert not up.store_pids()


def test_an_unreachable_redis_is_told_in_one_sentence(tmp_path: Path) -> None:
    port = free_port()
    for arguments in (["up"], ["serve", "billing"]):
        url = f"redis://user:secret@127.0.0.1:{port}"
        ended = ran(
            *(*arguments, "--port", str(free_port())),
            A2A_REDIS_URL=url,
            A2A_DATA_DIR=str(tmp_path),
        )
        assert ended.returncode == 1
        said = [line for line in ended.stderr.splitlines() if line.startswith("a2a-streaming:")]
        assert len(said) == 1
        assert "A2A_REDIS_URL" in said[0]
        assert "secret" not in ended.stderr + ended.stdout
        assert "Traceback" not in ended.stderr


def test_a_busy_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = failing(tmp_path, "up", "--port", str(taken.getsockname()[1]))
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["up"], {"A2A_LEASE_SECONDS": "soon"}, "A2A_LEASE_SECONDS"),
        (["up", "--host", "0.0.0.0"], {}, "loopback"),
        (["serve", "nothing.here:Agent"], {}, "nothing.here"),
    ],
)
def test_a_wrong_setting_is_told(
    arguments: list[str], settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    port = str(free_port())
    assert said in failing(tmp_path, *arguments, "--port", port, **settings)


def failing(tmp_path: Path, *arguments: str, **settings: str) -> str:
    """What a command says that can't start."""
    ended = ran(*arguments, A2A_DATA_DIR=str(tmp_path / "data"), **settings)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


async def test_one_agent_is_served_by_name_and_by_place(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with started("serve", "apps.greeting:GreetingAgent", data_dir=tmp_path / "data") as up:
        told = await called(http, f"{up.url}/", "tasks/sendSubscribe", "t1", message("you"))
        assert states(told) == ["submitted", "working", "completed"]
        sent = ran("send", "me", "--url", up.url)
        assert "completed" in sent.stdout
    with started("serve", "billing", data_dir=tmp_path / "data") as up:
        told = await called(http, f"{up.url}/", "tasks/sendSubscribe", "t2", message(QUESTION))
        assert states(told)[-1] == "completed"


@needs("redis-server")
async def test_the_store_may_be_a_server_from_path(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    server = shutil.which("redis-server")
    assert server is not None
    with started(
        "serve", "apps.greeting:GreetingAgent", data_dir=tmp_path / "data", A2A_REDIS_SERVER=server
    ) as up:
        told = await called(http, f"{up.url}/", "tasks/sendSubscribe", "t1", message("you"))
    assert states(told)[-1] == "completed"
