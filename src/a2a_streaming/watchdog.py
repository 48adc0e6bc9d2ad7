"""The watchdog: an agent that blocks the event loop is interrupted, and the log shows where it stood.

loop     beats ten times within the limit
thread   counts the beats that fail to come; shows the stack in the log once the limit is reached,
         and sends SIGURG to the main thread for each one
signal   its handler runs inside the code that blocks, in that code's context: whose code it is,
         stands there (`interruptible`). An agent's gets `LoopBlocked`; ours is left alone

SIGURG because a stray one does no harm: it's ignored unless somebody handles it, and hardly anybody
does; Go's runtime preempts goroutines with it for the same reason. A system call that the signal cuts
short is made again (PEP 475), unless the handler raises.

Beyond its reach is code in C: where it looks for no signals, its stack is shown, but it goes on; where it
keeps the GIL (a regular expression that backtracks for ever), the thread can't even look.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_BEATS = 10
"""So many beats fit into the limit."""
_LATE = 3
"""After so many without a beat the loop is late; less is chance."""
_FRAMES = 20
"""Frames of a stack that are shown, the innermost."""


class LoopBlocked(BaseException):
    """Raised inside an agent's code that has blocked the event loop for too long.

    No `Exception`, so that a loop that tries again whatever happens doesn't swallow it.

    Args:
        seconds: For how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The event loop was blocked for {seconds:g} s.")


class _Code:
    """Code that may be interrupted. Known by its identity: it may have any name."""

    def __init__(self, name: str) -> None:
        self.name = name


_running: ContextVar[_Code | None] = ContextVar("a2a_streaming_interruptible", default=None)


@contextmanager
def interruptible(name: str = "") -> Generator[None]:
    """Let what runs inside be interrupted when it blocks the event loop; tasks that it makes as well.

    Args:
        name: What to call it in the log.
    """
    token = _running.set(_Code(name))
    try:
        yield
    finally:
        _running.reset(token)


class Watchdog:
    """Watches one event loop. Any number of them get along, on one loop or on several.

    It interrupts only in the main thread, and only if nobody else handles SIGURG; otherwise it shows in
    the log what blocks. Time in which the whole process stood still doesn't count.

    Args:
        limit_seconds: For how long code may block the loop.
    """

    def __init__(self, limit_seconds: float) -> None:
        self.limit_seconds = limit_seconds
        self._pause = limit_seconds / _BEATS
        # The thread's clock: how often it woke up. It stands still with the process.
        self._now = 0
        self._beaten = 0
        self._suspect: _Code | None = None
        self._suspected = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch the running loop; called again, it does nothing."""
        if self._timer is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._beat(self._loop)
        self._stopped = threading.Event()
        threading.Thread(
            target=self._watch,
            args=(self._stopped, self._loop, threading.get_ident(), _interrupts.add(self)),
            name="watchdog",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """Watch no more; called again, or before `start`, it does nothing."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        # Not joined: it may wait for the log. It ends by itself, and disturbs nobody until then.
        self._stopped.set()
        _interrupts.remove(self)

    def count_anew(self) -> None:
        """Take it that the loop has just beaten."""
        self._beaten = self._now
        self._suspect = None

    def judge(self, loop: asyncio.AbstractEventLoop, code: _Code) -> bool:
        """Tell whether code that is running has blocked the loop for too long.

        Args:
            loop: The loop that runs it.
            code: The code.
        """
        late = self._now - self._beaten
        if loop is not self._loop or late < _LATE:
            return False
        if code is not self._suspect:
            # Many may share the time since the last beat; blame goes to one that has (nearly) all of it.
            self._suspect, self._suspected = code, self._now
        return late >= _BEATS and self._now - self._suspected >= _BEATS - _LATE

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count_anew()
        self._timer = loop.call_later(self._pause, self._beat, loop)

    def _watch(
        self,
        stopped: threading.Event,
        loop: asyncio.AbstractEventLoop,
        thread: int,
        may_interrupt: bool,
    ) -> None:
        while not stopped.wait(self._pause) and not loop.is_closed():
            self._now += 1
            if not loop.is_running():
                self._beaten = self._now  # nobody waits for it
            late = self._now - self._beaten
            if late < _LATE:
                continue
            suspect = self._suspect
            stack = _stack(thread) if late % _BEATS == 0 else None
            # Before the log, whose lock the code that blocks may hold.
            if may_interrupt:
                signal.pthread_kill(thread, signal.SIGURG)
            if stack is not None:
                self._show(late, suspect, stack)

    def _show(self, late: int, suspect: _Code | None, stack: traceback.StackSummary) -> None:
        what = "the event loop is blocked" if suspect is None else "an agent blocks the event loop"
        log = _log.bind(by=suspect.name) if suspect is not None and suspect.name else _log
        log.error(
            f"{what}, {_innermost(stack)}",  # a program with its own way of logging shows that much
            seconds=round(late * self._pause, 2),
            stack="".join(stack.format()).rstrip(),
        )


class _Interrupts:
    """SIGURG in this process: one handler for all watchdogs, there while there are any."""

    def __init__(self) -> None:
        self._served: set[Watchdog] = set()
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    def add(self, watchdog: Watchdog) -> bool:
        """Serve a watchdog, if that's possible here.

        Args:
            watchdog: The watchdog.

        Returns:
            Whether it may send the signal.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        if not hasattr(signal, "SIGURG"):
            return False
        now = signal.getsignal(signal.SIGURG)
        if now in (signal.SIG_DFL, signal.SIG_IGN):
            self._before = signal.signal(signal.SIGURG, self._take)
        elif now != self._take:
            return False
        self._served.add(watchdog)
        return True

    def remove(self, watchdog: Watchdog) -> None:
        """Serve a watchdog no more.

        Args:
            watchdog: The watchdog; it may never have been added.
        """
        self._served.discard(watchdog)
        if self._served or threading.current_thread() is not threading.main_thread():
            return
        if self._before is not None and signal.getsignal(signal.SIGURG) == self._take:
            signal.signal(signal.SIGURG, self._before)

    def _take(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        code = _running.get()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if code is None:
            return
        # All of them, not only until the first that says yes: each must know its suspect.
        angry = [watchdog for watchdog in self._served if watchdog.judge(loop, code)]
        if angry:
            for watchdog in self._served:  # none may interrupt the clean-up that now begins
                watchdog.count_anew()
            raise LoopBlocked(min(watchdog.limit_seconds for watchdog in angry))


_interrupts = _Interrupts()


def _stack(thread: int) -> traceback.StackSummary | None:
    # There is no other way to see another thread's stack.
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage]
    if frame is None:
        return None
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=_FRAMES)
    stack.reverse()
    return stack


def _innermost(stack: traceback.StackSummary) -> str:
    place = stack[-1]
    return f"in {place.name} ({place.filename}:{place.lineno})"
