"""Servers of ours pass every check, also those that the specification doesn't ask for."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import redis.asyncio

from a2a_reliability.asking import Crash, Kit, Order
from a2a_reliability.connection import connected
from a2a_reliability.findings import Result
from a2a_reliability.running import run
from processes import Running, free_port, launched

AGENT = "scoreboard.our_agent:TickingAgent"


async def test_our_servers_pass_every_check_while_one_of_two_is_killed(
    redis_socket: Path, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    port = free_port()
    with ExitStack() as stack:

        def start(port: int) -> Running:
            return stack.enter_context(
                launched(
                    *("serve", AGENT),
                    data_dir=tmp_path,
                    port=port,
                    A2A_REDIS_URL=f"unix://{redis_socket}",
                    A2A_LEASE_SECONDS="1",
                    A2A_HEARTBEAT_SECONDS="0.1",
                )
            )

        first, second = start(port), start(free_port())

        async def kill() -> None:
            first.process.kill()
            first.process.wait(10)

        async def restart() -> None:
            start(port)

        for running in (first, second):
            running.until_said("is ready")
        async with connected(
            first.url, version="1.0", binding="JSONRPC", headers={}, patience=10
        ) as server:
            kit = Kit(
                server,
                Order(chunks=12, pause=0.05),
                others=(server.at(second.url),),
                crash=Crash(kill, restart, bound=20),
                idle=0.5,
                herd=20,
            )
            told = {check.name: finding async for check, finding in run(kit)}
            await kit.others[0].aclose()
    assert {name: one for name, one in told.items() if one.result is Result.failed} == {}
    # The other process may have ended the task before the killed one is back, and then refuses subscribers.
    left = {name for name, one in told.items() if one.result is Result.not_applicable}
    assert left <= {"crash-subscribe-tells-the-rest"}
