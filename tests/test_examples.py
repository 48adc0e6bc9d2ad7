"""The examples run, against a real server that restarts under them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from chaos.proxy import Proxy
from conftest import serving
from programs import needs
from streams import called, message, streaming
from tasks import until

EXAMPLES = Path(__file__).parent.parent / "examples"


class Gated(Agent):
    """Says one thing, waits for the test, says another."""

    card = agent_card("gated")

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def run(self, run: Run) -> None:
        await run.working("one")
        await self.gate.wait()
        await run.working("two")
        await run.complete("three")


@needs("node")
async def test_plain_fetch_follows_a_task_over_a_cut(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    agent = Gated()
    async with (
        serving(create_app(agent, settings=settings)) as served,
        cutting(served.url) as proxy,
    ):
        async with streaming(
            http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("go")
        ) as told:
            await anext(told)
        node = await asyncio.create_subprocess_exec(
            *("node", str(EXAMPLES / "watch.mjs"), f"http://127.0.0.1:{proxy.port}", "t1"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert node.stdout is not None
        seen = [await node.stdout.readline(), await node.stdout.readline()]
        proxy.cut()
        agent.gate.set()
        seen += (await node.stdout.read()).splitlines()
        assert await node.wait() == 0
        story = await called(http, f"{served.url}/", "tasks/resubscribe", "t1")
    positions = [line.split(b" ", 1)[0].decode() for line in seen]
    assert positions == [frame.id for frame in story]
    assert json.loads(seen[-1].split(b" ", 1)[1]) == story[-1].data


async def watched(url: str, task: str, after: str = "") -> list[list[str]]:
    """What `watch.mjs` prints: position and the rest, line by line."""
    node = await asyncio.create_subprocess_exec(
        *("node", str(EXAMPLES / "watch.mjs"), url, task, *([after] if after else [])),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await node.communicate()
    assert node.returncode == 0
    return [line.split(" ", 1) for line in told.decode().splitlines()]


@needs("node")
async def test_plain_fetch_tells_of_a_reset_and_goes_on_after_it(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    agent = Gated()
    async with serving(create_app(agent, settings=settings)) as served:
        async with streaming(
            http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("go")
        ) as told:
            await anext(told)
            one = await anext(told)
        node = await asyncio.create_subprocess_exec(
            *("node", str(EXAMPLES / "watch.mjs"), served.url, "t1", "123-4"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert node.stdout is not None
        position, flag, task = (await node.stdout.readline()).decode().split(" ", 2)
        agent.gate.set()
        rest = (await node.stdout.read()).decode().splitlines()
        assert await node.wait() == 0
        story = await called(http, f"{served.url}/", "tasks/resubscribe", "t1")
        # One that has ended is told by its reset alone; one that was told to its end, not at all.
        [[last, ended]] = await watched(served.url, "t1", "123-4")
        assert await watched(served.url, "t1", story[-1].id) == []
    assert (position, flag) == (one.id, "reset")
    assert json.loads(task)["status"] == one.data["status"]
    assert [line.split(" ", 1)[0] for line in rest] == [frame.id for frame in story[2:]]
    assert last == story[-1].id
    assert json.loads(ended.removeprefix("reset "))["status"]["state"] == "completed"


QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
"""Chromium in a container, without a word to anybody but the test's server."""


@asynccontextmanager
async def browsing(url: str, profile: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A browser that opens a page, and prints its DOM when the page has come to rest."""
    browser = await asyncio.create_subprocess_exec(
        *("chromium", "--headless", *QUIET, f"--user-data-dir={profile}"),
        *("--dump-dom", "--virtual-time-budget=60000", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield browser
    finally:
        if browser.returncode is None:
            browser.kill()
            await browser.wait()


async def shown(browser: asyncio.subprocess.Process) -> tuple[list[str], str]:
    """The story's lines, and how the connection is."""
    dom = (await browser.communicate())[0].decode()
    connection = re.search(r'<output id="connection"[^>]*>(.*?)</output>', dom)
    assert connection is not None, dom
    return [line.strip() for line in re.findall(r"<li>(.*?)</li>", dom)], connection[1]


@needs("chromium")
async def test_a_browser_shows_the_whole_story_over_a_cut(
    settings: Settings, raw: redis.asyncio.Redis, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    agent = Gated()
    async with serving(with_page(agent, settings)) as served, cutting(served.url) as proxy:
        await begun(http, served.url)

        async def watches() -> bool:
            return await raw.zcard("subscriptions:{t1}") == 1

        async with browsing(
            f"http://127.0.0.1:{proxy.port}/watch.html?task=t1", tmp_path
        ) as browser:
            await until(watches)
            proxy.cut()
            agent.gate.set()
            lines, connection = await shown(browser)
    assert lines == ["submitted", "working one", "working two", "completed three"]
    assert connection == "ended"


@needs("chromium")
async def test_a_browser_begins_anew_from_a_reset(
    settings: Settings, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    agent = Gated()
    async with serving(with_page(agent, settings)) as served:

        async def resets() -> list[str]:
            shown = (await http.get(f"{served.url}/metrics")).text
            return re.findall(r"^a2a_stream_resets_total\{.*", shown, re.MULTILINE)

        await begun(http, served.url)
        before = await resets()

        async def told() -> bool:
            return await resets() != before

        async with browsing(f"{served.url}/watch.html?task=t1&after=123-4", tmp_path) as browser:
            await until(told)
            agent.gate.set()
            lines, connection = await shown(browser)
    assert lines == ["working one", "working two", "completed three"]
    assert connection == "ended"


def with_page(agent: Agent, settings: Settings) -> Starlette:
    """The agent, and the page on its origin."""
    app = create_app(agent, settings=settings)
    app.router.routes.append(Route("/watch.html", page))
    return app


async def begun(http: httpx2.AsyncClient, url: str) -> None:
    """Begin the task, as far as the gate."""
    async with streaming(http, f"{url}/", "tasks/sendSubscribe", "t1", message("go")) as told:
        await anext(told)
        await anext(told)


async def page(_: Request) -> Response:
    return FileResponse(EXAMPLES / "watch.html")


def cutting(target: str) -> Proxy:
    """A proxy in front of a server."""
    host, _, port = target.removeprefix("http://").partition(":")
    return Proxy((host, int(port)))
