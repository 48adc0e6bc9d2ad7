"""A task's webhooks as a2a-sdk's dispatchers ask for them."""

# ruff: noqa: ARG002 - the arguments are a2a-sdk's
from __future__ import annotations

import contextlib
from collections.abc import Generator

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import (
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import TaskNotFoundError
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.caller import Caller
from a2a_streaming.errors import RequestError, TooManyRequests, Unavailable
from a2a_streaming.node import Node
from a2a_streaming.sending import Sent
from a2a_streaming.service import TaskService
from a2a_streaming.wire.dialects import Dialect
from a2a_streaming.wire.modern import sdk_error


class WebhookHandler(RequestHandler):
    """Serves one request about webhooks (specification 1.0, sections 3.1.7 to 3.1.10).

    Args:
        node: The process's node.
        agent: The agent's name.
        dialect: The dialect that the request came in.
        caller: Who asks.
    """

    def __init__(self, node: Node, agent: str, dialect: Dialect, caller: Caller) -> None:
        self._node = node
        self._agent = agent
        self.dialect = dialect
        """The dialect that the request came in."""
        self._caller = caller
        self.away: Unavailable | TooManyRequests | None = None
        """What kept the request from being served, if HTTP itself is to say so."""
        self.refused: RequestError | None = None
        """What kept the request from being served."""

    @property
    def _service(self) -> TaskService:
        return self._node.service(self._agent)

    @contextlib.contextmanager
    def _refusing(self) -> Generator[None]:
        """Raise what a2a-sdk knows in the place of an error of ours."""
        try:
            yield
        except RequestError as error:
            self.refused = error
            if isinstance(error, Unavailable | TooManyRequests):
                self.away = error
            raise sdk_error(error) from error

    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Set a webhook; it is told what happens from now on."""
        with self._refusing():
            told = await self._service.webhooks.end_of_log(params.task_id, caller=self._caller)
            return _config(await self._set(params.task_id, params, told), params.task_id)

    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Return a webhook."""
        for config in await self._of_task(params.task_id):
            if config.id == (params.id or params.task_id):
                return config
        raise TaskNotFoundError(
            f"Task {params.task_id!r} has no push notification configuration {params.id!r}. List them."
        )

    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """Return a task's webhooks."""
        return ListTaskPushNotificationConfigsResponse(configs=await self._of_task(params.task_id))

    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Delete a webhook, if it is there."""
        with self._refusing():
            await self.delete_push(params.task_id, params.id)

    async def delete_push(self, task_id: str, config_id: str) -> None:
        """Delete a webhook, if it is there.

        Raises:
            RequestError: It can't be served.
        """
        await self._service.webhooks.delete(task_id, config_id, caller=self._caller)

    async def _check(self, config: TaskPushNotificationConfig) -> None:
        """Check a webhook that comes with a message, before the message is accepted."""
        await self._service.webhooks.check(MessageToDict(config))

    async def _set_with(self, sent: Sent, task_id: str, config: TaskPushNotificationConfig) -> None:
        """Set a webhook that came with a message: it is told the message's turn."""
        await self._set(task_id, config, str(sent.after or ""))

    async def _set(self, task_id: str, config: TaskPushNotificationConfig, told: str) -> Webhook:
        return await self._service.webhooks.set(
            task_id,
            {**MessageToDict(config), "id": config.id or task_id},
            caller=self._caller,
            dialect=self.dialect.value,
            told=told,
        )

    async def _of_task(self, task_id: str) -> list[TaskPushNotificationConfig]:
        with self._refusing():
            found = await self._service.webhooks.of_task(task_id, caller=self._caller)
        return [_config(one, task_id) for one in found]


def _config(webhook: Webhook, task_id: str) -> TaskPushNotificationConfig:
    told = {**webhook.config, "id": webhook.id, "taskId": task_id}
    return ParseDict(told, TaskPushNotificationConfig(), ignore_unknown_fields=True)
