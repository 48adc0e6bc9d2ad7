"""`RedisRequestHandler` takes the place of a2a-sdk's `DefaultRequestHandler` in a program that already exists."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from a2a.server.agent_execution import AgentExecutor
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
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
)

from a2a_streaming.agent import Agent
from a2a_streaming.caller import ANYBODY, Caller, owner_of
from a2a_streaming.errors import RequestError
from a2a_streaming.executors import as_agent
from a2a_streaming.handlers import Handler
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.wire.dialects import Dialect
from a2a_streaming.wire.modern import sdk_error


class RedisRequestHandler(RequestHandler):
    """Serves a2a-sdk's own routes, with tasks, streams and runs in Redis.

    It connects with its first request, or by `start`. Several processes may run it: they share the tasks.

    Args:
        agent_executor: The executor; an `Agent` is taken as well.
        agent_card: Its card.
        redis: The URL of Redis or Valkey; the settings' if None; without either, an embedded store.
        settings: The settings; read from the environment if None.

    Raises:
        InvalidSetting: A setting in the environment is wrong.
    """

    def __init__(
        self,
        agent_executor: AgentExecutor | Agent,
        agent_card: AgentCard,
        redis: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or load_settings()
        if redis is not None:
            settings = settings.model_copy(update={"redis_url": redis})
        self._agent = as_agent(agent_executor, card=agent_card, name="agent_executor")
        self.node = Node([self._agent], settings)
        """This process's share: its connection, its feeds, its worker."""

    async def start(self) -> None:
        """Connect, and work on tasks that wait; the first request does so by itself.

        Raises:
            SetupError: The set-up needs a hand; the message says which.
        """
        await self.node.start()

    async def aclose(self) -> None:
        """Hand running work over, end every stream, and let go of everything."""
        await self.node.aclose()

    async def on_message_send(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> Task | Message:
        """Accept a message; answer when its turn has ended unless asked otherwise."""
        return await (await self._handler(context)).on_message_send(params, context)

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task | None:
        """Return a task."""
        return await (await self._handler(context)).on_get_task(params, context)

    async def on_cancel_task(
        self, params: CancelTaskRequest, context: ServerCallContext
    ) -> Task | None:
        """Cancel a task."""
        return await (await self._handler(context)).on_cancel_task(params, context)

    async def on_list_tasks(
        self, params: ListTasksRequest, context: ServerCallContext
    ) -> ListTasksResponse:
        """List the caller's tasks, the latest change first."""
        return await (await self._handler(context)).on_list_tasks(params, context)

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Accept a message, and tell what its turn brings."""
        handler = await self._handler(context)
        async with contextlib.aclosing(handler.on_message_send_stream(params, context)) as told:
            async for event in told:
                yield event

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell a task as it is, then what follows."""
        handler = await self._handler(context)
        async with contextlib.aclosing(handler.on_subscribe_to_task(params, context)) as told:
            async for event in told:
                yield event

    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Do as our own endpoints do."""
        handler = await self._handler(context)
        return await handler.on_create_task_push_notification_config(params, context)

    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Do as our own endpoints do."""
        handler = await self._handler(context)
        return await handler.on_get_task_push_notification_config(params, context)

    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """Do as our own endpoints do."""
        handler = await self._handler(context)
        return await handler.on_list_task_push_notification_configs(params, context)

    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Do as our own endpoints do."""
        handler = await self._handler(context)
        await handler.on_delete_task_push_notification_config(params, context)

    async def on_get_extended_agent_card(
        self, params: GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> AgentCard:
        """Do as our own endpoints do."""
        return await (await self._handler(context)).on_get_extended_agent_card(params, context)

    async def _handler(self, context: ServerCallContext) -> Handler:
        try:
            await self.node.ready()
            caller = _caller(context)
        except RequestError as error:
            raise sdk_error(error) from error
        base = self.node.settings.public_url.rstrip("/")
        return Handler(self.node, self._agent.name, Dialect.V1, caller, base)


def _caller(context: ServerCallContext) -> Caller:
    """Return whom the program's own authentication names."""
    user = context.user
    return Caller(owner_of(user.user_name)) if user.is_authenticated else ANYBODY
