"""A process that runs an executor is killed or drains: the task is resumed, or fails and says why; it is never stuck."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import httpx2
import pytest

from processes import Running, started
from streams import asked, called, message, states, streaming
from tasks import until


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the executor notes that it runs."""
    notes = tmp_path / "notes"
    monkeypatch.setenv("EXECUTING_NOTES", str(notes))
    return notes


def ran(notes: Path) -> list[str]:
    """What the executor was asked to do, in all processes."""
    return notes.read_text().split() if notes.exists() else []


def words(task: dict) -> str:
    """A task's one artifact."""
    [artifact] = task["result"]["artifacts"]
    return "".join(part["text"] for part in artifact["parts"])


async def until_waiting(http: httpx2.AsyncClient, server: Running, text: str = "go") -> str:
    """Send a message, and read until the executor waits for leave; the last position."""
    url = f"{server.url}/"
    async with streaming(http, url, "tasks/sendSubscribe", "t1", message(text)) as told:
        async for frame in told:
            if "Waiting" in str(frame.data):
                return frame.id
    raise AssertionError("it ended")


async def test_an_executor_that_had_begun_to_emit_isnt_run_twice_when_its_process_is_killed(
    tmp_path: Path, http: httpx2.AsyncClient, notes: Path
) -> None:
    data = tmp_path / "data"
    with started("serve", "apps.executing:executor", data_dir=data, A2A_LEASE_SECONDS="1") as one:
        seen = await until_waiting(http, one)
        one.process.kill()
        one.process.wait(20)
    with started("serve", "apps.executing:executor", data_dir=data, A2A_LEASE_SECONDS="1") as two:
        url = f"{two.url}/"
        rest = await called(http, url, "tasks/resubscribe", "t1", after=seen)
        task = await asked(http, url, "tasks/get", "t1")
    assert states(rest) == ["failed"]
    said = rest[-1].data["status"]["message"]["parts"][0]["text"]
    assert "can't be repeated safely" in said
    assert words(task) == "half "  # what was said stands
    assert ran(notes) == ["execute"]


async def test_a_resumable_executor_is_run_again_and_nothing_stands_twice(
    tmp_path: Path, http: httpx2.AsyncClient, notes: Path
) -> None:
    target, data = "apps.executing:ResumableExecutor", tmp_path / "data"
    with started("serve", target, data_dir=data, A2A_LEASE_SECONDS="1") as one:
        seen = await until_waiting(http, one)
        one.process.kill()
        one.process.wait(20)
    notes.with_suffix(".leave").touch()
    with started("serve", target, data_dir=data, A2A_LEASE_SECONDS="1") as two:
        url = f"{two.url}/"
        rest = await called(http, url, "tasks/resubscribe", "t1", after=seen)
        task = await asked(http, url, "tasks/get", "t1")
    assert states(rest)[-1] == "completed"
    assert words(task) == "half whole"
    assert ran(notes) == ["execute", "execute"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_executor_that_had_emitted_nothing_is_run_again(
    tmp_path: Path, http: httpx2.AsyncClient, notes: Path, number: signal.Signals
) -> None:
    serve = partial(
        started,
        *("serve", "apps.executing:executor"),
        data_dir=tmp_path / "data",
        A2A_LEASE_SECONDS="1",
        A2A_CANCEL_SECONDS="1",
    )
    with serve() as one:
        url = f"{one.url}/"
        async with streaming(http, url, "tasks/sendSubscribe", "t1", message("silence")) as told:
            await anext(told)

            async def runs() -> bool:
                return ran(notes) != []

            await until(runs)
            one.process.send_signal(number)
            one.process.wait(20)
    notes.with_suffix(".leave").touch()
    with serve() as two:
        rest = await called(http, f"{two.url}/", "tasks/resubscribe", "t1")
    assert states(rest)[-1] == "completed"
    assert ran(notes) == ["execute", "execute"]


async def test_a_drain_lets_an_executor_finish_that_nobody_else_may(
    tmp_path: Path, http: httpx2.AsyncClient, notes: Path
) -> None:
    target, data = "apps.executing:executor", tmp_path / "data"
    with started("serve", target, data_dir=data, A2A_CANCEL_SECONDS="10") as one:
        await until_waiting(http, one)
        one.process.send_signal(signal.SIGTERM)
        one.until_taken(signal.SIGTERM)
        notes.with_suffix(".leave").touch()
        one.process.wait(20)
    with started("serve", target, data_dir=data) as two:
        task = await asked(http, f"{two.url}/", "tasks/get", "t1")
    assert task["result"]["status"]["state"] == "completed"
    assert words(task) == "half whole"
    assert ran(notes) == ["execute"]


async def test_an_executor_that_doesnt_finish_in_a_drain_isnt_run_twice(
    tmp_path: Path, http: httpx2.AsyncClient, notes: Path
) -> None:
    target, data = "apps.executing:executor", tmp_path / "data"
    with started("serve", target, data_dir=data, A2A_CANCEL_SECONDS="1") as one:
        seen = await until_waiting(http, one)
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(20)
    with started("serve", target, data_dir=data, A2A_CANCEL_SECONDS="1") as two:
        rest = await called(http, f"{two.url}/", "tasks/resubscribe", "t1", after=seen)
    assert states(rest)[-1] == "failed"
    assert ran(notes) == ["execute"]
