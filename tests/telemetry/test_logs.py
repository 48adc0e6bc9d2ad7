"""Logs for machines: ids in every line of a run, and no word of what customers say."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import tracing
from a2a_streaming.telemetry import configure_logging, get_logger
from processes import started
from streams import message, request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
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
        brought = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        answer = await http.post(f"{running.url}/", json=body, headers=brought)
        task = answer.json()["result"]
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
        assert line["trace"] == TRACE  # though nobody traces here
    assert (thinking["logger"], thinking["level"]) == ("blurting", "warning")
    for told_of in ("ValueError", "KeyError", "ExceptionGroup", "blurting.py"):
        assert told_of in failed["exception"]
    assert (WORDS in said) == (level == "debug")
    assert (WORDS in failed["exception"]) == (level == "debug")


@pytest.mark.parametrize("kind", ["console", "json"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_what_exceptions_say_stands_in_no_line_unless_debug_lines_are_wanted(
    kind: Literal["console", "json"], level: Literal["info", "debug"]
) -> None:
    root, said = logging.getLogger(), io.StringIO()
    before = [*root.handlers], root.level
    try:
        configure_logging(kind, level)
        [handler] = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(said)
        try:
            int(WORDS)
        except ValueError:
            get_logger("some").exception("it failed")
    finally:
        root.handlers[:], root.level = before
    assert "ValueError" in said.getvalue()
    assert "test_logs.py" in said.getvalue()
    assert (WORDS in said.getvalue()) == (level == "debug")


def test_a_trace_that_is_brought_along_goes_through_and_nothing_that_is_none() -> None:
    brought = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=1"}
    with tracing.span("a request", parent={**brought, "more": 1}):
        assert tracing.carrier() == brought
        with tracing.span("a step"):
            assert tracing.trace_id() == TRACE
        with tracing.span("another request", parent={}):
            assert tracing.trace_id() == ""
        assert tracing.carrier() == brought
    assert tracing.carrier() == {}
    for wrong in (7, "", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"00-{TRACE}-1-01"):
        with tracing.span("a request", parent={"traceparent": wrong}):
            assert tracing.carrier() == {}
