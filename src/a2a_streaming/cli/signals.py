"""Signals that end a process: the first one asks for a clean end, the second one is the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_end(ask: Callable[[], None]) -> Generator[None]:
    """Call `ask` at the first SIGINT or SIGTERM; from then on, either ends the process at once.

    At once, because the kernel does it: whatever holds up the event loop or the clean end, even code
    that never returns to Python, can't hold up that.

    Args:
        ask: Asks for a clean end. It runs in the main thread, between any two of its instructions,
            whether the event loop is blocked or not.
    """

    def take(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
        # The kernel spares a container's first process from all signals that it doesn't handle itself.
        again = _exit if os.getpid() == 1 else signal.SIG_DFL
        for ending in ENDING:
            signal.signal(ending, again)
        ask()

    before = {ending: signal.signal(ending, take) for ending in ENDING}
    try:
        yield
    finally:
        for ending, handler in before.items():
            # Once a signal came, the second one's way stays open to the process's very end.
            if signal.getsignal(ending) is take:
                signal.signal(ending, handler)


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    os._exit(128 + number)
