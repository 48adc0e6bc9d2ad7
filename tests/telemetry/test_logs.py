"""Logs for machines: ids in every line of a run, and no word of what customers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from processes import started
from streams import message, request

WORDS = "my card is 4929 1234"


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_lines_of_a_run_have_its_ids_and_what_customers_say_stands_in_debug_lines_alone(
    level: str,
    http: httpx2.AsyncClient,
    raw: redis.asyncio.Redis,
    redis_url: str,
    tmp_path: Path,
) -> None:
    told: Any = {"A2A_REDIS_URL": redis_url, "A2A_LOG_FORMAT": "json"}
    app = "apps.blurting:BlurtingAgent"
    with started("serve", app, data_dir=tmp_path, A2A_LOG_LEVEL=level, **told) as running:
        body = request("tasks/send", "t1", message(WORDS), sessionId="s1")
        task = (await http.post(f"{running.url}/", json=body)).json()["result"]
        assert task["status"]["state"] == "failed"
        assert running.ended() == 0
        assert running.process.stdout is not None
        said = running.process.stdout.read()
    lines: list[dict[str, Any]] = [json.loads(one) for one in said.splitlines() if one[:1] == "{"]
    [thinking] = [line for line in lines if line["event"] == "thinking"]
    [failed] = [line for line in lines if line["event"].startswith("the agent failed")]
    for line in (thinking, failed):
        ids = {key: line[key] for key in ("agent", "task", "context", "attempt")}
        assert ids == {"agent": "blurting", "task": "t1", "context": "s1", "attempt": 1}
        assert line["run"] == thinking["run"] > 0
        assert "trace" not in line
    assert (thinking["logger"], thinking["level"]) == ("blurting", "warning")
    for told_of in ("ValueError", "KeyError", "ExceptionGroup", "blurting.py"):
        assert told_of in failed["exception"]
    assert (WORDS in said) == (level == "debug")
    assert (WORDS in failed["exception"]) == (level == "debug")
