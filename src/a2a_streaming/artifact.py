"""Artifacts that are sent in chunks."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from a2a_streaming.event import artifact_event, text_part
from a2a_streaming.task import Json


class Emitter(Protocol):
    """Who sends an artifact: a run."""

    task_id: str
    context_id: str

    async def emit_chunk(self, event: Json, artifact_id: str, *, last: bool, wait: bool) -> None:
        """Append one event; with the last one, remember the artifact as finished."""

    def index_of(self, artifact_id: str) -> int:
        """Return the ordinal of an artifact among its task's."""
        ...


class ArtifactStream:
    """An artifact that is sent in chunks.

    Args:
        run: The run that sends it.
        artifact: Its id, name and what else belongs to it, without parts.
        finished: Whether an earlier attempt has finished it.
    """

    finished: bool
    """Whether an earlier attempt has finished it: it stands in the task, and what is written is ignored."""

    def __init__(self, run: Emitter, artifact: Json, *, finished: bool = False) -> None:
        self.finished = finished
        self._run = run
        self._artifact = artifact
        self._begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.send([], last=True)

    async def write(self, *parts: str | Json) -> None:
        """Send a chunk; returns before Redis has it, unless much is on its way.

        Args:
            parts: Its parts; a string is a text part.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        await self.send([as_part(part) for part in parts], last=False, wait=False)

    async def send(self, parts: list[Json], *, last: bool, wait: bool = True) -> None:
        """Send parts, and say whether they are the last ones.

        Args:
            parts: A2A parts.
            last: Whether the artifact is complete with them.
            wait: Whether to return only when Redis has them.

        Raises:
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        if self.finished:
            return
        run, artifact = self._run, self._artifact
        if self._begun:
            artifact = {"artifactId": artifact["artifactId"], "name": artifact["name"]}
        event = artifact_event(
            run.task_id,
            run.context_id,
            {**artifact, "parts": parts},
            index=run.index_of(artifact["artifactId"]),
            append=self._begun,
            last_chunk=last,
        )
        self._begun = True
        await run.emit_chunk(event, artifact["artifactId"], last=last, wait=wait)


def as_part(part: str | Json) -> Json:
    """Return an A2A part; a string is a text part."""
    return text_part(part) if isinstance(part, str) else part
