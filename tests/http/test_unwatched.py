"""What agents know of their watchers, and what happens when nobody watches any more."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.agent import Unwatched
from a2a_streaming.settings import Settings
from conftest import serving
from streams import asked, message, streaming
from tasks import until


class Endless(Agent):
    """Works until it is stopped, and counts what it did and who watched."""

    card = agent_card("endless")
    unwatched_seconds = 0.1

    def __init__(self, policy: Unwatched) -> None:
        self.unwatched = policy
        self.emitted = 0
        self.watched: list[int] = []
        self.paused = asyncio.Event()

    async def run(self, run: Run) -> None:
        while True:
            self.watched.append(await run.watchers())
            await run.working()
            self.emitted += 1
            if run.pause:
                self.paused.set()
            await asyncio.sleep(0.001)


@pytest.fixture
def quick(settings: Settings) -> Settings:
    return settings.model_copy(update={"lease_seconds": 0.4})


async def test_a_run_that_nobody_watches_is_canceled_if_its_agent_wants_that(
    quick: Settings, http: httpx2.AsyncClient
) -> None:
    agent = Endless(Unwatched.CANCEL)
    async with serving(create_app(agent, settings=quick)) as served:
        url = f"{served.url}/"
        async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
            async for _ in told:
                if len(agent.watched) > 400:
                    break  # far longer than it may be unwatched
        assert 1 in agent.watched

        async def canceled() -> bool:
            task = await asked(http, url, "tasks/get", "t1")
            return task["result"]["status"]["state"] == "canceled"

        await until(canceled)


async def test_a_run_that_nobody_watches_slows_down_until_somebody_does(
    quick: Settings, http: httpx2.AsyncClient
) -> None:
    agent = Endless(Unwatched.SLOW_DOWN)
    async with serving(create_app(agent, settings=quick)) as served:
        url = f"{served.url}/"
        async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
            await anext(told)
        await asyncio.wait_for(agent.paused.wait(), 20)
        async with streaming(http, url, "tasks/resubscribe", "t1") as told:
            before = agent.emitted
            async for _ in told:
                if agent.emitted > before + 100:  # at two a second this would time out
                    break
        await asked(http, url, "tasks/cancel", "t1")


async def test_a_run_that_nobody_watches_carries_on_by_default(
    quick: Settings, http: httpx2.AsyncClient
) -> None:
    agent = Endless(Unwatched.CARRY_ON)
    async with serving(create_app(agent, settings=quick)) as served:
        url = f"{served.url}/"
        async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
            await anext(told)

        async def unwatched_for_long() -> bool:
            return agent.watched[-300:] == [0] * 300

        await until(unwatched_for_long)
        task = await asked(http, url, "tasks/get", "t1")
        assert task["result"]["status"]["state"] == "working"
        await asked(http, url, "tasks/cancel", "t1")
