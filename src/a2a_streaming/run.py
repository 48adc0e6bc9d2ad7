"""A run: one turn of one task, and the ways in which an agent answers in it."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, cast

import orjson

from a2a_streaming.artifact import ArtifactStream, as_part
from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.subscriptions import Subscriptions
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import InvalidTransition, RunEnded, StepRepeated
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.task import Json, State, artifact_index, find_artifact


class Run:
    """One turn of one task: the handling of one message, under a lease.

    What it emits is in the task's log, and on its way to every watcher, when the call returns.

    Args:
        grant: The lease.
        entry: The message whose turn it is.
        attempt: Which attempt at this turn it is, from 1.
        writer: Appends to the log.
        steps: Results of the steps that earlier attempts finished, by name.
        subscriptions: Knows who watches.
    """

    task_id: str
    """The task."""
    context_id: str
    """The conversation that the task belongs to."""
    owner: str
    """Whose task it is; empty without authentication."""
    attempt: int
    """Which attempt at this turn it is, from 1."""
    message: Json
    """The customer's message (A2A 1.0 JSON)."""
    message_id: str
    """Its id."""

    def __init__(
        self,
        grant: Grant,
        entry: InboxEntry,
        *,
        attempt: int,
        writer: LogWriter,
        steps: dict[str, bytes],
        subscriptions: Subscriptions,
    ) -> None:
        self.task_id = grant.task_id
        self.context_id = grant.context
        self.owner = grant.owner
        self.attempt = attempt
        self.message = entry.message
        self.message_id = entry.message_id
        self._writer = writer
        self._finished = steps
        self._begun: set[str] = set()
        self._artifacts: dict[str, int] = {}
        self._ended = False
        self._subscriptions = subscriptions
        self.pause = 0.0
        """Seconds that each event is held back; more than 0 while nobody watches an agent that slows down then."""
        self.following: InboxEntry | None = None
        """The message whose turn is next under the same lease, once this turn has ended."""

    @property
    def text(self) -> str:
        """The message's text: its text parts, joined by newlines."""
        return "\n".join(part["text"] for part in self.message["parts"] if "text" in part)

    @property
    def data(self) -> Json | None:
        """The message's first data part that is an object; None without one."""
        for part in self.message["parts"]:
            if isinstance(part.get("data"), dict):
                return cast("Json", part["data"])
        return None

    @property
    def task(self) -> Json:
        """The task as it is now (A2A 1.0 JSON); a copy."""
        return copy.deepcopy(self._writer.task)

    @property
    def metadata(self) -> Json:
        """The task's metadata: what the client and earlier statuses said; a copy."""
        return copy.deepcopy(self._writer.task.get("metadata", {}))

    @property
    def ended(self) -> bool:
        """Whether the turn has ended."""
        return self._ended

    async def watchers(self) -> int:
        """Return how many watch the task now, on any process.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._subscriptions.count(self.task_id)

    def close(self) -> None:
        """Let nothing more be emitted: the worker ends the turn."""
        self._ended = True

    async def working(
        self, text: str | None = None, *parts: Json, metadata: Json | None = None
    ) -> None:
        """Show progress.

        Args:
            text: What the agent is doing, in words for the customer.
            parts: More of the message, A2A parts.
            metadata: Merged into the task's metadata.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._status(State.WORKING, text, parts, metadata)

    async def input_required(self, text: str, *parts: Json, metadata: Json | None = None) -> None:
        """Ask the customer, and end the turn. Their answer begins the next one.

        Args:
            text: The question.
            parts: More of it, A2A parts, for example a form.
            metadata: Merged into the task's metadata: what the next turn must know.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._end(State.INPUT_REQUIRED, text, parts, metadata)

    async def complete(
        self, text: str | None = None, *parts: Json, metadata: Json | None = None
    ) -> None:
        """End the task well.

        Args:
            text: The last word to the customer.
            parts: More of it, A2A parts.
            metadata: Merged into the task's metadata.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._end(State.COMPLETED, text, parts, metadata)

    async def fail(self, text: str, *parts: Json, metadata: Json | None = None) -> None:
        """End the task as failed.

        Args:
            text: Why, in words that a customer may read.
            parts: More of it, A2A parts.
            metadata: Merged into the task's metadata.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._end(State.FAILED, text, parts, metadata)

    async def reject(self, text: str, *, metadata: Json | None = None) -> None:
        """Refuse the task.

        Args:
            text: Why, in words that a customer may read.
            metadata: Merged into the task's metadata.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._end(State.REJECTED, text, (), metadata)

    async def attach(
        self,
        name: str,
        *parts: str | Json,
        description: str | None = None,
        metadata: Json | None = None,
    ) -> None:
        """Send a whole artifact at once.

        Args:
            name: Its name.
            parts: Its parts; a string is a text part.
            description: What it is.
            metadata: What else belongs to it.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        artifact = self.artifact(name, description=description, metadata=metadata)
        await artifact.send([as_part(part) for part in parts], last=True)

    def artifact(
        self, name: str, *, description: str | None = None, metadata: Json | None = None
    ) -> ArtifactStream:
        """Open an artifact that is sent in chunks; use it with `async with`.

        A second attempt writes it from its beginning, in the place of what the first one left.

        Args:
            name: Its name.
            description: What it is.
            metadata: What else belongs to it.
        """
        nth = self._artifacts[name] = self._artifacts.get(name, 0) + 1
        # The same in every attempt, so that a repetition takes the place of what it repeats.
        seed = f"{self.message_id}\n{name}\n{nth}".encode()
        artifact: Json = {
            "artifactId": hashlib.blake2b(seed, digest_size=8).hexdigest(),
            "name": name,
        }
        if description:
            artifact["description"] = description
        if metadata:
            artifact["metadata"] = metadata
        return ArtifactStream(self, artifact)

    def step_key(self, name: str) -> str:
        """Return a step's key: the same in every attempt, another in every turn and task.

        Args:
            name: The step's name.
        """
        return f"{self.task_id}:{self.message_id}:{name}"

    async def step(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do a named piece of work whose result is remembered: a later attempt doesn't repeat it.

        A process that dies between the work and the remembering leaves a step that is done again. So
        a function with an effect on the world takes a keyword argument `idempotency_key`, is handed
        the step's key in it, and gives it to the system of record, which must hold it unique.

        Args:
            name: The step's name, its own within the turn.
            function: What to do; plain or async. Its result must be JSON.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            What the function returned, or had returned in an earlier attempt, as JSON has it.

        Raises:
            StepRepeated: The turn has already had a step of that name.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        if name in self._begun:
            raise StepRepeated(name)
        self._begun.add(name)
        if name in self._finished:
            return orjson.loads(self._finished[name])
        if _takes_key(function):
            kwargs.setdefault("idempotency_key", self.step_key(name))
        result = function(*args, **kwargs)
        if inspect.isawaitable(result):
            result = await result
        encoded = orjson.dumps(result)
        await self._writer.append(step=(f"{self.message_id}:{name}", encoded))
        return orjson.loads(encoded)

    async def emit(self, event: Json, *, wait: bool = True) -> None:
        """Append one event as it is.

        Args:
            event: A StreamResponse (A2A 1.0 JSON) that doesn't end the turn.
            wait: Whether to return only when Redis has it.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        if self.pause:
            await asyncio.sleep(self.pause)
        self._check_open()
        await self._writer.append(event, wait=wait)

    def index_of(self, artifact_id: str) -> int:
        """Return the ordinal of one of the task's artifacts, or the next free one for a new one."""
        artifacts: list[Json] = self._writer.task.get("artifacts", [])
        place = find_artifact(artifacts, artifact_id)
        if place is not None:
            return artifact_index(artifacts[place])
        return 1 + max((artifact_index(artifact) for artifact in artifacts), default=-1)

    async def _status(
        self, state: State, text: str | None, parts: tuple[Json, ...], metadata: Json | None
    ) -> None:
        await self.emit(self._status_event(state, text, parts, metadata))

    async def _end(
        self, state: State, text: str | None, parts: tuple[Json, ...], metadata: Json | None
    ) -> None:
        self._check_open()
        event = self._status_event(state, text, parts, metadata)
        self._ended = True
        try:
            self.following = await self._writer.append(event, settles=self.message_id)
        except (InvalidTransition, TypeError, ValueError):  # nothing was appended: the turn goes on
            self._ended = False
            raise

    def _status_event(
        self, state: State, text: str | None, parts: tuple[Json, ...], metadata: Json | None
    ) -> Json:
        said = None
        all_parts = [*([text_part(text)] if text else []), *parts]
        if all_parts:
            said = message("agent", all_parts, task_id=self.task_id, context_id=self.context_id)
        return status_event(self.task_id, self.context_id, state, said, metadata=metadata)

    def _check_open(self) -> None:
        if self._ended:
            raise RunEnded(self.task_id)


def _takes_key(function: Callable[..., Any]) -> bool:
    try:
        return "idempotency_key" in inspect.signature(function).parameters
    except ValueError:  # some built-in functions have no signature
        return False
