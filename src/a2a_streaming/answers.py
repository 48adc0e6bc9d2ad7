"""Answers: the ways in which an agent answers in a turn, in terms of events."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any

from a2a_streaming.artifact import ArtifactStream, as_part
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.task import Json, State


class Answers(ABC):
    """What an agent can say in a turn; a `Run` puts it into the log.

    Args:
        task_id: The task.
        context_id: The conversation that it belongs to.
        message_id: The message whose turn it is.
    """

    task_id: str
    """The task."""
    context_id: str
    """The conversation that the task belongs to."""
    message_id: str
    """The id of the customer's message."""

    def __init__(self, task_id: str, context_id: str, message_id: str) -> None:
        self.task_id = task_id
        self.context_id = context_id
        self.message_id = message_id
        self._artifacts: dict[str, int] = {}

    async def working(
        self,
        text: str | None = None,
        *parts: Json,
        metadata: Json | None = None,
        bookmark: tuple[str, Any] | None = None,
    ) -> None:
        """Show progress.

        Args:
            text: What the agent is doing, in words for the customer.
            parts: More of the message, A2A parts.
            metadata: Merged into the task's metadata.
            bookmark: A name and a JSON value, stored with it; see `bookmark`.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        event = self._status_event(State.WORKING, text, parts, metadata)
        await self.emit(event, bookmark=bookmark)

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
        await self._say_last(State.INPUT_REQUIRED, text, parts, metadata)

    async def auth_required(self, text: str, *parts: Json, metadata: Json | None = None) -> None:
        """Ask the customer to authorize something, and end the turn. Their next message begins the next one.

        Args:
            text: What to authorize, and where.
            parts: More of it, A2A parts.
            metadata: Merged into the task's metadata: what the next turn must know.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._say_last(State.AUTH_REQUIRED, text, parts, metadata)

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
        await self._say_last(State.COMPLETED, text, parts, metadata)

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
        await self._say_last(State.FAILED, text, parts, metadata)

    async def reject(self, text: str, *, metadata: Json | None = None) -> None:
        """Refuse the task.

        Args:
            text: Why, in words that a customer may read.
            metadata: Merged into the task's metadata.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self._say_last(State.REJECTED, text, (), metadata)

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

        A finished artifact is a step: a later attempt leaves it as it stands (its `finished` is true, and
        what is written to it is ignored). One that was cut short is written anew, from its beginning.

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
        return ArtifactStream(self, artifact, finished=self.is_finished(artifact["artifactId"]))

    @abstractmethod
    async def emit(
        self, event: Json, *, wait: bool = True, bookmark: tuple[str, Any] | None = None
    ) -> None:
        """Append one event that doesn't end the turn."""

    @abstractmethod
    async def emit_chunk(self, event: Json, artifact_id: str, *, last: bool, wait: bool) -> None:
        """Append an artifact's piece; with the last one, remember it as finished."""

    @abstractmethod
    async def end(self, event: Json) -> None:
        """Append the event that ends the turn."""

    @abstractmethod
    def is_finished(self, artifact_id: str) -> bool:
        """Say whether an earlier attempt has finished an artifact."""

    @abstractmethod
    def index_of(self, artifact_id: str) -> int:
        """Return the ordinal of an artifact among its task's."""

    async def _say_last(
        self, state: State, text: str | None, parts: tuple[Json, ...], metadata: Json | None
    ) -> None:
        await self.end(self._status_event(state, text, parts, metadata))

    def _status_event(
        self, state: State, text: str | None, parts: tuple[Json, ...], metadata: Json | None
    ) -> Json:
        said = None
        all_parts = [*([text_part(text)] if text else []), *parts]
        if all_parts:
            said = message("agent", all_parts, task_id=self.task_id, context_id=self.context_id)
        return status_event(self.task_id, self.context_id, state, said, metadata=metadata)
