"""`create_app` in other people's applications and servers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from a2a_streaming import create_app
from a2a_streaming.settings import Settings
from apps.greeting import GreetingAgent
from conftest import serving
from streams import called, frames, message
from tasks import until

APPS = Path(__file__).parent.parent / "apps"


@pytest.mark.parametrize("lifespan", ["on", "off"])
async def test_an_agent_serves_alone(
    lifespan: Literal["on", "off"], settings: Settings, http: httpx2.AsyncClient
) -> None:
    app = create_app(GreetingAgent(), settings=settings)
    async with serving(app, lifespan=lifespan) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("you"))
        await _end_without_lifespan(app, lifespan)
    assert [frame.data["status"]["state"] for frame in told if "status" in frame.data] == [
        "submitted",
        "working",
        "completed",
    ]


async def test_an_agent_is_mounted_in_an_application_that_runs_no_lifespan_for_it(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    inner = create_app(GreetingAgent(), settings=settings)
    app = Starlette(routes=[Mount("/greeting", app=inner)])
    async with serving(app) as served:
        told = await called(
            http, f"{served.url}/greeting/", "tasks/sendSubscribe", "t1", message("you")
        )
        card = (await http.get(f"{served.url}/greeting/.well-known/agent.json")).json()
        await _end_without_lifespan(inner, "off")
    assert told[-1].data["status"]["state"] == "completed"
    assert card["url"] == f"{served.url}/greeting/"


async def test_a_redis_url_may_be_given_by_hand(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    bare = settings.model_copy(update={"redis_url": ""})
    app = create_app(GreetingAgent(), redis_url=settings.redis_url, settings=bare)
    async with serving(app) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("you"))
    assert told[-1].data["final"] is True


async def test_several_server_processes_share_the_tasks_through_an_embedded_store(
    tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = ["uvicorn", "apps.greeting:app", "--workers", "2", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", *command, "--log-level", "warning"],
        cwd=APPS.parent,
        env={**os.environ, "A2A_DATA_DIR": str(tmp_path / "data")},
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        await until(lambda: _answers(http, f"{url}readyz"))
        for n in range(10):  # each on a connection of its own, so on either process
            async with httpx2.AsyncClient(timeout=20) as client:
                told = await called(client, url, "tasks/sendSubscribe", f"t{n}", message("you"))
            async with httpx2.AsyncClient(timeout=20) as client:
                again = await called(client, url, "tasks/resubscribe", f"t{n}")
            assert frames(told) == frames(again)
            assert told[-1].data["final"] is True
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


async def _answers(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx2.TransportError:
        return False


async def _end_without_lifespan(app: Starlette, lifespan: str) -> None:
    """Close what nobody closes when an application's lifespan isn't run, as the process' end would."""
    if lifespan == "off":
        await app.state.node.aclose()
