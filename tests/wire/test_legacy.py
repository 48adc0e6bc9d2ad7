"""The first dialect: what its clients send, and how tasks and events are told to them."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming import errors
from a2a_streaming.errors import InvalidParams, RequestError
from a2a_streaming.event import (
    Event,
    artifact_event,
    encode,
    message,
    new_task,
    status_event,
    task_event,
    timestamp,
)
from a2a_streaming.position import Position
from a2a_streaming.task import INTERNAL, Json, State, apply
from a2a_streaming.wire import jsonrpc, legacy
from a2a_streaming.wire.legacy import TaskIdParams, TaskQueryParams, TaskSendParams, read_params
from a2a_streaming.wire.legacy_push import PushNotificationConfig, tell_webhook
from conftest import Validate

AT = "2026-01-01T00:00:00.000Z"


def send(*parts: Any, **params: Any) -> Json:
    """Parameters of `tasks/send`."""
    return {"id": "t1", "message": {"role": "user", "parts": list(parts)}, **params}


def text(said: str = "hi", **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def file(**content: Any) -> Json:
    return {"type": "file", "file": content}


def reads(model: type[Any], params: Json) -> Any:
    """Read parameters as far as the endpoint does."""
    read = read_params(model, params)
    if isinstance(read, TaskSendParams):
        read.message.to_parts()
    return read


def wrong(model: type[Any], params: Json) -> str:
    """What a client is told of parameters that are wrong."""
    with pytest.raises(InvalidParams) as caught:
        reads(model, params)
    assert caught.value.code == -32602
    return caught.value.detail


# --- requests ---


def test_a_message_is_read_with_all_that_belongs_to_it() -> None:
    params = read_params(
        TaskSendParams,
        send(text(), sessionId="s1", historyLength=3, metadata={"a": {"b": 1}}),
    )
    assert (params.id, params.sessionId, params.historyLength) == ("t1", "s1", 3)
    assert params.metadata == {"a": {"b": 1}}
    assert params.message.to_parts() == [{"text": "hi"}]


def test_what_may_be_left_out_may_be_null() -> None:
    message_ = {"role": "user", "parts": [text(metadata=None)], "metadata": None}
    params = read_params(
        TaskSendParams,
        {
            "id": "t1",
            "sessionId": None,
            "historyLength": None,
            "metadata": None,
            "pushNotification": None,
            "message": message_,
        },
    )
    assert params.message.to_parts() == [{"text": "hi"}]


def test_fields_of_later_versions_do_no_harm() -> None:
    part = text(kind="text", mediaType="text/plain")
    params = read_params(TaskSendParams, send(part, acceptedOutputModes=["text"], future=1))
    assert params.message.to_parts() == [{"text": "hi"}]


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({}, ["params.id", "params.message"]),
        ({"id": "t1"}, ["params.message"]),
        ({"message": {}}, ["params.id", "params.message.role", "params.message.parts"]),
        (send(text(), id=1), ["params.id"]),
        (send(text(), id=None), ["params.id"]),
        (send(text(), id=["t1"]), ["params.id"]),
        (send(text(), sessionId=5), ["params.sessionId"]),
        (send(text(), historyLength=-1), ["params.historyLength"]),
        (send(text(), historyLength="3"), ["params.historyLength"]),
        (send(text(), historyLength=True), ["params.historyLength"]),
        (send(text(), historyLength=1.5), ["params.historyLength"]),
        (send(text(), metadata=[]), ["params.metadata"]),
        (send(text(), pushNotification="x"), ["params.pushNotification"]),
        (send(text(), message="hi"), ["params.message"]),
        (send(text(), message=None), ["params.message"]),
        (send(), ["params.message.parts"]),
        (send(text(), message={"role": "agent", "parts": [text()]}), ["params.message.role"]),
        (send(text(), message={"role": "user", "parts": {}}), ["params.message.parts"]),
        (
            send(text(), message={"role": "user", "parts": [text()], "metadata": 1}),
            ["params.message.metadata"],
        ),
        (send(None), ["params.message.parts.0"]),
        (send("hi"), ["params.message.parts.0"]),
        (send({}), ["params.message.parts.0"]),
        (send({"text": "hi"}), ["params.message.parts.0"]),
        (send({"type": "video"}), ["params.message.parts.0"]),
        (send({"type": []}), ["params.message.parts.0"]),
        (send({"type": {}}), ["params.message.parts.0"]),
        (send(text(), {"type": "text"}), ["params.message.parts.1.text"]),
        (send(text(said=1)), ["params.message.parts.0.text"]),  # type: ignore[arg-type]
        (send(text(metadata="x")), ["params.message.parts.0.metadata"]),
        (send({"type": "data"}), ["params.message.parts.0.data"]),
        (send({"type": "data", "data": [1]}), ["params.message.parts.0.data"]),
        (send({"type": "data", "data": "x"}), ["params.message.parts.0.data"]),
        (send({"type": "file"}), ["params.message.parts.0.file"]),
        (send(file(bytes=1)), ["params.message.parts.0.file.bytes"]),
        (send(file(uri="u", name=1)), ["params.message.parts.0.file.name"]),
        (send(file(uri="u", mimeType=1)), ["params.message.parts.0.file.mimeType"]),
    ],
)
def test_each_field_that_is_wrong_is_named(params: Json, fields: list[str]) -> None:
    detail = wrong(TaskSendParams, params)
    assert [one.split(": ")[0] for one in detail.removesuffix(".").split("; ")] == fields


@pytest.mark.parametrize("model", [TaskIdParams, TaskQueryParams])
@pytest.mark.parametrize("params", [{}, {"id": 1}, {"id": None}, {"taskId": "t1"}])
def test_a_task_is_named_by_its_id(model: Any, params: Json) -> None:
    assert "params.id" in wrong(model, params)


def test_an_error_quotes_little_of_what_was_sent() -> None:
    detail = wrong(TaskSendParams, send(*({"type": "x" * 10_000} for _ in range(100))))
    assert len(detail) < 2000


@given(
    token=st.none() | st.text(),
    said=st.none() | st.tuples(st.text(min_size=1), st.none() | st.text()),
)
def test_a_webhook_is_told_as_it_was_set(
    token: str | None, said: tuple[str, str | None] | None
) -> None:
    config: Json = {"url": "https://x.test"}
    if token is not None:
        config["token"] = token
    if said is not None:
        scheme, credentials = said
        rest = {"credentials": credentials} if credentials is not None else {}
        config["authentication"] = {"schemes": [scheme], **rest}
    read = read_params(PushNotificationConfig, config)
    told = tell_webhook("t1", read.to_config("t1"))
    assert told == {"id": "t1", "pushNotificationConfig": config}


# --- files ---


@pytest.mark.parametrize("content", [{}, {"name": "a.txt"}, {"bytes": "aGk=", "uri": "u"}])
def test_a_file_has_either_bytes_or_uri(content: Json) -> None:
    detail = wrong(TaskSendParams, send(text(), file(**content)))
    assert detail.startswith("params.message.parts.1.file: ")
    assert '"bytes" or "uri"' in detail


@pytest.mark.parametrize(
    "content",
    ["a", "aGk", "aGk==", "aGk=\n", " aGk=", "a-_k", "aGk=aGk=", "====", "é€", "aG\0k", "data:,x"],
)
def test_a_files_bytes_are_base64(content: str) -> None:
    detail = wrong(TaskSendParams, send(file(bytes=content)))
    assert detail.startswith("params.message.parts.0.file.bytes: ")
    assert "base64" in detail


# --- parts, there and back ---

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=3)
metadata = st.dictionaries(st.sampled_from("abc"), values, min_size=1, max_size=2)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


names = optional(name=st.text(min_size=1, max_size=8), mimeType=st.just("text/csv"))
contents = st.builds(
    lambda where, name: {**where, **name},
    st.binary(max_size=20).map(lambda raw: {"bytes": base64.b64encode(raw).decode()})
    | st.text(max_size=20).map(lambda uri: {"uri": uri}),
    names,
)
incoming_parts = st.builds(
    lambda part, extra: {**part, **extra},
    st.text(max_size=20).map(text)
    | objects.map(lambda data: {"type": "data", "data": data})
    | contents.map(lambda content: {"type": "file", "file": content}),
    optional(metadata=metadata),
)


@given(st.lists(incoming_parts, min_size=1, max_size=4), optional(metadata=metadata))
def test_what_a_customer_says_is_told_as_they_said_it(parts: list[Json], extra: Json) -> None:
    params = read_params(TaskSendParams, send(message={"role": "user", "parts": parts, **extra}))
    said = message(
        "user",
        params.message.to_parts(),
        task_id="t1",
        context_id="c1",
        metadata=params.message.metadata,
    )
    expected = {"role": "user", "parts": parts, **extra}
    event = an_event(status_event("t1", "c1", State.WORKING, said))
    assert told(event)["status"]["message"] == expected
    task = apply(None, task_event(new_task("t1", "c1", said, at=AT)))
    assert legacy.tell_task(task, history_length=1)["history"] == [expected]


def test_parts_are_stored_in_the_words_of_1_0() -> None:
    params = read_params(
        TaskSendParams,
        send(
            text(metadata={"m": 1}),
            {"type": "data", "data": {"a": [1]}},
            file(bytes="aGk=", name="hi.txt", mimeType="text/plain"),
            file(uri="https://x.test/a"),
        ),
    )
    assert params.message.to_parts() == [
        {"text": "hi", "metadata": {"m": 1}},
        {"data": {"a": [1]}, "mediaType": "application/json"},
        {"raw": "aGk=", "filename": "hi.txt", "mediaType": "text/plain"},
        {"url": "https://x.test/a"},
    ]


@pytest.mark.parametrize("value", [None, 1, "x", [1], True])
def test_data_that_are_no_object_are_told_in_one(value: Any) -> None:
    event = an_event(
        artifact_event("t1", "c1", {"artifactId": "a", "parts": [{"data": value}]}, index=0)
    )
    assert told(event)["artifact"]["parts"] == [{"type": "data", "data": {"value": value}}]


# --- events ---


def an_event(payload: Json) -> Event:
    return Event(Position(1, 2), Position(1, 1), encode(payload))


def told(event: Event, *, final: bool = False) -> Json:
    return orjson.loads(legacy.tell_event(event, final=final)[1])


def agent_says(words: str = "on it", **more: Any) -> Json:
    return message("agent", [{"text": words}], task_id="t1", context_id="c1", **more)


def a_task(state: State = State.SUBMITTED) -> Json:
    first = message("user", [{"text": "hi"}], task_id="t1", context_id="c1")
    task = new_task("t1", "c1", first, at=AT)
    task["status"]["state"] = state.value
    return task


def test_the_first_event_is_told_as_the_specification_shows_it() -> None:
    kind, raw = legacy.tell_event(an_event(task_event(a_task())), final=False)
    assert kind == "status"
    assert raw == (
        b'{"id":"t1","status":{"state":"submitted","timestamp":"2026-01-01T00:00:00.000Z"},'
        b'"final":false}'
    )


def test_the_last_event_is_told_as_the_specification_shows_it() -> None:
    kind, raw = legacy.tell_event(an_event(status_event("t1", "c1", State.COMPLETED)), final=True)
    assert kind == "status"
    assert list(orjson.loads(raw)) == ["id", "status", "final"]
    assert list(orjson.loads(raw)["status"]) == ["state", "timestamp"]
    assert orjson.loads(raw)["final"] is True


def test_an_artifact_is_told_with_its_ordinal_and_its_place_in_the_row() -> None:
    artifact: Json = {
        "artifactId": "a",
        "name": "report",
        "description": "a report",
        "parts": [{"text": "x"}],
        "metadata": {"m": 1},
    }
    event = an_event(artifact_event("t1", "c1", artifact, index=3, append=True, last_chunk=False))
    kind, raw = legacy.tell_event(event, final=True)
    assert kind == "artifact"
    assert orjson.loads(raw) == {
        "id": "t1",
        "artifact": {
            "name": "report",
            "description": "a report",
            "parts": [{"type": "text", "text": "x"}],
            "index": 3,
            "append": True,
            "lastChunk": False,
            "metadata": {"m": 1},
        },
    }


def test_a_whole_artifact_says_nothing_of_chunks() -> None:
    event = an_event(artifact_event("t1", "c1", {"artifactId": "a", "parts": []}, index=0))
    assert told(event) == {"id": "t1", "artifact": {"parts": [], "index": 0}}


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State.SUBMITTED, "submitted"),
        (State.WORKING, "working"),
        (State.INPUT_REQUIRED, "input-required"),
        (State.AUTH_REQUIRED, "input-required"),
        (State.COMPLETED, "completed"),
        (State.FAILED, "failed"),
        (State.CANCELED, "canceled"),
        (State.REJECTED, "failed"),
    ],
)
def test_a_state_is_told_by_its_nearest_name_and_the_original_beside_it(
    state: State, name: str
) -> None:
    status = told(an_event(status_event("t1", "c1", state, metadata={"m": 1})))
    task = legacy.tell_task({**a_task(state), "metadata": {"m": 1}}, history_length=None)
    reset = orjson.loads(legacy.tell_reset(a_task(state), "forked"))
    original = {} if state.label == name else {"state": state.label}
    assert status["status"]["state"] == task["status"]["state"] == name
    assert reset["status"]["state"] == reset["metadata"]["reset"]["task"]["status"]["state"] == name
    assert status["metadata"] == task["metadata"] == {"m": 1, **original}
    assert {k: v for k, v in reset["metadata"].items() if k != "reset"} == original


@pytest.mark.parametrize("state", State)
def test_final_is_the_tasks_end_and_the_turns_where_the_stream_ends_with_it(state: State) -> None:
    event = an_event(status_event("t1", "c1", state))
    assert told(event, final=False)["final"] is state.terminal
    assert told(event, final=True)["final"] is (state.terminal or state.interrupted)


@pytest.mark.parametrize("state", State)
def test_a_task_event_is_final_as_its_status_is(state: State) -> None:
    event = an_event(task_event(a_task(state)))
    assert told(event, final=False)["final"] is state.terminal
    assert told(event, final=True)["final"] is (state.terminal or state.interrupted)


def test_a_message_alone_is_told_as_a_task_that_is_done() -> None:
    answer = told(an_event({"message": agent_says("hello")}))
    assert answer == {
        "id": "t1",
        "status": {
            "state": "completed",
            "message": {"role": "agent", "parts": [text("hello")]},
        },
        "final": True,
    }


def test_an_event_is_told_once_for_all_watchers() -> None:
    event = an_event(status_event("t1", "c1", State.INPUT_REQUIRED, agent_says("which?")))
    first = legacy.tell_event(event, final=False)[1]
    last = legacy.tell_event(event, final=True)[1]
    assert legacy.tell_event(event, final=False)[1] is first
    assert legacy.tell_event(event, final=True)[1] is last
    assert first != last


def test_the_time_is_told_as_the_schema_wants_it() -> None:
    event = an_event(status_event("t1", "c1", State.WORKING))
    at = told(event)["status"]["timestamp"]
    assert datetime.fromisoformat(at).utcoffset() is not None
    assert at.endswith("Z")
    assert len(at) == len(timestamp())


# --- tasks ---


def long_task(messages: int = 5) -> Json:
    task = apply(None, task_event(a_task()))
    for number in range(messages):
        said = agent_says(f"message {number}")
        task = apply(task, status_event("t1", "c1", State.WORKING, said))
    task = apply(task, status_event("t1", "c1", State.COMPLETED, agent_says("done")))
    task["artifacts"] = [
        {"artifactId": name, "parts": [{"text": name}], "metadata": {INTERNAL: {"index": index}}}
        for index, name in [(0, "a"), (2, "b")]
    ]
    return task


@pytest.mark.parametrize(
    ("length", "count"), [(None, 0), (0, 0), (1, 1), (3, 3), (6, 6), (100, 6), (2**53, 6)]
)
def test_a_task_is_told_with_as_many_of_its_latest_messages_as_were_asked_for(
    length: int | None, count: int
) -> None:
    task = long_task()
    history = legacy.tell_task(task, history_length=length).get("history", [])
    whole = [part["text"] for said in task["history"] for part in said["parts"]]
    assert len(whole) == 6
    assert [part["text"] for said in history for part in said["parts"]] == (
        whole[-count:] if count else []
    )


def test_a_task_without_history_has_none_to_tell() -> None:
    task = a_task()
    del task["history"]
    assert legacy.tell_task(task, history_length=3).get("history", []) == []


def test_a_task_is_told_with_its_session_and_its_artifacts() -> None:
    answer = legacy.tell_task(long_task(), history_length=None)
    assert (answer["id"], answer["sessionId"]) == ("t1", "c1")
    assert answer["status"]["message"] == {"role": "agent", "parts": [text("done")]}
    assert answer["artifacts"] == [
        {"parts": [text("a")], "index": 0},
        {"parts": [text("b")], "index": 2},
    ]
    assert "metadata" not in answer


@pytest.mark.parametrize("state", State)
def test_a_reset_tells_why_and_the_task_as_it_is_now(state: State) -> None:
    task = {**long_task(), "metadata": {"m": 1}}
    task["status"] = {"state": state.value, "timestamp": AT, "message": agent_says("now")}
    answer = orjson.loads(legacy.tell_reset(task, "trimmed"))
    assert answer["id"] == "t1"
    assert answer["status"]["message"] == {"role": "agent", "parts": [text("now")]}
    assert answer["final"] is state.terminal
    assert answer["metadata"]["reset"] == {
        "reason": "trimmed",
        "task": legacy.tell_task(task, history_length=None),
    }


# --- what stays inside ---

internal = st.just({INTERNAL: {"v": 1, "index": 0}})
stored_metadata = st.builds(
    lambda ours, theirs: {**ours, **theirs}, internal, st.just({}) | metadata
)
stored_parts = st.lists(
    st.builds(
        lambda part, extra: {**part, **extra},
        st.sampled_from(
            [
                {"text": "x"},
                {"text": ""},
                {"data": {"a": 1}},
                {"data": [1]},
                {"data": None},
                {"raw": "aGk="},
                {"raw": ""},
                {"url": "https://x.test/a", "filename": "a", "mediaType": "text/csv"},
            ]
        ),
        optional(metadata=stored_metadata),
    ),
    max_size=3,
)
messages = st.builds(
    lambda role, parts, extra: {
        "messageId": "m1",
        "taskId": "t1",
        "contextId": "c1",
        "role": role,
        "parts": parts,
        **extra,
    },
    st.sampled_from(["ROLE_USER", "ROLE_AGENT"]),
    stored_parts,
    optional(metadata=stored_metadata),
)
statuses = st.builds(
    lambda state, extra: {"state": state.value, **extra},
    st.sampled_from(State),
    optional(timestamp=st.just(AT), message=messages),
)
artifacts = st.builds(
    lambda parts, extra: {"artifactId": "a", "parts": parts, **extra},
    stored_parts,
    optional(name=st.text(max_size=5), description=st.just("d"), metadata=stored_metadata),
)
tasks = st.builds(
    lambda status, extra: {"id": "t1", "contextId": "c1", "status": status, **extra},
    statuses,
    optional(
        history=st.lists(messages, max_size=2),
        artifacts=st.lists(artifacts, max_size=2),
        metadata=stored_metadata,
    ),
)
payloads = (
    tasks.map(task_event)
    | messages.map(lambda said: {"message": said})
    | st.builds(
        lambda status, extra: {
            "statusUpdate": {"taskId": "t1", "contextId": "c1", "status": status, **extra}
        },
        statuses,
        optional(metadata=stored_metadata),
    )
    | st.builds(
        lambda artifact, extra: {
            "artifactUpdate": {"taskId": "t1", "contextId": "c1", "artifact": artifact, **extra}
        },
        artifacts,
        optional(metadata=stored_metadata, append=st.booleans(), lastChunk=st.booleans()),
    )
)


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from keys_of(item)


@given(payloads, st.booleans())
def test_no_client_sees_what_translations_need(payload: Json, final: bool) -> None:
    event = an_event(payload)
    before = copy.deepcopy(event.payload)
    assert INTERNAL not in keys_of(told(event, final=final))
    assert event.payload == before, "an event is shared, and must not be changed"


@given(tasks, st.sampled_from([None, 0, 1, 10]))
def test_no_client_sees_it_in_a_task_either(task: Json, length: int | None) -> None:
    before = copy.deepcopy(task)
    assert INTERNAL not in keys_of(legacy.tell_task(task, history_length=length))
    assert INTERNAL not in keys_of(orjson.loads(legacy.tell_reset(task, "gone")))
    assert task == before


def test_a_clients_own_data_may_have_that_key() -> None:
    data = {INTERNAL: {"index": 7}}
    artifact = {"artifactId": "a", "parts": [{"data": data}]}
    event = an_event(artifact_event("t1", "c1", artifact, index=0))
    assert told(event)["artifact"]["parts"] == [{"type": "data", "data": data}]
    assert told(event)["artifact"]["index"] == 0


# --- the dialect's own schema ---


@given(payload=payloads, final=st.booleans(), request_id=st.text(max_size=5) | st.integers(0, 9))
def test_every_event_is_what_the_schema_calls_one(
    validate: Validate, payload: Json, final: bool, request_id: str | int
) -> None:
    kind, raw = legacy.tell_event(an_event(payload), final=final)
    name = {"status": "TaskStatusUpdateEvent", "artifact": "TaskArtifactUpdateEvent"}[kind]
    validate(name, orjson.loads(raw))
    told = jsonrpc.mark(request_id).join(jsonrpc.enveloped(raw))
    validate("SendTaskStreamingResponse", orjson.loads(told))


@given(task=tasks, length=st.sampled_from([None, 0, 1, 10]))
def test_every_task_is_what_the_schema_calls_one(
    validate: Validate, task: Json, length: int | None
) -> None:
    answer = legacy.tell_task(task, history_length=length)
    validate("Task", answer)
    for name in ("SendTaskResponse", "GetTaskResponse", "CancelTaskResponse"):
        validate(name, orjson.loads(jsonrpc.result("1", answer)))


@given(task=tasks)
def test_every_reset_is_a_status_for_the_schema(validate: Validate, task: Json) -> None:
    reset = orjson.loads(legacy.tell_reset(task, "future"))
    validate("TaskStatusUpdateEvent", reset)
    validate("Task", reset["metadata"]["reset"]["task"])


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        (errors.ParseError("why"), "JSONParseError"),
        (errors.InvalidRequest("why"), "InvalidRequestError"),
        (errors.BodyTooLarge(1), "InvalidRequestError"),
        (errors.MethodNotFound("m", ("n",)), "MethodNotFoundError"),
        (errors.InvalidParams("why"), "InvalidParamsError"),
        (errors.TaskNotFound("t"), "TaskNotFoundError"),
        (errors.TaskNotCancelable("t", "completed"), "TaskNotCancelableError"),
        (errors.PushNotificationNotSupported("why"), "PushNotificationNotSupportedError"),
        (errors.UnsupportedOperation("why"), "UnsupportedOperationError"),
        (errors.InboxFull("t", 1), "UnsupportedOperationError"),
        (errors.Unavailable("why"), "InternalError"),
        (errors.InternalError(), "InternalError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_error_is_what_the_schema_calls_it(
    validate: Validate, cause: RequestError, name: str
) -> None:
    answer = orjson.loads(jsonrpc.error("1", cause))
    validate("JSONRPCResponse", answer)
    validate(name, answer["error"])


@given(params=st.lists(incoming_parts, min_size=1, max_size=3).map(lambda parts: send(*parts)))
def test_what_the_schema_calls_a_request_is_read(validate: Validate, params: Json) -> None:
    request = {"jsonrpc": "2.0", "id": "1", "method": "tasks/send", "params": params}
    validate("SendTaskRequest", request)
    call = jsonrpc.parse_call(orjson.dumps(request))
    assert read_params(TaskSendParams, call.params).message.to_parts()
