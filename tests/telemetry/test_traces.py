"""A request is one trace: through fronts, workers, attempts, specialists and systems of record, in whichever process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from processes import started
from streams import message, request
from telemetry.collecting import CALLER, TRACE, TRACEPARENT, collecting, exporting

pytest.importorskip("opentelemetry.sdk", reason="the extra `telemetry` isn't installed")


async def test_a_customers_request_is_one_trace_down_to_the_systems_of_record(
    http: httpx2.AsyncClient, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    words = "Please refund the baggage fee for MT4821"
    async with collecting() as collector:
        store: Any = {"A2A_REDIS_URL": redis_url, **exporting(collector)}
        with started("up", data_dir=tmp_path, **store) as up:
            body = request("tasks/sendSubscribe", "t1", message(words))
            headers = {"traceparent": TRACEPARENT}
            told = (await http.post(f"{up.url}/", json=body, headers=headers)).text
            assert "Shall I?" in told
            assert TRACE not in told  # what is noted with messages is nobody else's
            read = await collector.until("records billing.refundable")
            intent = await collector.until("run intent")
            again = request("tasks/send", "t1", message("yes"))
            answer = (await http.post(f"{up.url}/", json=again)).json()
            assert answer["result"]["status"]["state"] == "completed"
            paid = await collector.until("records billing.refund")
            await collector.until("tasks/send")
    assert {one.trace for one in collector.spans} == {TRACE, paid.trace}
    asked = await collector.until("tasks/sendSubscribe")
    assert asked.parent == CALLER
    down = ["tasks/sendSubscribe", "run intent", "delegate billing", "SendStreamingMessage"]
    assert collector.above(read)[:5] == [*down, "run billing"]
    down[0] = "tasks/send"
    assert collector.above(paid) == [*down, "run billing", "step"]
    assert intent.attributes["a2a.task.id"] == "t1"
    assert intent.attributes["a2a.state"] == "input-required"
    assert not any(one.failed for one in collector.spans)
    assert words not in collector.text
    assert "baggage" not in collector.text


async def test_an_attempt_in_another_process_is_in_the_same_trace(
    http: httpx2.AsyncClient, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    app = "apps.stepping:SteppingAgent"
    async with collecting() as collector:
        told: Any = {
            "A2A_REDIS_URL": redis_url,
            "A2A_LEASE_SECONDS": "1",
            "STEPPING_NOTES": str(notes),
            **exporting(collector),
        }
        with started("serve", app, "--role", "front", data_dir=tmp_path, **told) as front:
            body = request("tasks/sendSubscribe", "t1", message("go"))
            asked = http.stream("POST", f"{front.url}/", json=body)
            async with asked as response:
                lines = response.aiter_lines()
                with started("serve", app, "--role", "worker", data_dir=tmp_path, **told) as first:
                    async for line in lines:
                        if "Waiting for leave" in line:
                            break
                    first.process.kill()
                notes.with_suffix(".leave").touch()
                with started("serve", app, "--role", "worker", data_dir=tmp_path, **told) as second:
                    assert "completed" in "".join([line async for line in lines])
                    run = await collector.until("run stepping")
                    await collector.until("tasks/sendSubscribe")
                    shown = (await http.get(f"{second.url}/metrics")).text
    [accepted] = [one for one in collector.spans if one.name == "tasks/sendSubscribe"]
    assert (run.trace, run.parent) == (accepted.trace, accepted.id)
    assert run.process != accepted.process
    assert run.attributes["a2a.attempt"] == "2"
    steps = [one for one in collector.spans if one.name == "step" and one.process == run.process]
    assert [one.attributes["a2a.step"] for one in steps] == ["second"]  # the first is remembered
    assert notes.read_text().split() == ["first", "second"]
    assert 'a2a_leases_total{agent="stepping",turn="again"} 1.0' in shown
    assert 'a2a_leases_total{agent="stepping",turn="first"} 0.0' in shown
