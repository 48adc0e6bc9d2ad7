"""A2A 1.0, and 0.3 through a2a-sdk's conversions: what clients send, and how tasks and events are told.

The log holds 1.0's JSON, so a 1.0 watcher is sent an event's very bytes. 0.3's are made once a process
and shared by all its watchers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import orjson
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03_pb
from a2a.compat.v0_3 import conversions, proto_utils
from a2a.compat.v0_3 import types as v03
from a2a.types import Message, SendMessageRequest, StreamResponse, Task
from a2a.utils import errors as sdk
from google.protobuf.json_format import Error as JsonError
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError

from a2a_streaming import errors, sse
from a2a_streaming.errors import InvalidParams, RequestError
from a2a_streaming.event import Event
from a2a_streaming.position import Position
from a2a_streaming.task import INTERNAL, Json, answered_by_message
from a2a_streaming.wire import jsonrpc
from a2a_streaming.wire.cards import RESUME
from a2a_streaming.wire.dialects import Dialect
from a2a_streaming.wire.jsonrpc import RequestId

_ERRORS: dict[type[RequestError], type[sdk.A2AError]] = {
    errors.MethodNotFound: sdk.MethodNotFoundError,
    errors.VersionNotSupported: sdk.VersionNotSupportedError,
    errors.InvalidParams: sdk.InvalidParamsError,
    errors.TaskNotFound: sdk.TaskNotFoundError,
    errors.TaskNotCancelable: sdk.TaskNotCancelableError,
    errors.PushNotificationNotSupported: sdk.PushNotificationNotSupportedError,
    errors.UnsupportedOperation: sdk.UnsupportedOperationError,
    errors.ContentTypeNotSupported: sdk.ContentTypeNotSupportedError,
    errors.ExtensionSupportRequired: sdk.ExtensionSupportRequiredError,
    errors.ParseError: sdk.JSONParseError,
    errors.InvalidRequest: sdk.InvalidRequestError,
}


def sdk_error(error: RequestError) -> sdk.A2AError:
    """Return an error of ours as a2a-sdk tells it to 1.0's and 0.3's clients."""
    for ours, theirs in _ERRORS.items():
        if isinstance(error, ours):
            return theirs(error.detail)
    return sdk.InternalError(error.detail)


def tell_task(task: Json, *, history_length: int | None = None) -> Json:
    """Tell a task in 1.0: without our notes, and with as much of its history as was asked for.

    Args:
        task: The task, as folded (A2A 1.0 JSON); stays as it is.
        history_length: The most of its latest messages to tell; None for all (specification 1.0,
            section 3.2.4).
    """
    told = {**task, "status": _clean_status(task["status"])}
    history: list[Json] = task.get("history", [])
    if history_length is not None:
        history = history[-history_length:] if history_length else []
    told["history"] = [_clean(message) for message in history]
    if "artifacts" in task:
        told["artifacts"] = [_clean(artifact) for artifact in task["artifacts"]]
    return {key: value for key, value in told.items() if value != []}


def tell_whole(task: Json, reason: str | None = None) -> Json:
    """Tell a task as an event: a stream's beginning, or a reset; or the message that it ended with alone.

    Args:
        task: The task (A2A 1.0 JSON).
        reason: Why a watcher's position can't be continued; None if it asked to begin so.
    """
    if answered_by_message(task):
        return {"message": task["status"]["message"]}
    told = tell_task(task)
    if reason is not None:
        told["metadata"] = {**told.get("metadata", {}), RESUME: {"reset": reason}}
    return {"task": told}


def task_or_message(task: Json, *, history_length: int | None = None) -> Task | Message:
    """Return a task as `task_message` does, or the message that it ended with alone."""
    if answered_by_message(task):
        return ParseDict(task["status"]["message"], Message(), ignore_unknown_fields=True)
    return task_message(task, history_length=history_length)


def task_message(task: Json, *, history_length: int | None = None) -> Task:
    """Return a task as a2a-sdk has it; arguments as for `tell_task`."""
    told = tell_task(task, history_length=history_length)
    return ParseDict(told, Task(), ignore_unknown_fields=True)


def message_json(message: Message) -> Json:
    """Return a message that a client sent as the log keeps it.

    Raises:
        InvalidParams: It holds what JSON doesn't: numbers that are none, over gRPC.
    """
    try:
        return MessageToDict(message)
    except (JsonError, ValueError) as error:
        raise InvalidParams(f"The message can't be told in JSON: {error}.") from error


def read_v03_send(said: v03_pb.SendMessageRequest) -> SendMessageRequest:
    """Read a message that a client of 0.3 sent as ProtoJSON or protobuf.

    Raises:
        InvalidParams: It can't be read: a part with nothing in it, for example.
    """
    try:
        params = proto_utils.FromProto.message_send_params(said)
        return conversions.to_core_send_message_request(
            v03.SendMessageRequest(id="", params=params)
        )
    except (JsonError, DecodeError, ValueError) as error:
        raise InvalidParams(f"The message can't be read: {str(error)[:500]}") from error


_HEAD = sse.head()


class ModernFrames:
    """Makes the frames of one task in one stream, in 1.0 or 0.3.

    Args:
        dialect: Which of the two.
        envelope: The request's id, if each event goes in a JSON-RPC response (in a tuple); None for
            REST's bare events.
        with_positions: Whether each event tells its position also in its metadata, under the resume
            extension: for clients that don't hand on SSE's ids.
    """

    def __init__(
        self,
        dialect: Dialect,
        envelope: tuple[RequestId] | None,
        *,
        with_positions: bool = False,
    ) -> None:
        self._dialect = dialect
        self._with_positions = with_positions
        self._rest = envelope is None
        self.mark = jsonrpc.mark(envelope[0]) if envelope else b""
        """What stands between the pieces of an event's frame."""
        self.joins = True
        """Frames that follow one another are a stream's bytes."""

    @property
    def key(self) -> Hashable:
        """What the pieces depend on beside the events."""
        return self._dialect, self._rest, self._with_positions

    def event(self, event: Event, final: bool) -> Sequence[bytes]:
        """Return an event's frame, in pieces.

        Args:
            event: The event.
            final: Whether the stream ends with it.
        """
        v1 = self._dialect is Dialect.V1
        if v1 and not self._with_positions:
            return self._frame(event.data, event.position)
        key = (self._dialect, not v1 and final, not v1 and self._rest, self._with_positions)
        told = event.encodings.get(key)
        if told is None:
            told = event.encodings[key] = self._told(event.payload, event.position, final=final)
        return self._frame(told, event.position)

    def reset(self, task: Json, reason: str | None, position: Position) -> bytes:
        """Return the frame of a task as it is now: a stream's beginning, or a reset.

        Args:
            task: The task (A2A 1.0 JSON).
            reason: Why the watcher's position can't be continued; None if it asked to begin so.
            position: The last event that is in the task.
        """
        payload = tell_whole(task, reason)
        return self.mark.join(self._frame(self._told(payload, position, final=False), position))

    def _told(self, payload: Json, position: Position, *, final: bool) -> bytes:
        if self._with_positions:
            payload = _with_position(payload, position)
        if self._dialect is Dialect.V1:
            return orjson.dumps(payload)
        return tell_v03(payload, final=final, rest=self._rest)

    def _frame(self, told: bytes, position: Position) -> Sequence[bytes]:
        if self._rest:
            return sse.json_frame(_HEAD, position, told)
        return sse.json_frame(_HEAD, position, *jsonrpc.enveloped(told))


