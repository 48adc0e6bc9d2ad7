"""Fuzzing over gRPC: whatever is sent to either service, the server answers, never with a fault of its own."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import grpc
import grpc.aio
import pytest
import redis.asyncio
from a2a.compat.v0_3 import a2a_v0_3_pb2 as v03
from a2a.types import a2a_pb2 as v1
from google.protobuf import empty_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.grpc import GrpcServer
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import RESUME

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
METHODS: list[MethodDescriptor] = [
    method
    for module in (v1, v03)
    for method in cast("Any", module).DESCRIPTOR.services_by_name["A2AService"].methods
]
TASKS = ["none", ""]
"""Ids of tasks; those that there are join them."""
HOSTILE = ["", " ", "\0", "a\r\nb: c", "../tasks", "tasks/", "\u202e\ud7ff", "é" * 100]
HUGE = st.builds(
    lambda text, length: text * length,
    st.sampled_from("x\0\U0001f600"),
    st.sampled_from([200, 5000, 50_000]),
)
WORDS = st.sampled_from(HOSTILE) | HUGE | st.text(max_size=20)
IDS = st.deferred(lambda: st.sampled_from(TASKS)) | WORDS
NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["tasks/", "task/", ""]),
    IDS,
    st.sampled_from(["", "", "/pushNotificationConfigs/", "/pushNotificationConfigs/w1"]),
)
URLS = st.sampled_from(
    ["x", "http://[", "http://127.0.0.1:99999/", "ftp://127.0.0.1/", *3 * ["http://127.0.0.1:1/"]]
)
THERE = st.deferred(lambda: st.sampled_from(TASKS))
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "tenant": st.just(""),
    "id": THERE,
    "task_id": THERE,
    "config_id": st.just("w1"),
    "name": st.builds(
        "tasks/{}{}".format, THERE, st.sampled_from(["", "/pushNotificationConfigs/w1"])
    ),
    "parent": THERE.map("tasks/{}".format),
    "message_id": st.just("m1") | st.uuids().map(str) | st.uuids().map(str),
    "context_id": st.just(""),
    "text": st.sampled_from(["well", "ask"]),
    "role": st.just(v1.ROLE_USER),
    "url": st.just("http://127.0.0.1:1/"),
}
"""What a field of this name holds in a request that could be served."""
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "tenant": st.sampled_from(["", "", "", "quick", "other", "\0"]) | HUGE,
    "id": IDS,
    "task_id": st.just("") | IDS,
    "config_id": IDS,
    "name": NAMES,
    "parent": NAMES,
    "message_id": st.sampled_from(["m1", "m2"]) | WORDS,
    "url": URLS,
    "page_token": st.sampled_from(["", "1.x", "-1.x", "9" * 400 + ".x"]) | WORDS,
    "text": st.sampled_from(["well", "ask"]) | WORDS,
}
"""What goes into fields of these names."""
NUMBERS = st.sampled_from([0, 1, -1, 50, 101, 2**31 - 1, -(2**31)]) | st.integers(
    -(2**31), 2**31 - 1
)
FLOATS = st.floats() | st.sampled_from([2.0**53 + 2, -1e300, float("nan"), float("inf")])
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: NUMBERS,
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: FLOATS,
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 9) | NUMBERS,
}


def deep(levels: int) -> struct_pb2.Value:
    """A value within lists within lists."""
    value = struct_pb2.Value(string_value="deep")
    for _ in range(levels):
        value = struct_pb2.Value(list_value=struct_pb2.ListValue(values=[value]))
    return value


VALUES = st.recursive(
    st.builds(struct_pb2.Value)
    | st.builds(struct_pb2.Value, number_value=FLOATS)
    | st.builds(struct_pb2.Value, string_value=WORDS),
    lambda inner: st.builds(
        struct_pb2.Value, list_value=st.builds(struct_pb2.ListValue, values=st.lists(inner))
    ),
    max_leaves=4,
) | st.integers(1, 46).map(deep)
STRUCTS = st.builds(
    struct_pb2.Struct,
    fields=st.dictionaries(st.sampled_from(["a", "", "a2a_streaming"]) | WORDS, VALUES, max_size=3),
)
WHOLE: dict[str, st.SearchStrategy[Message]] = {
    "google.protobuf.Struct": STRUCTS,
    "google.protobuf.Value": VALUES,
    "google.protobuf.Timestamp": st.builds(
        timestamp_pb2.Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=NUMBERS
    ),
    "google.protobuf.Empty": st.builds(empty_pb2.Empty),
}
"""Messages that aren't made field by field."""


