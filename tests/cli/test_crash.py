"""A process is killed in the middle of a task; another one finishes it."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx2
import pytest

from processes import started
from streams import asked, called, message, states, streaming

AGENT = "apps.stepping:SteppingAgent"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_task_is_finished_by_another_process_and_its_finished_step_isnt_repeated(
    number: signal.Signals,
    tmp_path: Path,
    http: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, notes = tmp_path / "data", tmp_path / "notes"
    monkeypatch.setenv("STEPPING_NOTES", str(notes))
    with started("serve", AGENT, data_dir=data, A2A_LEASE_SECONDS="1") as first:
        url = f"{first.url}/"
        async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
            seen = [await anext(told)]
            while "Waiting" not in str(seen[-1].data):
                seen.append(await anext(told))
        first.process.send_signal(number)
        first.process.wait(20)
    with started("serve", AGENT, data_dir=data, A2A_LEASE_SECONDS="1") as second:
        notes.with_suffix(".leave").touch()
        rest = await called(http, f"{second.url}/", "tasks/resubscribe", "t1", after=seen[-1].id)
        task = (await asked(http, f"{second.url}/", "tasks/get", "t1"))["result"]
    assert states(rest)[-1] == "completed"
    assert "reset" not in str(rest)
    offsets = [int(frame.id.split("-")[1]) for frame in seen + rest]
    assert offsets == list(range(1, len(offsets) + 1))
    assert notes.read_text().split() == ["first", "second"]
    # The second attempt's artifact stands in the place of the first one's half.
    attempt = 2 if number is signal.SIGKILL else 1  # a drain spends none
    [words] = task["artifacts"]
    assert "".join(part["text"] for part in words["parts"]) == f"attempt {attempt} went on"
