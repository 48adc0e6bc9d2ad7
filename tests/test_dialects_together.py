"""One log, all dialects: a task that is begun in one is read, resumed and canceled in every other."""

from __future__ import annotations

import grpc.aio
import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.settings import Settings
from speakers import speakers
from tasks import log_of
from transports import serving_both

NAMES = (
    "JSON-RPC 0.1",
    "JSON-RPC 0.3",
    "JSON-RPC 1.0",
    "REST 0.3",
    "REST 1.0",
    "gRPC 0.3",
    "gRPC 1.0",
)


class Asking(Agent):
    """Asks for more, whatever it is told."""

    card = agent_card("asking")

    async def run(self, run: Run) -> None:
        await run.attach("note", run.text)
        await run.input_required("And now?")


@pytest.mark.parametrize("birth", NAMES)
async def test_a_task_is_read_resumed_and_canceled_in_every_other_dialect(
    settings: Settings, http: httpx2.AsyncClient, birth: str
) -> None:
    async with (
        serving_both(Asking(), settings) as both,
        grpc.aio.insecure_channel(both.address) as channel,
    ):
        spoken = speakers(both, http, channel)
        assert tuple(sorted(spoken)) == tuple(sorted(NAMES))
        for number, (name, other) in enumerate(spoken.items()):
            task = await spoken[birth].begin(f"task{number}")
            assert await other.state(task) == "input-required", name
            assert await other.cancel(task) == "canceled", name
            log = [str(event.position) for event in await log_of(both.node.manager, task)]
            told = await other.resume(task, log[0])
            assert [position for position, _ in told] == log[1:], name
            assert ["artifact" in kind for _, kind in told] == [True, False, False], name
            assert await spoken[birth].state(task) == "canceled"
