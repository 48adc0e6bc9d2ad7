"""Spans of every transport, and what they say of failures: never a word of anybody's."""

from __future__ import annotations

import contextlib
from typing import Any

import grpc.aio
import httpx2
import pytest
from a2a.types import GetTaskRequest, Message, Part, Role, SendMessageRequest, a2a_pb2_grpc

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.settings import Settings
from receivers import receiving
from streams import message, request
from tasks import until
from telemetry.collecting import CALLER, TRACE, TRACEPARENT
from telemetry.conftest import Spans
from transports import Both, serving_both

WORDS = "the secret of the customer"


class Failing(Agent):
    """Says what it was told, or raises it."""

    card = agent_card("failing")

    async def run(self, run: Run) -> None:
        if run.text == WORDS:
            raise ValueError(run.text)
        await run.complete(run.text)


async def by_rpc(both: Both, http: httpx2.AsyncClient, text: str) -> None:
    said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": said}}
    told = await http.post(f"{both.http.url}/", json=body, headers={"traceparent": TRACEPARENT})
    assert TRACE not in told.text  # what is noted with messages is nobody else's
    wrong = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "none"}}
    await http.post(f"{both.http.url}/", json=wrong)


async def by_metadata(both: Both, http: httpx2.AsyncClient, text: str) -> None:
    said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}]}
    said["metadata"] = {"traceparent": TRACEPARENT, "tracestate": 7}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": said}}
    await http.post(f"{both.http.url}/", json=body)
    wrong = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": "none"}}
    await http.post(f"{both.http.url}/", json=wrong)


async def by_rest(both: Both, http: httpx2.AsyncClient, text: str) -> None:
    headers = {"traceparent": TRACEPARENT, "A2A-Version": "1.0"}
    said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": text}]}
    url = f"{both.http.url}/v1"
    await http.post(f"{url}/message:send", json={"message": said}, headers=headers)
    await http.get(f"{url}/tasks/none", headers={"A2A-Version": "1.0"})


async def by_grpc(both: Both, http: httpx2.AsyncClient, text: str) -> None:
    said = Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)])
    async with grpc.aio.insecure_channel(both.address) as channel:
        calls = a2a_pb2_grpc.A2AServiceStub(channel)
        request = SendMessageRequest(message=said)
        await calls.SendMessage(request, metadata=[("traceparent", TRACEPARENT)])
        with contextlib.suppress(grpc.aio.AioRpcError):
            await calls.GetTask(GetTaskRequest(id="none"))


async def by_grpc_stream(both: Both, http: httpx2.AsyncClient, text: str) -> None:
    said = Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)])
    async with grpc.aio.insecure_channel(both.address) as channel:
        calls = a2a_pb2_grpc.A2AServiceStub(channel)
        request = SendMessageRequest(message=said)
        stream = calls.SendStreamingMessage(request, metadata=[("traceparent", TRACEPARENT)])
        assert [told async for told in stream]
        with contextlib.suppress(grpc.aio.AioRpcError):
            await calls.GetTask(GetTaskRequest(id="none"))


def above(span: Any, exporter: Any) -> list[int]:
    """The ids of the spans that a span is below; a2a-sdk's own are among them."""
    by_id = {one.context.span_id: one for one in exporter.get_finished_spans()}
    ids: list[int] = []
    while span is not None and span.parent is not None:
        ids.append(span.parent.span_id)
        span = by_id.get(span.parent.span_id)
    return ids


@pytest.mark.parametrize("send", [by_rpc, by_metadata, by_rest, by_grpc, by_grpc_stream])
async def test_a_clients_trace_goes_on_in_the_run_and_its_fault_is_no_failure(
    send: Any, traced: Settings, http: httpx2.AsyncClient, spans: Spans, exporter: Any
) -> None:
    async with serving_both(Failing(), traced) as both:
        await send(both, http, "hello")

        async def counted() -> str:  # over gRPC a call is counted after its answer
            shown = (await http.get(f"{both.http.url}/metrics")).text
            return shown if 'outcome="TaskNotFound"' in shown else ""

        shown = await until(counted)
    [run] = [one for one in spans() if one.name == "run failing"]
    accepted, wrong = [one for one in spans() if one.kind.name == "SERVER"]
    assert f"{accepted.context.trace_id:032x}" == TRACE
    assert f"{accepted.parent.span_id:016x}" == CALLER
    assert accepted.context.span_id in above(run, exporter)
    assert run.attributes["a2a.state"] == "completed"
    assert wrong.attributes["a2a.error"] == "TaskNotFound"
    assert wrong.status.is_unset
    assert f"{wrong.context.trace_id:032x}" != TRACE
    outcome = f'a2a_requests_total{{agent="failing",method="{wrong.name}",outcome="TaskNotFound"}}'
    assert outcome in shown


async def test_a_run_that_raises_has_failed_without_a_word_of_why(
    traced: Settings, http: httpx2.AsyncClient, spans: Spans
) -> None:
    async with serving_both(Failing(), traced) as both:
        await by_rpc(both, http, WORDS)

        async def is_told() -> bool:
            return any(one.name == "run failing" for one in spans())

        await until(is_told)
        shown = (await http.get(f"{both.http.url}/metrics")).text
    [run] = [one for one in spans() if one.name == "run failing"]
    assert (run.status.is_ok, run.status.is_unset) == (False, False)
    assert run.attributes["a2a.state"] == "failed"
    assert WORDS not in "".join(one.to_json() for one in spans())
    assert 'a2a_runs_failed_total{agent="failing",reason="raised"}' in shown


async def test_a_post_to_a_webhook_is_in_the_requests_trace_and_its_receiver_is_told(
    traced: Settings, http: httpx2.AsyncClient, spans: Spans
) -> None:
    private = traced.model_copy(update={"push_private": True})
    async with receiving() as receiver, serving_both(Failing(), private) as both:
        body = request("tasks/send", "t1", message("hello"))
        body["params"]["pushNotification"] = {"url": receiver.url}
        await http.post(f"{both.http.url}/", json=body, headers={"traceparent": TRACEPARENT})
        await receiver.until_completed()

        async def is_told() -> bool:
            return any(one.name == "push" for one in spans())

        await until(is_told)
    posts = [one for one in spans() if one.name == "push"]
    assert {f"{one.context.trace_id:032x}" for one in posts} == {TRACE}
    assert {headers["traceparent"].split("-")[1] for _, headers, _ in receiver.taken} == {TRACE}


async def test_without_traces_what_a_client_has_brought_is_noted_as_it_came_and_nothing_else(
    settings: Settings, http: httpx2.AsyncClient, spans: Spans
) -> None:
    async with serving_both(Failing(), settings) as both:
        await by_rpc(both, http, "hello")
        [(_, task)] = await both.node.manager.index.tasks([("agent", "failing")])
        snapshot = await both.node.manager.snapshots.get(task)
    assert snapshot is not None
    [notes] = snapshot.task["history"][0]["metadata"].values()
    assert notes == {"trace": {"traceparent": TRACEPARENT}}
    assert spans() == []