def messages(kind: Descriptor, **sure: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    """Messages of a type, with any of its fields, and those that are sure to be there."""
    if kind.full_name in WHOLE:
        return WHOLE[kind.full_name]
    may = {field.name: of_field(field) for field in kind.fields if field.name not in sure}
    return st.fixed_dictionaries(sure, optional=may).map(lambda said: GetMessageClass(kind)(**said))


def of_field(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """What a field holds."""
    if field.message_type is not None:
        one: st.SearchStrategy[Any] = messages(field.message_type)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        raw = field.type == FieldDescriptor.TYPE_BYTES
        one = st.binary(max_size=20) if raw else FIELDS.get(field.name, WORDS)
    else:
        one = SCALARS[field.cpp_type]
    return st.lists(one, max_size=2) if field.is_repeated else one


def likely(kind: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of a type that could be served: they name what there is, but for what they say beside."""
    sure = {field.name: LIKELY[field.name] for field in kind.fields if field.name in LIKELY}
    if "message_id" in sure:
        sure["task_id"] = st.just("") | st.just("") | THERE  # most begin a task
    for name in ("message", "request", "parts", "content"):
        if (field := kind.fields_by_name.get(name)) and field.message_type is not None:
            inner = likely(field.message_type)
            sure[name] = st.lists(inner, min_size=1, max_size=2) if field.is_repeated else inner
    return messages(kind, **sure)


SENDS = [method for method in METHODS if method.name.startswith("Send")]
CALLS = st.sampled_from([*METHODS, *SENDS, *SENDS]).flatmap(
    lambda method: st.tuples(
        st.just(method),
        st.one_of(messages(method.input_type), likely(method.input_type)).map(
            lambda request: request.SerializeToString()
        ),
    )
)


def nested(levels: int) -> bytes:
    """A first field within first fields, as deep as no parser reads."""
    made = b""
    for _ in range(levels):
        size = len(made)
        made = b"\x0a" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + made
    return made


BYTES = st.binary(max_size=60) | st.integers(50, 500).map(nested)
RAW = st.tuples(st.sampled_from(METHODS), BYTES)
METADATA = st.just([]) | st.lists(
    st.tuples(
        st.just("a2a-version"), st.sampled_from(["1.0", "0.3", "1.0.7", "1.7", "x", "", "0.1"])
    )
    | st.tuples(st.just("a2a-extensions"), st.sampled_from([RESUME, f"x,,{RESUME}", ""]))
    | st.tuples(
        st.just("last-event-id"),
        st.sampled_from(["1-1", "99999999999999999999-1", "nonsense", "0-0", "", "x" * 2000]),
    )
    | st.tuples(st.just("a2a-version-bin"), st.binary(max_size=8))
    | st.tuples(st.just("authorization"), st.sampled_from(["", "Bearer", "Bearer x", "x" * 2000])),
    max_size=3,
)
TOLD = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What an answer may be: the rest are faults, or no answer."""


class Quick(Agent):
    """Answers at once, or asks first."""

    card = agent_card("quick")
    extended_card = agent_card("quick", description="For those who have signed in")

    async def run(self, run: Run) -> None:
        if run.text == "ask":
            await run.input_required("What else?")
        else:
            await run.complete("well")


def answered(
    channel: grpc.Channel, method: MethodDescriptor, request: bytes, metadata: Any = ()
) -> bytes:
    """The answer comes, and isn't a fault of the server's; a stream's first event is enough."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    told = b""
    call: Any = None
    try:
        if method.server_streaming:
            call = cast("Any", channel.unary_stream(path))(request, metadata=metadata, timeout=20)
            told = next(call, b"")
        else:
            told = cast("Any", channel.unary_unary(path))(request, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        refused = cast("Any", error)
        assert refused.code() in TOLD, (path, request, metadata, refused.code(), refused.details())
    finally:
        if call is not None:
            call.cancel()
    GetMessageClass(method.output_type).FromString(told)
    return told


def begin_tasks(channel: grpc.Channel) -> list[str]:
    """Tasks to play with: one that has ended, and two that wait for their customer."""
    ids: list[str] = []
    for text in ("well", "ask", "ask"):
        first = f"first-{len(ids)}"
        said = v1.Message(message_id=first, role=v1.ROLE_USER, parts=[v1.Part(text=text)])
        told = asked(channel, "SendMessage", v1.SendMessageRequest(message=said))
        ids.append(v1.SendMessageResponse.FromString(told).task.id)
    return ids


def end_tasks(channel: grpc.Channel) -> None:
    """Cancel what waits for its customer: its webhooks are watched for as long as it waits."""
    waiting = v1.ListTasksRequest(status=v1.TASK_STATE_INPUT_REQUIRED, page_size=100)
    while tasks := v1.ListTasksResponse.FromString(asked(channel, "ListTasks", waiting)).tasks:
        for task in tasks:
            asked(channel, "CancelTask", v1.CancelTaskRequest(id=task.id))


def asked(channel: grpc.Channel, name: str, request: Message) -> bytes:
    """The answer of 1.0's method of that name."""
    [method] = [one for one in METHODS if one.full_name == f"lf.a2a.v1.A2AService.{name}"]
    return answered(channel, method, request.SerializeToString())


# The server, in the same process, draws lots while hypothesis does.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_whatever_is_sent_is_answered(settings: Settings, raw: redis.asyncio.Redis) -> None:
    cast(
        "Any", grpc.aio
    ).init_grpc_aio()  # for good: its end, after each test, would block the event loop
    quick = settings.model_copy(
        update={"send_seconds": 0.5, "push_private": True, "push_retry_seconds": 1e-9}
    )
    agent = Quick()
    node = Node([agent], quick)
    await node.start()
    server = GrpcServer(node, {"": agent}, "127.0.0.1", 0)
    await server.start()
    try:
        before = len(asyncio.all_tasks())
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            TASKS[2:] = await asyncio.to_thread(begin_tasks, channel)

            @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
            @given(call=CALLS, metadata=METADATA)
            def with_messages(call: tuple[MethodDescriptor, bytes], metadata: Any) -> None:
                method, request = call
                answered(channel, method, request, metadata)

            @hypothesis_settings(max_examples=EXAMPLES, deadline=None)
            @given(call=RAW, metadata=METADATA)
            def with_bytes(call: tuple[MethodDescriptor, bytes], metadata: Any) -> None:
                method, request = call
                answered(channel, method, request, metadata)

            await asyncio.to_thread(with_messages)
            await asyncio.to_thread(with_bytes)
            await asyncio.to_thread(end_tasks, channel)
        async with asyncio.timeout(20):  # nothing is left behind
            while await raw.pubsub_channels("channel:task:*"):
                await asyncio.sleep(0.01)
            while len(asyncio.all_tasks()) > before + 2:
                await asyncio.sleep(0.01)
    finally:
        await server.stop()
        await node.aclose()