def tell_v03_task(task: Json) -> bytes:
    """Tell a task in 0.3, as JSON-RPC has it.

    Args:
        task: The task (A2A 1.0 JSON).
    """
    told: Any = conversions.to_compat_task(task_message(task))
    return orjson.dumps(told.model_dump(mode="json", by_alias=True, exclude_none=True))


class Messages:
    """Makes a2a-sdk's messages of one task's events, each encoded once a process.

    Args:
        with_positions: Whether each tells its position, in its metadata under the resume extension.
    """

    def __init__(self, *, with_positions: bool) -> None:
        self._with_positions = with_positions
        self.mark = b""
        """Nothing: a message is in one piece."""
        self.joins = False
        """Each message is handed on by itself."""

    @property
    def key(self) -> Hashable:
        """What they depend on beside the events."""
        return "proto", self._with_positions

    def event(self, event: Event, final: bool) -> Sequence[bytes]:  # noqa: ARG002 - gRPC's streams just end
        """Return an event as a serialized StreamResponse."""
        told = event.encodings.get(self.key)
        if told is None:
            told = event.encodings[self.key] = self._serialized(event.payload, event.position)
        return (told,)

    def reset(self, task: Json, reason: str | None, position: Position) -> bytes:
        """Return a task as it is now as a serialized StreamResponse; arguments as for `ModernFrames.reset`."""
        return self._serialized(tell_whole(task, reason), position)

    def _serialized(self, payload: Json, position: Position) -> bytes:
        told = _with_position(payload, position) if self._with_positions else _bare(payload)
        response = ParseDict(told, StreamResponse(), ignore_unknown_fields=True)
        return response.SerializeToString()


def tell_v03(payload: Json, *, final: bool, rest: bool = False) -> bytes:
    """Tell an event in 0.3.

    Args:
        payload: The event (A2A 1.0 JSON).
        final: Whether the stream ends with it.
        rest: Whether as REST has it: ProtoJSON, where JSON-RPC has an object with a `kind`.
    """
    event = ParseDict(_without_notes(payload), StreamResponse(), ignore_unknown_fields=True)
    result: Any = conversions.to_compat_stream_response(event).result
    if hasattr(result, "final"):
        result.final = final
    if rest:
        return orjson.dumps(MessageToDict(proto_utils.ToProto.stream_response(result)))
    return orjson.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True))


def _with_position(payload: Json, position: Position) -> Json:
    """Return an event that tells its position in its metadata, and without our notes."""
    [(kind, told)] = _bare(payload).items()
    before = told.get("metadata", {})
    resume = {**before.get(RESUME, {}), "position": str(position)}
    return {kind: {**told, "metadata": {**before, RESUME: resume}}}


def _bare(payload: Json) -> Json:
    """Return an event without our notes, a task's included."""
    return {"task": tell_task(payload["task"])} if "task" in payload else _without_notes(payload)


def _without_notes(payload: Json) -> Json:
    """Return an event without our notes: clients that don't read the log's own bytes have no use for them."""
    for kind in ("statusUpdate", "artifactUpdate"):
        if kind in payload:
            return {kind: _clean(payload[kind])}
    return payload


def _clean_status(status: Json) -> Json:
    return {**status, "message": _clean(status["message"])} if "message" in status else status


def _clean(thing: Json) -> Json:
    """Return a message or an artifact without our notes."""
    metadata = thing.get("metadata")
    if not metadata or INTERNAL not in metadata:
        return thing
    rest = {key: value for key, value in metadata.items() if key != INTERNAL}
    bare = {key: value for key, value in thing.items() if key != "metadata"}
    return {**bare, "metadata": rest} if rest else bare
