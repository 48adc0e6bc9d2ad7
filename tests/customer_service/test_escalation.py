"""Operators have customers' tasks handed over: whatever a specialist is doing, it stops, and a person goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run
from a2a_streaming.settings import Settings
from customer_service.platforms import PARCELS, Front, front, served, story, text_of
from tasks import until


class Parcels(Agent):
    """Looks for parcels for ever, or asks first."""

    card = PARCELS

    def __init__(self) -> None:
        self.canceled = asyncio.Event()

    async def run(self, run: Run) -> None:
        if "slow" in run.text:
            await run.working("Looking")
            await asyncio.Event().wait()
        await run.input_required("Which one?")

    async def cancel(self, run: Run) -> None:  # noqa: ARG002 - the interface's
        self.canceled.set()


class Operator:
    """Somebody who oversees a platform."""

    def __init__(self, running: Front, http: httpx2.AsyncClient) -> None:
        self.front = running
        self._http = http

    async def one(self, task: str) -> Any:
        return (await self._http.get(f"{self.front.url}/ops/api/tasks/{task}")).json()

    async def until(self, task: str, state: str) -> Any:
        async def is_there() -> Any:
            told = await self.one(task)
            return told if told.get("meta", {}).get("state") == state else None

        return await until(is_there)

    async def escalate(self, task: str, reason: str) -> httpx2.Response:
        url = f"{self.front.url}/ops/api/tasks/{task}/escalate"
        return await self._http.post(url, json={"reason": reason})


@asynccontextmanager
async def overseen(
    settings: Settings, http: httpx2.AsyncClient
) -> AsyncIterator[tuple[Operator, Parcels]]:
    """A platform with a specialist, which knows where its customers' tasks are."""
    parcels = Parcels()
    known = settings.model_copy(update={"public_url": "http://customers.example"})
    async with (
        served([parcels], settings) as url,
        front([f"{url}/agents/parcels"], known) as running,
    ):
        yield Operator(running, http), parcels


@pytest.mark.parametrize("words", ["slow", "please"])
async def test_a_customers_task_is_handed_over_and_the_specialists_canceled(
    settings: Settings, http: httpx2.AsyncClient, words: str
) -> None:
    async with overseen(settings, http) as (ops, parcels), ops.front.customer() as client:
        state = "working" if words == "slow" else "input-required"
        telling = asyncio.create_task(story(client, "t1", f"Where is my parcel? {words}"))

        async def delegated() -> Any:
            told = await ops.one("t1")
            there = told.get("meta", {}).get("state") == state and told["children"]
            return told if there else None

        [child] = (await until(delegated))["children"]
        assert (await ops.one(child))["parent"] == "t1"
        refused = await ops.escalate(child, "wrong one")
        assert refused.status_code == 400
        assert "escalate the task for which it works" in refused.text
        assert (await ops.escalate("t1", "a VIP waits")).status_code == 200

        async def handed() -> Any:
            told = await ops.one("t1")
            return told if told["task"]["metadata"].get("handover") else None

        told = await until(handed)
        assert told["meta"]["state"] == "input-required"
        assert told["task"]["metadata"]["escalated"]["reason"] == "a VIP waits"
        assert told["children"] == [child]
        [ticket] = await ops.front.queue()
        assert (ticket["reason"], ticket["priority"]) == ("escalated", "high")
        assert "a VIP waits" in ticket["summary"]
        await parcels.canceled.wait()
        await ops.until(child, "canceled")
        assert text_of((await telling)[-1])
        # A person has it: asked once more, nothing changes.
        assert (await ops.escalate("t1", "again")).status_code == 200

        async def done() -> bool:
            return "escalate" not in (await ops.one("t1"))["meta"]["flags"]

        await until(done)
        assert len(await ops.front.queue()) == 1


async def test_what_was_handed_over_goes_on_with_a_new_specialists_task(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with overseen(settings, http) as (ops, _), ops.front.customer() as client:
        await story(client, "t1", "Where is my parcel?")
        await ops.escalate("t1", "a VIP waits")

        async def queued() -> Any:
            return await ops.front.queue()

        [ticket] = await until(queued)
        for verb in ("claim", "back"):
            answer = await ops.front.ask(
                "", "POST", f"{ticket['ticket']}/{verb}", {"name": "Maria"}
            )
            assert answer.status_code == 200, answer.text

        async def handed_back() -> Any:
            told = await ops.one("t1")
            return (
                told
                if "handed you back" in str(told["task"]["status"]) and not told["meta"]["inbox"]
                else None
            )

        told = await until(handed_back)
        again = await story(client, "t1", "And where is my parcel?", told["meta"]["position"])
        assert text_of(again[-1]) == "Which one?"
        assert len((await ops.one("t1"))["children"]) == 2
