"""What an executor emits, on its way into the log."""

from __future__ import annotations

import asyncio

from a2a.server.events import Event, EventQueue
from a2a.types import Message, Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent
from google.protobuf.json_format import MessageToDict

from a2a_streaming.event import artifact_event, status_event
from a2a_streaming.intervening import EMITS
from a2a_streaming.run import Run
from a2a_streaming.task import INTERNAL, Json, State, find_artifact, mentions
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)


class RunQueue(EventQueue):
    """The queue of one turn: what is put into it is appended to the log, in order.

    Args:
        run: The turn.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._order = asyncio.Lock()
        self._refused: Exception | None = None

    async def enqueue_event(self, event: Event) -> None:
        """Append what an event says that the log doesn't yet.

        What comes after the turn's end is dropped, as in a2a-sdk; the log says so.

        Args:
            event: The event.

        Raises:
            ValueError: It isn't this task's, or lacks what every event has.
            InvalidTransition: The task can't take its state.
            Fenced: Another process has taken the task over.
        """
        async with self._order:
            if self._run.ended:
                _log.warning(
                    "an executor emitted after its turn's end; dropped",
                    task=self._run.task_id,
                    kind=type(event).__name__,
                )
                return
            try:
                await self._translate(event)
            except Exception as error:
                self._refused = self._refused or error  # the executor may swallow it
                raise

    async def finish(self) -> None:
        """End the turn as the executor has left it, once it has returned.

        Raises:
            ValueError: It swallowed an earlier error of this queue's.
            InvalidTransition: Likewise.
            Fenced: Another process has taken the task over.
        """
        run = self._run
        if run.ended:
            return
        if self._refused is not None:
            raise self._refused
        if State(run.task["status"]["state"]).interrupted:
            await run.rest()

    async def _translate(self, event: Event) -> None:
        run = self._run
        if isinstance(event, Message):
            await run.answer(_named(MessageToDict(event), run))
            return
        if not run.has_done(EMITS):
            await run.step(EMITS, _true)
        match event:
            case Task():
                await self._task(MessageToDict(event))
            case TaskStatusUpdateEvent():
                await self._status(_named(MessageToDict(event), run))
            case TaskArtifactUpdateEvent():
                await self._artifact(_named(MessageToDict(event), run))
            case other:  # pyright: ignore[reportUnnecessaryComparison] - executors aren't type-checked here
                raise ValueError(
                    f"An executor emits a Task, a Message, or a task's updates, not {type(other).__name__}."
                )

    async def _task(self, task: Json) -> None:
        """Append what a whole task says that the log doesn't: words, artifacts, its state."""
        run = self._run
        named = _named({"taskId": task.get("id"), "contextId": task.get("contextId")}, run)
        if (named["taskId"], named["contextId"]) != (run.task_id, run.context_id):
            raise ValueError(
                f"An executor's Task has the context's ids: {run.task_id!r} and {run.context_id!r}, "
                f"not {named['taskId']!r} and {named['contextId']!r}."
            )
        known = run.task
        for said in task.get("history", ()):
            if said.get("role") == "ROLE_AGENT" and not mentions(known, said["messageId"]):
                await self._status(
                    {**named, "status": {"state": State.WORKING.value, "message": said}}
                )
        for artifact in task.get("artifacts", ()):
            if not _has(known, artifact):
                await self._artifact({**named, "artifact": artifact})
        status: Json = task.get("status", {})
        said = status.get("message")
        is_told = status.get("state") == known["status"]["state"] or status.get("state") in (
            None,
            State.SUBMITTED.value,
            run.found.value if run.found is not State.SUBMITTED else None,
        )
        if not is_told or (said is not None and not mentions(known, said["messageId"])):
            await self._status({**named, "status": status, "metadata": task.get("metadata", {})})

    async def _status(self, update: Json) -> None:
        run = self._run
        status: Json = update.get("status", {})
        state = State(status.get("state", ""))  # ValueError: unspecified
        metadata: Json = update.get("metadata", {})
        said = status.get("message")
        now = State(run.task["status"]["state"])
        if state is State.SUBMITTED and now is not State.SUBMITTED:
            if said is None and not metadata:
                return  # a later turn's, which says what the first one has said
            state = State.WORKING
        made = status_event(
            update["taskId"], update["contextId"], state, said, metadata=_foreign(metadata)
        )
        if "timestamp" in status:
            made["statusUpdate"]["status"]["timestamp"] = status["timestamp"]
        if state is State.AUTH_REQUIRED:
            # Whether it returns now, or waits for the authorization itself, only its return tells.
            await run.hold(made)
        elif state.terminal or state.interrupted:
            await run.end(made)
        else:
            await run.emit(made)

    async def _artifact(self, update: Json) -> None:
        run = self._run
        artifact: Json = {"parts": [], **update.get("artifact", {})}
        made = artifact_event(
            update["taskId"],
            update["contextId"],
            artifact,
            index=run.index_of(artifact.get("artifactId", "")),
            append=bool(update.get("append")),
            last_chunk=True if update.get("lastChunk") else None,
        )
        told = made["artifactUpdate"]
        told["metadata"] = {**_foreign(update.get("metadata", {})), **told["metadata"]}
        await run.emit(made, wait=False)  # waits only while too much is on its way


class CancelQueue(EventQueue):
    """The queue of an executor that is being canceled: only the last word of a canceled status is used.

    Args:
        run: The latest turn.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    async def enqueue_event(self, event: Event) -> None:
        """Keep a canceled status' message; drop everything else.

        Args:
            event: The event.
        """
        run = self._run
        status = event.status if isinstance(event, TaskStatusUpdateEvent | Task) else None
        told: Json = MessageToDict(status) if status is not None else {}
        if told.get("state") != State.CANCELED.value:
            _log.info("dropped what a canceled executor emitted", task=run.stored_id)
        elif (said := told.get("message")) and said.get("messageId") and said.get("parts"):
            run.farewell = {**_named(said, run), "role": "ROLE_AGENT"}


def _named(told: Json, run: Run) -> Json:
    """Return what an executor emits with the ids that it left out."""
    return {
        **told,
        "taskId": told.get("taskId") or run.task_id,
        "contextId": told.get("contextId") or run.context_id,
    }


def _has(task: Json, artifact: Json) -> bool:
    """Say whether a task has an artifact as it is told."""
    artifacts: list[Json] = task.get("artifacts", [])
    place = find_artifact(artifacts, artifact.get("artifactId", ""))
    if place is None:
        return False
    found = artifacts[place]
    bare = {**found, "metadata": _foreign(found.get("metadata", {}))}
    return bare == {"parts": [], "metadata": {}, **artifact}


def _foreign(metadata: Json) -> Json:
    """Return metadata without our own notes."""
    return {key: value for key, value in metadata.items() if key != INTERNAL}


async def _true() -> bool:
    return True
