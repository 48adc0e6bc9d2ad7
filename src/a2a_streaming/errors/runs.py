"""What runs may no longer do, and what logs no longer hold."""

from __future__ import annotations

from a2a_streaming.errors.base import A2AStreamingError


class RunError(A2AStreamingError):
    """What an agent's run may not do, or no longer."""


class Fenced(RunError):
    """The run has lost its lease; whoever holds it now goes on with the task.

    Args:
        task_id: The task.
        epoch: The epoch (fencing token) that is no longer valid.
    """

    def __init__(self, task_id: str, epoch: int) -> None:
        super().__init__(
            f"The run of task {task_id!r} under epoch {epoch} no longer holds the lease: stop working on it."
        )
        self.task_id = task_id
        self.epoch = epoch


class RunEnded(RunError):
    """The run has sent its last event.

    Args:
        task_id: The task.
    """

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"The run of task {task_id!r} has ended; emit nothing after complete(), fail() or input_required()."
        )


class InvalidTransition(RunError):
    """The task's state machine has no such step.

    Args:
        current: The state the task is in.
        wanted: The state that was asked for.
    """

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(
            f"A task that is {current} can't become {wanted}; see a2a_streaming.task.TRANSITIONS."
        )


class StepRepeated(RunError):
    """The same step name twice in one turn.

    Args:
        name: The step's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The step {name!r} has already run in this turn; give each step of a turn a name of its own."
        )


class InvalidPosition(A2AStreamingError, ValueError):
    """A position that can't be read.

    Args:
        text: What was given.
    """

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:64]!r} is no position; one looks like 1700000000000000-7, as in the events' id."
        )


class HistoryLost(A2AStreamingError):
    """The log no longer holds what follows on a position.

    Args:
        task_id: The task.
        reason: Why: `trimmed`, `forked`, `future`, `malformed` or `gone`.
    """

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(
            f"The history of task {task_id!r} can't be continued from there ({reason}); start from its snapshot."
        )
        self.task_id = task_id
        self.reason = reason
