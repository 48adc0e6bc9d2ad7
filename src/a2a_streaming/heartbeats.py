"""Signs of life for streams that are told nothing for long: one timer for all streams of a process."""

from __future__ import annotations

import asyncio
from typing import Protocol

_SLOTS = 16


class Member(Protocol):
    """What gives signs of life."""

    def beat(self) -> None:
        """Give one."""


class Heartbeats:
    """Lets each member give a sign of life every so often, from then on that it joins.

    Args:
        seconds: How often, at least.
    """

    def __init__(self, seconds: float) -> None:
        self._pause = seconds / _SLOTS
        self._slots: list[set[Member]] = [set() for _ in range(_SLOTS)]
        self._now = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, member: Member) -> int:
        """Count a member in.

        Args:
            member: The member.

        Returns:
            Its place, to leave by.
        """
        if self._timer is None:
            self._wait()
        self._slots[self._now].add(member)
        return self._now

    def leave(self, member: Member, place: int) -> None:
        """Count a member out."""
        self._slots[place].discard(member)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._tick)

    def _tick(self) -> None:
        self._now = (self._now + 1) % _SLOTS
        for member in list(self._slots[self._now]):
            member.beat()
        if any(self._slots):
            self._wait()
        else:
            self._timer = None
