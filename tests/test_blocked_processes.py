"""Watchdogs in their processes: begun and ended with a node, and not deceived by a process that is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.caller import ANYBODY
from a2a_streaming.event import text_part
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from a2a_streaming.watchdog import LoopBlocked, Watchdog
from tasks import until


def test_a_watchdog_leaves_no_trace() -> None:
    async def main() -> None:
        watchdog = Watchdog(0.5)
        watchdog.stop()
        for _ in range(2):
            watchdog.start()
            watchdog.start()
            watchdog.stop()
            watchdog.stop()
            assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL

    before = threading.enumerate()
    asyncio.run(main())
    for thread in threading.enumerate():
        if thread not in before:
            thread.join()


SUSPENDED = """
import asyncio, os
from a2a_streaming.watchdog import Watchdog, interruptible

async def main():
    Watchdog(3.0).start()
    await asyncio.sleep(0.3)
    with interruptible():
        os.write(1, b"reading\\n")
        os.write(1, b"read " + os.read(0, 1))
    await asyncio.sleep(0.3)

asyncio.run(main())
"""


def test_time_in_which_the_process_stood_still_doesnt_count() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SUSPENDED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"reading\n"
        # Blocked for half of the limit in all, and stopped for longer than that in the middle.
        time.sleep(1.1)
        process.send_signal(signal.SIGSTOP)
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED)
        time.sleep(3.3)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.4)
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read() == b"read x"
    assert process.returncode == 0


class Blocking(Agent):
    """Blocks the event loop, if it is told to; else waits for leave to go on."""

    card = agent_card("blocking")

    def __init__(self) -> None:
        self.leave = asyncio.Event()
        self.begun: list[str] = []

    async def run(self, run: Run) -> None:
        self.begun.append(run.text)
        if run.text == "block":
            while True:
                pass
        await self.leave.wait()
        await run.complete("done")


async def test_a_task_whose_agent_blocks_fails_and_the_others_live_on(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Blocking()
    node = Node([agent], settings)
    await node.start()
    try:
        service = node.service("blocking")

        async def reaches(task: str, state: State) -> None:
            async def is_there() -> bool:
                return (await service.get(task, caller=ANYBODY))["status"]["state"] == state

            await until(is_there)

        for text in ("wait", "block"):
            await service.send(
                [text_part(text)], caller=ANYBODY, task_id=text, context=None, dialect="0.1"
            )
        await reaches("block", State.FAILED)
        agent.leave.set()
        await reaches("wait", State.COMPLETED)
        assert sorted(agent.begun) == ["block", "wait"]  # once each: no lease was lost
    finally:
        await node.aclose()
    [failed] = [r for r in caplog.records if "the agent failed" in r.getMessage()]
    assert failed.exc_info is not None
    assert isinstance(failed.exc_info[1], LoopBlocked)
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


async def test_a_node_that_runs_no_agents_has_no_watchdog(settings: Settings) -> None:
    node = Node([Blocking()], settings, role="front")
    await node.start()
    try:
        assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
    finally:
        await node.aclose()
