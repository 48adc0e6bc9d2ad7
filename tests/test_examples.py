"""The examples run, against a real server that restarts under them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from conftest import serving
from programs import needs
from streams import called, message, streaming

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
            *("node", str(EXAMPLES / "watch.mjs"), proxy.url, "t1"),
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


@pytest.mark.parametrize("page", ["watch.html"])
def test_the_pages_name_what_the_server_has(page: str) -> None:
    text = (EXAMPLES / page).read_text()
    assert "/tasks/resubscribe?id=" in text
    assert 'addEventListener("status"' in text


class Cutting:
    """A TCP proxy that cuts its connections when it is told to."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.removeprefix("http://").partition(":")
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        inner_reader, inner_writer = await asyncio.open_connection(self._host, int(self._port))
        self._writers |= {writer, inner_writer}
        await asyncio.gather(self._carry(reader, inner_writer), self._carry(inner_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


class _Running:
    def __init__(self, target: str) -> None:
        self.proxy = Cutting(target)

    async def __aenter__(self) -> Cutting:
        self.server = await asyncio.start_server(self.proxy.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.proxy.url = f"http://127.0.0.1:{port}"
        return self.proxy

    async def __aexit__(self, *exc: object) -> None:
        self.server.close()
        self.proxy.cut()
        await self.server.wait_closed()


def cutting(target: str) -> _Running:
    """Run a proxy in front of a server."""
    return _Running(target)
