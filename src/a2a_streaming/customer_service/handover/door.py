"""The hand-over's way in from outside, as the server has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from a2a_streaming.caller import Caller
from a2a_streaming.errors import RequestError
from a2a_streaming.task import Json


class Door(Protocol):
    """Who asks, and the Intent Agent's tasks."""

    async def identify(self, request: Request) -> Caller:
        """Return who asks.

        Raises:
            RequestError: Nobody knows, or they may not ask.
        """
        ...

    async def body(self, request: Request) -> Any:
        """Return a request's body, read as JSON; an empty object without one.

        Raises:
            RequestError: It is none, or too large.
        """
        ...

    async def send(self, caller: Caller, task: str, message_id: str, part: Json) -> None:
        """Put a message into a task's inbox, and note with it that it comes from here (`desk` is true).

        Args:
            caller: The person.
            task: The task, by its stored id.
            message_id: By which it is known when it is sent again.
            part: What it carries, an A2A part.

        Raises:
            RequestError: It isn't accepted.
        """
        ...

    async def find(self, caller: Caller, task: str) -> tuple[str, str, Json]:
        """Return a task that a person may see: its stored id, its owner, and the task (A2A 1.0 JSON).

        Args:
            caller: The person.
            task: The task, by its stored id.

        Raises:
            TaskNotFound: It isn't there for them.
            Unavailable: Redis is away.
        """
        ...

    async def earlier(self, caller: Caller, owner: str, *, but: str, size: int) -> Sequence[Json]:
        """Return an owner's tasks, A2A 1.0 JSON with stored ids, the latest change first.

        Args:
            caller: The person, for the audit; they were found to see a task of that owner's.
            owner: Whose tasks.
            but: The task to leave out, by its stored id.
            size: The most tasks.

        Raises:
            Unavailable: Redis is away.
        """
        ...

    async def owned(self, caller: Caller, owner: str, task: str) -> Json:
        """Return one of an owner's tasks, A2A 1.0 JSON with its stored id.

        Args:
            caller: The person, for the audit; they were found to see a task of that owner's.
            owner: Whose task.
            task: The task, by its stored id.

        Raises:
            InvalidParams: The id can't be one.
            TaskNotFound: The owner has no such task.
            Unavailable: Redis is away.
        """
        ...

    async def watchers(self, task: str) -> Sequence[Json]:
        """Return on which nodes a task is watched, and by how many: `{"node", "count"}`.

        Args:
            task: The task, by its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        ...

    async def interrupt(self, task: str) -> None:
        """Have the Intent Agent stop what it is doing for a task that a person takes over, if it does anything.

        Args:
            task: The task, by its stored id.

        Raises:
            Unavailable: Redis is away.
        """
        ...

    async def overdue(self, task: str, ticket: str, *, since: int, due: int, priority: str) -> None:
        """Have it raised that a ticket waits for too long; again and again, if need be.

        Args:
            task: The task, by its stored id.
            ticket: The ticket.
            since: Since when it waits, ms since 1970.
            due: By when a person was to have it, ms since 1970.
            priority: The ticket's.

        Raises:
            Unavailable: Redis is away.
        """
        ...

    def refuse(self, error: RequestError) -> Response:
        """Return the answer to a request that can't be served."""
        ...
