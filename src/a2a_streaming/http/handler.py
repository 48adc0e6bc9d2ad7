"""One agent's tasks as a2a-sdk's dispatchers ask for them: a `RequestHandler` over `TaskService`."""

# ruff: noqa: ARG002 - the arguments are a2a-sdk's
from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, NoReturn

from a2a.server.context import ServerCallContext
from a2a.server.events import Event
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import (
    ExtendedAgentCardNotConfiguredError,
    InvalidParamsError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_streaming import errors
from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.errors import RequestError
from a2a_streaming.http.cards import extended_card
from a2a_streaming.http.streams import Opening, Streams
from a2a_streaming.node import Node
from a2a_streaming.service import Sent, TaskService
from a2a_streaming.task import Json, State
from a2a_streaming.wire import modern
from a2a_streaming.wire.cards import RESUME
from a2a_streaming.wire.dialects import Dialect

_PAGE, _MAX_PAGE = 50, 100


class Handler(RequestHandler):
    """Serves one request for a2a-sdk's dispatchers.

    Args:
        node: The process's node.
        agent: The agent's name.
        dialect: The dialect that the request came in.
        owner: Who asks.
        base: The agent's address, for its card.
    """

    def __init__(self, node: Node, agent: str, dialect: Dialect, owner: str, base: str) -> None:
        self._node = node
        self._agent = agent
        self.dialect = dialect
        """The dialect that the request came in."""
        self._owner = owner
        self._base = base
        self._streams = Streams(node, agent, dialect, owner)
        self.away: errors.Unavailable | None = None
        """What kept the request from being served, if HTTP itself is to say so."""

    @property
    def _service(self) -> TaskService:
        return self._node.service(self._agent)

    async def send(self, params: SendMessageRequest) -> Sent:
        """Accept a message.

        Raises:
            RequestError: It is refused.
        """
        said = modern.message_json(params.message)
        check_message(said)
        wanted = params.configuration
        webhook = None
        if wanted.HasField("task_push_notification_config"):
            webhook = MessageToDict(wanted.task_push_notification_config)
            await self._service.webhooks.check(webhook)
        sent = await self._service.send(
            said["parts"],
            owner=self._owner,
            task_id=said.get("taskId"),
            context=said.get("contextId"),
            message_id=said["messageId"],
            message_metadata=said.get("metadata"),
            message_extras={k: said[k] for k in ("referenceTaskIds", "extensions") if k in said},
            dialect=self.dialect.value,
        )
        if webhook is not None:
            await self._service.webhooks.set(
                sent.task_id,
                {**webhook, "id": webhook.get("id") or sent.task_id},
                owner=self._owner,
                dialect=self.dialect.value,
                told=str(sent.after or ""),
            )
        return sent

    async def on_message_send(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> Task | Message:
        """Accept a message; answer with the task, when its turn has ended unless asked otherwise."""
        wanted = params.configuration
        try:
            sent = await self.send(params)
            seconds = 0.0 if wanted.return_immediately else self._node.settings.send_seconds
            task = await self._service.wait_for_turn(sent, owner=self._owner, seconds=seconds)
        except RequestError as error:
            self._refuse(error)
        return modern.task_message(task, history_length=_length(wanted))

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task | None:
        """Return a task."""
        try:
            task = await self._service.get(params.id, owner=self._owner)
        except RequestError as error:
            self._refuse(error)
        return modern.task_message(task, history_length=_length(params))

    async def on_cancel_task(
        self, params: CancelTaskRequest, context: ServerCallContext
    ) -> Task | None:
        """Cancel a task."""
        try:
            task = await self._service.cancel(params.id, owner=self._owner)
        except RequestError as error:
            self._refuse(error)
        return modern.task_message(task)

    async def on_list_tasks(
        self, params: ListTasksRequest, context: ServerCallContext
    ) -> ListTasksResponse:
        """List the caller's tasks, the latest change first."""
        size = params.page_size if params.HasField("page_size") else _PAGE
        if not 1 <= size <= _MAX_PAGE:
            raise InvalidParamsError(f"pageSize must be 1 to {_MAX_PAGE}, not {size}.")
        if _length(params) is not None and params.history_length < 0:
            raise InvalidParamsError("historyLength must not be negative.")
        state = State(TaskState.Name(params.status)) if params.status else None
        changed_after = None
        if params.HasField("status_timestamp_after"):
            changed_after = params.status_timestamp_after.ToMilliseconds()
        try:
            page = await self._service.list(
                owner=self._owner,
                context=params.context_id or None,
                state=state,
                changed_after=changed_after,
                token=params.page_token or None,
                size=size,
            )
        except RequestError as error:
            self._refuse(error)
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
        try:
            sent = await self.send(params)
            opening = await self._streams.of_turn(sent, _position(context))
        except RequestError as error:
            self._refuse(error)
        async for event in self._told(opening, context):
            yield event

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Stream a task; HTTP has a way of its own."""
        try:
            opening = await self._streams.of_task(params.id, _position(context))
        except RequestError as error:
            self._refuse(error)
        async for event in self._told(opening, context):
            yield event

    async def _told(self, opening: Opening, context: ServerCallContext) -> AsyncGenerator[Event]:
        messages = modern.Messages(with_positions=RESUME in context.requested_extensions)
        reader = await opening.read(
            messages.event,
            lambda reset: messages.task(reset.task, reset.reason, reset.position),
        )
        try:
            while not reader.ended:
                try:
                    told = await reader.read(self._node.settings.heartbeat_seconds)
                except errors.Unavailable:
                    await asyncio.sleep(
                        1
                    )  # the client keeps its stream; it goes on when Redis is back
                    continue
                for one in told:
                    response = StreamResponse.FromString(one)
                    yield getattr(response, response.WhichOneof("payload") or "")
        except RequestError as error:
            self._refuse(error)
        finally:
            await reader.aclose()

    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Set a webhook; it is told what happens from now on."""
        return await self._set_webhook(params, await self._position_of(params.task_id))

    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Return a webhook."""
        for config in await self._webhooks_of(params.task_id):
            if config.id == (params.id or params.task_id):
                return config
        raise TaskNotFoundError(
            f"Task {params.task_id!r} has no push notification configuration {params.id!r}. List them."
        )

    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """Return a task's webhooks."""
        return ListTaskPushNotificationConfigsResponse(
            configs=await self._webhooks_of(params.task_id)
        )

    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Delete a webhook, if it is there."""
        try:
            await self.delete_push(params.task_id, params.id)
        except RequestError as error:
            self._refuse(error)

    async def delete_push(self, task_id: str, config_id: str) -> None:
        """Delete a webhook, if it is there.

        Raises:
            RequestError: It can't be served.
        """
        await self._service.webhooks.delete(task_id, config_id, owner=self._owner)

    async def _set_webhook(
        self, config: TaskPushNotificationConfig, told: str
    ) -> TaskPushNotificationConfig:
        try:
            set_ = await self._service.webhooks.set(
                config.task_id,
                {**MessageToDict(config), "id": config.id or config.task_id},
                owner=self._owner,
                dialect=self.dialect.value,
                told=told,
            )
        except RequestError as error:
            self._refuse(error)
        return _config(set_)

    async def _webhooks_of(self, task_id: str) -> list[TaskPushNotificationConfig]:
        try:
            found = await self._service.webhooks.of_task(task_id, owner=self._owner)
        except RequestError as error:
            self._refuse(error)
        return [_config(one) for one in found]

    async def _position_of(self, task_id: str) -> str:
        """Return where a task's log ends now."""
        try:
            return await self._service.webhooks.end_of_log(task_id, owner=self._owner)
        except RequestError as error:
            self._refuse(error)

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

    def _refuse(self, error: RequestError) -> NoReturn:
        """Raise what a2a-sdk knows in the place of an error of ours."""
        if isinstance(error, errors.Unavailable):
            self.away = error
        raise modern.sdk_error(error) from error


def check_message(said: Json) -> None:
    """Check what a message must have (specification 1.0, section 4.1.4).

    Raises:
        InvalidParams: Something is missing.
    """
    if not said.get("messageId"):
        raise errors.InvalidParams(
            "message.messageId is missing: give each message an id of its own."
        )
    if not said.get("parts"):
        raise errors.InvalidParams("message.parts is empty: a message has at least one part.")
    if said.get("role") != "ROLE_USER":
        raise errors.InvalidParams('message.role must be "ROLE_USER" ("user" in 0.3).')


def _config(webhook: Webhook) -> TaskPushNotificationConfig:
    told = {**webhook.config, "id": webhook.id, "taskId": webhook.task_id}
    return ParseDict(told, TaskPushNotificationConfig(), ignore_unknown_fields=True)


def _position(context: ServerCallContext) -> str | None:
    """Return the position that a caller has seen, as it says it."""
    headers: Any = context.state.get("headers", {})
    return headers.get("last-event-id")


def _length(params: Any) -> int | None:
    return params.history_length if params.HasField("history_length") else None


def _without_artifacts(task: Json) -> Json:
    return {key: value for key, value in task.items() if key != "artifacts"}
