"""`ops`, in processes of its own: one is killed while alerts are raised, and none is lost or raised twice."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import redis.asyncio
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from a2a_streaming import Run
from a2a_streaming.settings import Settings
from agents import hangs, working
from conftest import serving
from processes import free_port, ran, started
from tasks import until

TASKS = 24
SECRET = "a secret of more than twenty-four bytes"  # noqa: S105
LIMITS = """
[webhook]
url = "{url}"

[[limits]]
name = "slow"
measure = "working"
seconds = 0.2
repeats = 1
repeat_seconds = 1
"""


async def works_for_ever(run: Run) -> None:
    await run.working("thinking")
    await hangs(run)


async def test_when_one_of_two_is_killed_each_deadline_and_repeat_is_raised_once_and_all_are_told(
    settings: Settings, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    told: Counter[str] = Counter()

    async def take(request: Request) -> Response:
        told[request.headers["webhook-id"]] += 1
        return Response(status_code=204)

    app = Starlette(routes=[Route("/hook", take, methods=["POST"])])
    file = tmp_path / "sla.toml"
    environment: dict[str, Any] = {
        "A2A_REDIS_URL": redis_url,
        "A2A_SLA": str(file),
        "A2A_SLA_SECRET": SECRET,
        "A2A_LOG_LEVEL": "error",  # nobody reads what they say
    }
    async with serving(app) as served:
        file.write_text(LIMITS.format(url=f"{served.url}/hook"))
        limits = settings.model_copy(update={"sla": str(file), "sla_secret": SecretStr(SECRET)})
        one = started("ops", data_dir=tmp_path / "one", **environment)
        two = started("ops", data_dir=tmp_path / "two", **environment)
        with one as dies, two as stays:
            async with working(limits, raw, works_for_ever, role="worker") as desk:
                for n in range(TASKS):
                    await desk.send(task=f"t{n}")

                async def alerts() -> list[tuple[str, int]]:
                    entries: Any = await raw.xrange(desk.manager.keys.alerts)
                    found = [json.loads(fields[b"e"]) for _, fields in entries]
                    return [(alert["task"], alert["number"]) for alert in found]

                async def some() -> bool:
                    return len(await alerts()) >= TASKS // 2

                await until(some)
                assert dies.ended(signal.SIGKILL) == -signal.SIGKILL

                async def all_of_them() -> bool:
                    last = {task for task, number in await alerts() if number == 1}
                    return len(last) == TASKS

                await until(all_of_them, 40)
                raised = Counter(await alerts())
                assert set(raised.values()) == {1}
                assert {task for task, number in raised if number == 0} <= {
                    f"t{n}" for n in range(TASKS)
                }

                async def all_told() -> bool:
                    return len(told) == len(raised)

                await until(all_told, 40)
                async with httpx2.AsyncClient() as http:
                    shown = (await http.get(f"{stays.url}/metrics")).text
                    assert 'a2a_alerts_total{agent="scripted",limit="slow"' in shown
                    summary = (await http.get(f"{stays.url}/ops/api/summary")).json()
                assert summary["alerts"]["open"] == len(raised)
                assert [node["role"] for node in summary["nodes"]].count("ops") >= 1
            assert stays.ended(signal.SIGTERM) == 0


def test_limits_that_cant_be_read_are_said_before_anything_starts(
    redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "sla.toml"
    file.write_text('[[limits]]\nname = "slow"\nmeasure = "works"\nseconds = 1\n')
    ended = ran(
        *("ops", "--port", str(free_port())),
        A2A_REDIS_URL=redis_url,
        A2A_SLA=str(file),
        A2A_DATA_DIR=str(tmp_path),
    )
    assert ended.returncode == 1
    assert "limits['slow'].measure: Input should be" in ended.stderr
