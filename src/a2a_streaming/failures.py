"""Why an agent's turn ends as failed: in words for its customer, and for those who look after agents."""

from __future__ import annotations

from enum import Enum

from a2a_streaming.watchdog import LoopBlocked

_SORRY = "Something went wrong on our side, and we couldn't finish this. Please try again."


class Failure(Enum):
    """A way to fail.

    Args:
        why: What the log says.
        text: What the customer is told.
    """

    RAISED = "it raised", _SORRY
    BLOCKED = "it blocked the event loop", _SORRY
    SILENT = (
        "it ended without an answer",
        "We couldn't finish this: it ended without an answer. Please try again.",
    )
    SLOW = (
        "it was too slow",
        "This took longer than we allow, so we stopped it. Please try again.",
    )
    EXHAUSTED = (
        "it was tried too often",
        "We tried this several times and couldn't finish it. Please try again later.",
    )
    NOT_TWICE = (
        "it isn't resumable, and had begun",
        (
            "This was interrupted on our side, and can't be repeated safely: a part of it may have been done."
            " Please check, then try again."
        ),
    )
    DAMAGED = (
        "Redis has lost parts of the task",
        "We lost a part of this request on our side, and couldn't finish it. Please try again.",
    )

    def __init__(self, why: str, text: str) -> None:
        self.why = why
        self.text = text

    @property
    def label(self) -> str:
        """What metrics call it."""
        return self.name.lower()

    @classmethod
    def of(cls, error: BaseException | None, *, finished: bool, canceled: bool) -> Failure:
        """Return how an agent has failed that didn't end its turn.

        Args:
            error: What it raised; None for nothing.
            finished: Whether it had its time, and returned in it.
            canceled: Whether it was canceled, by itself.
        """
        if isinstance(error, LoopBlocked):
            return cls.BLOCKED
        if not finished:
            return cls.SLOW
        return cls.RAISED if error is not None or canceled else cls.SILENT
