"""The first dialect's endpoints: JSON-RPC in, JSON or a stream out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from a2a_streaming.backbone.webhooks import Webhook
from a2a_streaming.caller import Caller
from a2a_streaming.errors import InvalidParams
from a2a_streaming.following import FollowReader
from a2a_streaming.http.bodies import json_response
from a2a_streaming.http.stream import EventStream
from a2a_streaming.node import Node
from a2a_streaming.reading import TaskReader, read_position
from a2a_streaming.sending import Sent
from a2a_streaming.service import TaskService
from a2a_streaming.session import StreamSession
from a2a_streaming.telemetry import unbind
from a2a_streaming.wire import jsonrpc, legacy
from a2a_streaming.wire.jsonrpc import Call
from a2a_streaming.wire.legacy_frames import LegacyFrames
from a2a_streaming.wire.legacy_push import (
    PushNotificationConfig,
    TaskPushNotificationConfig,
    tell_webhook,
)

ENVELOPE_HEADER = "A2A-Legacy-SSE"
"""Request header that chooses `bare` or `enveloped` events for one stream."""


class LegacyEndpoint:
    """Answers one request in the first dialect.

    Args:
        node: The process's node.
        agent: The agent's name.
        caller: Who asks.
    """

    def __init__(self, node: Node, agent: str, caller: Caller) -> None:
        self._node = node
        self._agent = agent
        self._caller = caller
        self._methods: dict[str, Callable[[Request, Call], Awaitable[ASGIApp]]] = {
            "tasks/send": self._send,
            "tasks/sendSubscribe": self._send_subscribe,
            "tasks/get": self._get,
            "tasks/cancel": self._cancel,
            "tasks/resubscribe": self._resubscribe,
            "tasks/follow": self._follow,
            "tasks/pushNotification/set": self._set_push,
            "tasks/pushNotification/get": self._get_push,
        }

    async def answer(self, request: Request, call: Call) -> ASGIApp:
        """Answer one request.

        Args:
            request: The HTTP request.
            call: What it asks.

        Raises:
            RequestError: It can't be served.
        """
        return await self._methods[call.method](request, call)

    @property
    def _service(self) -> TaskService:
        return self._node.service(self._agent)

    async def _send(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(legacy.TaskSendParams, call.params)
        sent = await self._accept(params)
        seconds = self._node.settings.send_seconds
        task = await self._service.wait_for_turn(sent, seconds=seconds)
        return _result(call, legacy.tell_task(task, history_length=params.historyLength))

    async def _send_subscribe(self, request: Request, call: Call) -> ASGIApp:
        frames = self._frames(request, call)
        after, malformed = read_position(request.headers.get("last-event-id"))
        params = legacy.read_params(legacy.TaskSendParams, call.params)
        sent = await self._accept(params)
        session = self._service.watch_stored(
            sent.task_id, after=after or sent.after, malformed=malformed
        )
        turn = sent.turn if after is None and not malformed else None
        return await self._stream(frames, session, turn)

    async def _get(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(legacy.TaskQueryParams, call.params)
        task = await self._service.get(params.id, caller=self._caller)
        return _result(call, legacy.tell_task(task, history_length=params.historyLength))

    async def _cancel(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(legacy.TaskIdParams, call.params)
        task = await self._service.cancel(params.id, caller=self._caller)
        return _result(call, legacy.tell_task(task, history_length=None))

    async def _resubscribe(self, request: Request, call: Call) -> ASGIApp:
        frames = self._frames(request, call)
        params = legacy.read_params(legacy.TaskQueryParams, call.params)
        session = await self._watch(params.id, request.headers.get("last-event-id"))
        return await self._stream(frames, session, None)

    async def event_source(self, request: Request) -> ASGIApp:
        """Serve a browser's EventSource, which can only GET, and sends `Last-Event-ID` by itself."""
        query = request.query_params
        position = request.headers.get("last-event-id") or query.get("after")
        session = await self._watch(query.get("id", ""), position)
        await session.__aenter__()
        reader = _reader(session, LegacyFrames(), to_the_end=True)
        if reader.ended:
            await reader.aclose()
            return Response(status_code=204)  # tells an EventSource to stop reconnecting
        return EventStream(self._node, reader)

    async def _follow(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(legacy.FollowParams, call.params)
        sessions = [
            (wanted.id, await self._watch(wanted.id, wanted.after)) for wanted in params.tasks
        ]
        readers: list[TaskReader] = []
        try:
            for task_id, session in sessions:
                await session.__aenter__()
                frames = LegacyFrames(task_id=task_id)
                readers.append(_reader(session, frames, to_the_end=True))
        except BaseException:
            for reader in readers:
                await reader.aclose()
            raise
        unbind("task")  # it is about several
        return EventStream(self._node, FollowReader(readers))

    async def _watch(self, task_id: str, position: str | None) -> StreamSession:
        after, malformed = read_position(position)
        return await self._service.watch(
            task_id, caller=self._caller, after=after, malformed=malformed
        )

    async def _set_push(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(TaskPushNotificationConfig, call.params)
        webhooks = self._service.webhooks
        told = await webhooks.end_of_log(params.id, caller=self._caller)
        webhook = await self._set_webhook(params.id, params.pushNotificationConfig, told)
        return _result(call, tell_webhook(params.id, webhook.config))

    async def _get_push(self, _: Request, call: Call) -> ASGIApp:
        params = legacy.read_params(legacy.TaskIdParams, call.params)
        for webhook in await self._service.webhooks.of_task(params.id, caller=self._caller):
            if webhook.id == params.id:
                return _result(call, tell_webhook(params.id, webhook.config))
        raise InvalidParams(
            f"Task {params.id!r} has no webhook. Set one with tasks/pushNotification/set."
        )

    async def _set_webhook(
        self, task_id: str, config: PushNotificationConfig, told: str
    ) -> Webhook:
        return await self._service.webhooks.set(
            task_id,
            config.to_config(task_id),
            caller=self._caller,
            dialect=legacy.DIALECT,
            told=told,
        )

    async def _accept(self, params: legacy.TaskSendParams) -> Sent:
        webhook = None
        if params.pushNotification is not None:
            webhook = legacy.read_params(
                PushNotificationConfig, params.pushNotification, "pushNotification"
            )
            await self._service.webhooks.check(webhook.to_config(params.id))
        sent = await self._service.send(
            params.message.to_parts(),
            caller=self._caller,
            task_id=params.id,
            context=params.sessionId,
            message_metadata=params.message.metadata,
            task_metadata=params.metadata,
            dialect=legacy.DIALECT,
            watched=True,
        )
        if webhook is not None:
            await self._set_webhook(params.id, webhook, str(sent.after or ""))
        return sent

    def _frames(self, request: Request, call: Call) -> LegacyFrames:
        enveloped = _mode(request, self._node.settings.legacy_sse) == "enveloped"
        return LegacyFrames(envelope=(call.id,) if enveloped else None)

    async def _stream(
        self, frames: LegacyFrames, session: StreamSession, turn: str | None
    ) -> ASGIApp:
        await session.__aenter__()
        return EventStream(self._node, _reader(session, frames, turn=turn))


def _reader(
    session: StreamSession,
    frames: LegacyFrames,
    *,
    turn: str | None = None,
    to_the_end: bool = False,
) -> TaskReader:
    return TaskReader(
        session,
        frames=frames,
        turn=turn,
        to_the_end=to_the_end,
    )


def _mode(request: Request, default: Literal["bare", "enveloped"]) -> str:
    mode = request.headers.get(ENVELOPE_HEADER, default)
    if mode not in ("bare", "enveloped"):
        raise InvalidParams(
            f"The header {ENVELOPE_HEADER} must be bare or enveloped, not {mode[:40]!r}."
        )
    return mode


def _result(call: Call, value: object) -> Response:
    return json_response(jsonrpc.result(call.id, value))
