"""One agent's tasks as a2a-sdk's dispatchers ask for them: a `RequestHandler` over `TaskService`."""

# ruff: noqa: ARG002 - the arguments are a2a-sdk's
from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.events import Event
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
)
from a2a.utils.errors import ExtendedAgentCardNotConfiguredError, UnsupportedOperationError

from a2a_streaming.caller import Caller
from a2a_streaming.cards import extended_card
from a2a_streaming.errors import InvalidParams, TaskNotCancelable, TaskNotFound, Unavailable
from a2a_streaming.handlers.webhooks import WebhookHandler
from a2a_streaming.node import Node
from a2a_streaming.opening import Opening, Openings
from a2a_streaming.sending import Sent
from a2a_streaming.task import Json, State, answered_by_message
from a2a_streaming.wire import modern
from a2a_streaming.wire.cards import RESUME
from a2a_streaming.wire.dialects import Dialect

_PAGE, _MAX_PAGE = 50, 100
_LOOK_SECONDS = 1.0
"""How often a stream looks whether its process drains, and whether Redis is back."""


class Handler(WebhookHandler):
    """Serves one request for a2a-sdk's dispatchers.

    Args:
        node: The process's node.
        agent: The agent's name.
        dialect: The dialect that the request came in.
        caller: Who asks.
        base: The agent's address, for its card.
    """

    def __init__(self, node: Node, agent: str, dialect: Dialect, caller: Caller, base: str) -> None:
        super().__init__(node, agent, dialect, caller)
        self._base = base

    @property
    def openings(self) -> Openings:
        """What opens this request's streams."""
        return Openings(self._service, self.dialect, self._caller)

    async def send(self, params: SendMessageRequest, *, watched: bool = True) -> Sent:
        """Accept a message.

        Args:
            params: The message.
            watched: Whether its sender is about to watch its turn.

        Raises:
            RequestError: It is refused.
        """
        said = modern.message_json(params.message)
        check_message(said)
        webhook = None
        if params.configuration.HasField("task_push_notification_config"):
            webhook = params.configuration.task_push_notification_config
            await self._check(webhook)
        sent = await self._service.send(
            said["parts"],
            caller=self._caller,
            task_id=said.get("taskId"),
            context=said.get("contextId"),
            message_id=said["messageId"],
            message_metadata=said.get("metadata"),
            message_extras={k: said[k] for k in ("referenceTaskIds", "extensions") if k in said},
            dialect=self.dialect.value,
            watched=watched,
        )
        if webhook is not None:
            await self._set_with(sent, said.get("taskId") or sent.task_id, webhook)
        return sent

    async def on_message_send(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> Task | Message:
        """Accept a message; answer with the task, when its turn has ended unless asked otherwise."""
        wanted = params.configuration
        at_once = wanted.return_immediately
        first = at_once and self._service.may_answer_with_message
        seconds = 0.0 if at_once and not first else self._node.settings.send_seconds
        with self._refusing():
            sent = await self.send(params, watched=seconds > 0)
            task = await self._service.wait_for_turn(sent, seconds=seconds, first=first)
        return modern.task_or_message(task, history_length=_length(wanted))

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task | None:
        """Return a task."""
        with self._refusing():
            task = await self._service.get(params.id, caller=self._caller)
            if answered_by_message(task):
                raise TaskNotFound(params.id)
        return modern.task_message(task, history_length=_length(params))

    async def on_cancel_task(
        self, params: CancelTaskRequest, context: ServerCallContext
    ) -> Task | None:
        """Cancel a task."""
        with self._refusing():
            try:
                task = await self._service.cancel(params.id, caller=self._caller)
            except TaskNotCancelable:
                if answered_by_message(await self._service.get(params.id, caller=self._caller)):
                    raise TaskNotFound(params.id) from None
                raise
        return modern.task_message(task)

    async def on_list_tasks(
        self, params: ListTasksRequest, context: ServerCallContext
    ) -> ListTasksResponse:
        """List the caller's tasks, the latest change first."""
        size = params.page_size if params.HasField("page_size") else _PAGE
        with self._refusing():
            if not 1 <= size <= _MAX_PAGE:
                raise InvalidParams(f"pageSize must be 1 to {_MAX_PAGE}, not {size}.")
            if (_length(params) or 0) < 0:
                raise InvalidParams("historyLength must not be negative.")
            page = await self._service.list(
                caller=self._caller,
                context=params.context_id or None,
                state=_state(params),
                changed_after=_changed_after(params),
                token=params.page_token or None,
                size=size,
            )
        told = [
            modern.task_message(
                task if params.include_artifacts else _without_artifacts(task),
                history_length=_length(params),
            )
            for task in page.tasks
        ]
        return ListTasksResponse(
            tasks=told, next_page_token=page.next_token, page_size=size, total_size=page.total
        )

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Accept a message, and stream its turn; HTTP has a way of its own."""
        with self._refusing():
            sent = await self.send(params)
            opening = self.openings.of_turn(sent, _position(context))
        async with contextlib.aclosing(self._told(opening, context)) as told:
            async for event in told:
                yield event

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Stream a task; HTTP has a way of its own."""
        with self._refusing():
            opening = await self.openings.of_task(params.id, _position(context))
        async with contextlib.aclosing(self._told(opening, context)) as told:
            async for event in told:
                yield event

    async def _told(self, opening: Opening, context: ServerCallContext) -> AsyncGenerator[Event]:
        """Read a stream to its end, or until the process drains."""
        messages = modern.Messages(with_positions=RESUME in context.requested_extensions)
        with self._refusing():
            reader = await opening.read(messages)
            try:
                while not reader.ended and not self._node.draining:
                    try:
                        told = await reader.read(_LOOK_SECONDS)
                    except Unavailable:
                        await asyncio.sleep(_LOOK_SECONDS)  # it goes on when Redis is back
                        continue
                    for one in told:
                        response = StreamResponse.FromString(one)
                        yield getattr(response, response.WhichOneof("payload") or "")
            finally:
                await reader.aclose()

    async def on_get_extended_agent_card(
        self, params: GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> AgentCard:
        """Return what is told to those who have signed in."""
        card = extended_card(self._node, self._agent, self._base)
        if card is not None:
            return card
        if not self._node.cards[self._agent].capabilities.extended_agent_card:
            raise UnsupportedOperationError(
                "This agent has no extended card; its card says so. Use the public one."
            )
        raise ExtendedAgentCardNotConfiguredError(
            "This agent's card promises an extended one, but it isn't configured. Use the public one."
        )


def check_message(said: Json) -> None:
    """Check what a message must have (specification 1.0, section 4.1.4).

    Raises:
        InvalidParams: Something is missing.
    """
    if not said.get("messageId"):
        raise InvalidParams("message.messageId is missing: give each message an id of its own.")
    if not said.get("parts"):
        raise InvalidParams("message.parts is empty: a message has at least one part.")
    if said.get("role") != "ROLE_USER":
        raise InvalidParams('message.role must be "ROLE_USER" ("user" in 0.3).')


def _position(context: ServerCallContext) -> str | None:
    """Return the position that a caller has seen, where the transport hands its headers on."""
    headers: Any = context.state.get("headers", {})
    return headers.get("last-event-id")


def _length(params: Any) -> int | None:
    return params.history_length if params.HasField("history_length") else None


def _state(params: ListTasksRequest) -> State | None:
    if not params.status:
        return None
    if params.status not in TaskState.values():
        raise InvalidParams(f"status must be one of A2A's states, not {params.status}.")
    return State(TaskState.Name(params.status))


def _changed_after(params: ListTasksRequest) -> int | None:
    if not params.HasField("status_timestamp_after"):
        return None
    try:
        return params.status_timestamp_after.ToMilliseconds()
    except ValueError as error:
        raise InvalidParams(f"statusTimestampAfter can't be read: {error}") from error


def _without_artifacts(task: Json) -> Json:
    return {key: value for key, value in task.items() if key != "artifacts"}
