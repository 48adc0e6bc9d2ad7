"""What an executor is told of the message that it is to handle."""

from __future__ import annotations

from a2a.auth.user import UnauthenticatedUser, User
from a2a.server.agent_execution import RequestContext
from a2a.server.context import ServerCallContext
from a2a.types import SendMessageRequest, Task
from google.protobuf.json_format import ParseDict

from a2a_streaming.run import Run
from a2a_streaming.task import Json, State
from a2a_streaming.wire.modern import task_message


class Owner(User):
    """Whose task it is, as a2a-sdk has a user.

    Args:
        name: Their name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        """Whether they are known: they are."""
        return True

    @property
    def user_name(self) -> str:
        """Their name."""
        return self._name


def request_context(run: Run) -> RequestContext:
    """Return the context of a turn, as a2a-sdk's own request handler makes it.

    The first turn has no `current_task`; a later one has it as it waited for this message.

    Args:
        run: The turn.
    """
    user = Owner(run.owner) if run.owner else UnauthenticatedUser()
    request = SendMessageRequest(metadata=run.metadata)
    ParseDict(run.message, request.message, ignore_unknown_fields=True)
    return RequestContext(
        ServerCallContext(user=user),
        request,
        task_id=run.task_id,
        context_id=run.context_id,
        task=_current_task(run),
    )


def _current_task(run: Run) -> Task | None:
    if run.found is State.SUBMITTED and run.ends_as is None:
        return None
    task = run.task
    return task_message(task if run.ends_as is not None else _as_found(task, run))


def _as_found(task: Json, run: Run) -> Json:
    """Return a task as it was before the turn's message: waiting, with its question in the status."""
    said: list[Json] = task.get("history", [])
    place = next((n for n, one in enumerate(said) if one["messageId"] == run.message_id), len(said))
    before = said[:place]
    status: Json = {"state": run.found.value}
    if "timestamp" in task["status"]:
        status["timestamp"] = task["status"]["timestamp"]
    if before and before[-1]["role"] == "ROLE_AGENT":
        status["message"] = before.pop()
    return {**task, "status": status, "history": before}
