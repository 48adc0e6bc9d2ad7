"""JSON-RPC of 1.0 for a2a-sdk's client, with streams that are handed on as they come.

The official transport reads each event into a protobuf message and drops SSE's id. A relay needs the id (it
is the event's position) and the JSON (which goes into another log): what a Struct makes of it has no whole
numbers, and costs more than all the rest of a relayed event. So this transport, registered with a2a-sdk's
`ClientFactory`, leaves each event in the call's state, as JSON, and yields its kind alone. The message that
is sent comes the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any, cast

import httpx
import httpx2
import orjson
from a2a.client import A2AClientError, A2AClientTimeoutError
from a2a.client.client import ClientCallContext
from a2a.client.transports.jsonrpc import JsonRpcTransport
from a2a.types import (
    AgentCard,
    Message,
    StreamResponse,
    Task,
    TaskArtifactUpdateEvent,
    TaskStatusUpdateEvent,
)

from a2a_streaming.customer_service.delegation.events import SAID, TOLD, event_of
from a2a_streaming.sse import Decoder
from a2a_streaming.task import Json

_KINDS = {
    "task": StreamResponse(task=Task()),
    "status": StreamResponse(status_update=TaskStatusUpdateEvent()),
    "artifact": StreamResponse(artifact_update=TaskArtifactUpdateEvent()),
    "message": StreamResponse(message=Message()),
}
_END_SECONDS = 1.0
"""How long a stream's end is waited for after its last event; by nobody who waits for an answer."""


class StreamTransport(JsonRpcTransport):
    """Speaks with one agent.

    Args:
        http: For calls.
        streams: For streams.
        card: The agent's card.
        url: Its address for JSON-RPC of 1.0.
    """

    def __init__(
        self, http: httpx.AsyncClient, streams: httpx2.AsyncClient, card: AgentCard, url: str
    ) -> None:
        super().__init__(http, card, url, is_shared_httpx=True)
        self._streams = streams

    async def _send_stream_request(
        self, rpc_request_payload: dict[str, Any], context: ClientCallContext | None = None
    ) -> AsyncGenerator[StreamResponse]:
        """Send a request, and yield the kinds of the events that come.

        Raises:
            A2AError: The agent refuses, or what comes is no stream of events.
        """
        if context is None:
            raise TypeError("a call whose events are to be read needs a context")
        params = rpc_request_payload["params"]
        if (said := context.state.pop(SAID, None)) is not None:
            params["message"] = said
        headers = {
            **(context.service_parameters or {}),
            "a2a-version": "1.0",
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
        }
        body = orjson.dumps(rpc_request_payload)
        try:
            async with self._streams.stream(
                "POST", self.url, content=body, headers=headers
            ) as response:
                await self._check_stream(response)
                decoder = Decoder()
                chunks = response.aiter_bytes()
                over = False
                try:
                    async for chunk in chunks:
                        for message in decoder.feed(chunk):
                            event = event_of(self._result(message.data), message.id)
                            if event is not None:
                                over = event.ends(answer="message" in params)
                                context.state[TOLD] = event
                                yield _KINDS[event.kind]
                except GeneratorExit:  # whoever has the last event asks for nothing more
                    if over:
                        await _read_end(chunks)
                    raise
        except httpx2.TimeoutException as error:
            raise A2AClientTimeoutError("Nothing came in time.") from error
        except httpx2.HTTPError as error:
            raise A2AClientError(str(error) or type(error).__name__) from error

    async def _check_stream(self, response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code != 200 or kind != "text/event-stream":
            await response.aread()
            response.raise_for_status()
            self._result(response.content)
            raise A2AClientError("It answers, but not with a stream.")

    def _result(self, body: bytes | str) -> Json:
        """Return a JSON-RPC response's result.

        Raises:
            A2AError: It is an error, or no response.
        """
        try:
            told: Any = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise A2AClientError(f"What comes is no JSON: {error}") from error
        match told:
            case {"result": dict(), **others} if not others.get("error"):
                return cast("Json", told["result"])
            case _:
                self._check_jsonrpc_response(told)
                raise A2AClientError("It answers without a result.")


async def _read_end(chunks: AsyncIterator[bytes]) -> None:
    """Read a stream's end, which comes right after its last event: else its connection serves no other call."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_END_SECONDS):
            async for _ in chunks:
                pass
