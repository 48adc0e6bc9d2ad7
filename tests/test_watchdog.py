"""Blocked loops: an agent that blocks one is interrupted, ours is shown, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvloop

from a2a_streaming.watchdog import LoopBlocked, Watchdog, interruptible
from tasks import until

LIMIT = 0.5
FOR_EVER = 3600

Loops = Callable[[], asyncio.AbstractEventLoop]
loops = pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop])


@contextmanager
def watched(limit: float = LIMIT) -> Iterator[None]:
    """The running loop is watched."""
    watchdog = Watchdog(limit)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


def run(loops: Loops, main: Coroutine[Any, Any, Any]) -> None:
    """Run in a loop of this kind, in this thread."""
    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(main)


class Shown:
    """What the watchdogs have shown."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def lines(self) -> list[logging.LogRecord]:
        return [line for line in self._caplog.records if line.name == "a2a_streaming.watchdog"]

    def block(self, lines: int = 1) -> None:
        """Block the loop until that much is shown."""
        while len(self.lines) < lines:
            time.sleep(0.01)

    async def first(self, place: str = "", by: str | None = None) -> tuple[str, str]:
        """The first line that shows a place and blames somebody, once it is there: its message and the stack.

        On a busy machine the loop may have stood still before it was blocked, or be seen to stand still
        before somebody is suspected: such lines come first.
        """

        async def is_there() -> list[logging.LogRecord]:
            return [
                line
                for line in self.lines
                if place in line.__dict__["stack"] and line.__dict__.get("by") == by
            ]

        [line, *_] = await until(is_there)
        return line.getMessage(), line.__dict__["stack"]


@pytest.fixture
def shown(caplog: pytest.LogCaptureFixture) -> Shown:
    # A watchdog that was stopped may still be about to show something: that is another test's.
    for thread in threading.enumerate():
        if thread.name == "watchdog":
            thread.join(20)
    caplog.clear()
    return Shown(caplog)


def sleeps() -> None:
    time.sleep(FOR_EVER)


def spins() -> None:
    while True:
        pass


def waits_for_an_answer() -> None:
    """A synchronous HTTP call, at heart."""
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def tries_again() -> None:
    while True:
        with suppress(Exception):
            time.sleep(FOR_EVER)


@loops
@pytest.mark.parametrize("blocks", [sleeps, spins, waits_for_an_answer, tries_again])
def test_an_agent_that_blocks_is_interrupted(
    blocks: Callable[[], None], loops: Loops, shown: Shown
) -> None:
    async def agent() -> None:
        with interruptible("task t1"):
            blocks()

    async def main() -> None:
        with watched():
            turn = asyncio.create_task(agent())
            await asyncio.wait({turn})
            assert isinstance(turn.exception(), LoopBlocked)
            said, _ = await shown.first(f"in {blocks.__name__}\n", by="task t1")
        assert "an agent blocks the event loop" in said

    run(loops, main())


@loops
def test_an_agent_that_swallows_it_is_interrupted_again(loops: Loops, shown: Shown) -> None:
    swallowed = 0

    async def agent() -> None:
        nonlocal swallowed
        with interruptible():
            while swallowed < 3:
                try:
                    time.sleep(FOR_EVER)
                except LoopBlocked:
                    swallowed += 1

    async def main() -> None:
        with watched():
            await agent()

    run(loops, main())
    assert swallowed == 3


@loops
def test_what_an_agent_has_begun_is_the_agents(loops: Loops) -> None:
    async def child() -> None:
        time.sleep(FOR_EVER)

    async def agent() -> None:
        with interruptible():
            with pytest.raises(LoopBlocked):
                await asyncio.create_task(child())
            with pytest.raises(LoopBlocked):
                await asyncio.gather(child(), asyncio.sleep(0))
            asyncio.get_running_loop().call_soon(time.sleep, FOR_EVER)
            await asyncio.sleep(0)

    async def main() -> None:
        raised: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: raised.append(context["exception"])
        )
        with watched():
            await asyncio.create_task(agent())
        assert [type(error) for error in raised] == [LoopBlocked]

    run(loops, main())


@loops
def test_our_own_code_is_shown_and_left_alone(loops: Loops, shown: Shown) -> None:
    async def agent(leave: asyncio.Event) -> None:
        with interruptible():
            await leave.wait()

    async def ours() -> None:
        shown.block(lines=2)

    async def main() -> None:
        leave = asyncio.Event()
        with watched():
            innocent = asyncio.create_task(agent(leave))
            await asyncio.sleep(0)
            await asyncio.create_task(ours())
            asyncio.get_running_loop().call_soon(shown.block, 3)
            await asyncio.sleep(0)
            leave.set()
            await innocent

    run(loops, main())
    # On a busy machine the loop may be late already when ours begins: then the first line blames another.
    blamed = [line for line in shown.lines if "the event loop is blocked" in line.getMessage()]
    assert any("shown.block(lines=2)" in line.__dict__["stack"] for line in blamed)


@loops
def test_nobody_is_blamed_for_what_many_have_done_together(loops: Loops, shown: Shown) -> None:
    async def agent() -> None:
        with interruptible():
            time.sleep(0.2)

    async def main() -> None:
        with watched(1.0):
            await asyncio.gather(*(agent() for _ in range(8)))

    run(loops, main())  # none of them was interrupted
    assert shown.lines


@loops
def test_several_watchdogs_get_along(loops: Loops) -> None:
    cleaned: list[str] = []

    async def agent() -> None:
        with interruptible():
            try:
                time.sleep(FOR_EVER)
            finally:
                time.sleep(LIMIT / 2)  # the other's turn would be in here
                cleaned.append("up")

    async def main() -> None:
        with watched():
            with watched(LIMIT * 1.1), watched(FOR_EVER), pytest.raises(LoopBlocked):
                await asyncio.create_task(agent())
            with pytest.raises(LoopBlocked):
                await asyncio.create_task(agent())

    run(loops, main())
    assert cleaned == ["up", "up"]


@loops
def test_a_loop_that_doesnt_run_isnt_blocked(loops: Loops, shown: Shown) -> None:
    watchdog = Watchdog(LIMIT)

    async def start() -> None:
        watchdog.start()

    async def stop() -> None:
        watchdog.stop()

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(start())
        time.sleep(2 * LIMIT)  # in which it would be shown
        runner.run(stop())
    assert shown.lines == []


def test_a_signal_of_anothers_is_left_alone(shown: Shown) -> None:
    taken: list[int] = []

    async def agent() -> None:
        with interruptible():
            shown.block(lines=2)

    async def main() -> None:
        with watched():
            await agent()
        assert signal.getsignal(signal.SIGURG) == theirs

    def theirs(number: int, _: object) -> None:
        taken.append(number)

    signal.signal(signal.SIGURG, theirs)
    try:
        run(asyncio.new_event_loop, main())
    finally:
        signal.signal(signal.SIGURG, signal.SIG_DFL)
    assert taken == []


@loops
def test_a_stray_signal_does_no_harm(loops: Loops) -> None:
    async def agent() -> None:
        with interruptible():
            for _ in range(100):
                signal.raise_signal(signal.SIGURG)
                await asyncio.sleep(0)

    async def main() -> None:
        with watched():
            await agent()
            os.kill(os.getpid(), signal.SIGURG)
            await asyncio.sleep(0.01)

    run(loops, main())


def test_a_loop_in_another_thread_is_shown(shown: Shown) -> None:
    done: list[str] = []

    async def main() -> None:
        with watched(), interruptible():
            shown.block()
            done.append("well")

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()
    assert done == ["well"]
