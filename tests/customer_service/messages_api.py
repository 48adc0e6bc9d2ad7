"""A stand-in for Claude: a real HTTP server that speaks the Messages API, and says what a test wants it to say.

Each request is answered by the next entry of its script, or by what a function makes of the request. Answers are
streamed as the API streams them; refusals, cut streams and silence are answers, too.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming import sse
from a2a_streaming.customer_service.claude import Budget, Claude, Limits, Prices
from a2a_streaming.customer_service.detection import OfflineDetector, Specialist
from a2a_streaming.redaction import Redactor
from conftest import serving

Json = dict[str, Any]
Answer = Callable[[Json], Response | Awaitable[Response]]
"""Makes a response of a request's body."""


@dataclass(frozen=True)
class Use:
    """A tool that the model uses."""

    name: str
    input: Any
    id: str = "toolu_1"


@dataclass
class StandIn:
    """The server, as a test sees it."""

    script: list[Answer]
    url: str = ""
    requests: list[Json] = field(default_factory=list[Json])
    keys: list[str | None] = field(default_factory=list[str | None])

    async def serve(self, request: Request) -> Response:
        body = json.loads(await request.body())
        headers = request.headers
        self.keys.append(headers.get("x-api-key") or headers.get("authorization"))
        self.requests.append(body)
        answer = self.script[min(len(self.requests), len(self.script)) - 1](body)
        return answer if isinstance(answer, Response) else await answer


PRICES = Prices(1.0, 5.0)
"""US dollars for a million tokens that are read, and said."""
LIMITS = Limits(backoff=0.001, rest=0.0)
"""As usual, but with hardly a wait before another try."""


@asynccontextmanager
async def claude_at(
    *script: Answer,
    limits: Limits = LIMITS,
    budget: Budget | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[tuple[Claude, StandIn]]:
    """Claude, as a script answers."""
    async with standing_in(*script) as server:
        asked = Claude(
            "sk-test",
            "claude-test",
            base_url=server.url,
            limits=limits,
            budget=budget or Budget(100_000, 1_000_000),
            prices=PRICES,
            redactor=redactor,
        )
        try:
            yield asked, server
        finally:
            await asked.aclose()


@asynccontextmanager
async def standing_in(*script: Answer) -> AsyncIterator[StandIn]:
    """Run a stand-in; the last entry of its script answers whatever comes after it."""
    stand_in = StandIn(list(script))
    app = Starlette(routes=[Route("/v1/messages", stand_in.serve, methods=["POST"])])
    async with serving(app) as server:
        stand_in.url = server.url
        yield stand_in


def frame(kind: str, **told: Any) -> bytes:
    """One event of a stream."""
    return sse.frame(json.dumps({"type": kind, **told}).encode(), event=kind)


def frames(
    *content: str | Use,
    stop: str | None = None,
    usage: Mapping[str, int] | None = None,
    pieces: int = 3,
) -> list[bytes]:
    """The events of an answer, its texts and tools' inputs in several pieces."""
    counts = {"input_tokens": 100, "output_tokens": 20} | dict(usage or {})
    begun = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**counts, "output_tokens": 1},
    }
    told = [frame("message_start", message=begun), frame("ping")]
    for index, block in enumerate(content):
        if isinstance(block, str):
            start: Json = {"type": "text", "text": ""}
            kind, key, text = "text_delta", "text", block
        else:
            start = {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
            text = block.input if isinstance(block.input, str) else json.dumps(block.input)
            kind, key = "input_json_delta", "partial_json"
        told.append(frame("content_block_start", index=index, content_block=start))
        size = max(1, -(-len(text) // pieces))
        for at in range(0, len(text), size):
            delta = {"type": kind, key: text[at : at + size]}
            told.append(frame("content_block_delta", index=index, delta=delta))
        told.append(frame("content_block_stop", index=index))
    uses = any(isinstance(block, Use) for block in content)
    reason = stop or ("tool_use" if uses else "end_turn")
    told.append(
        frame(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={"output_tokens": counts["output_tokens"]},
        )
    )
    told.append(frame("message_stop"))
    return told


def stream(parts: Sequence[bytes], *, broken: bool = False) -> Response:
    """These events; cut off hard behind them, or ended in order."""

    async def body() -> AsyncGenerator[bytes]:
        for part in parts:
            yield part
        if broken:
            raise ConnectionResetError

    return StreamingResponse(body(), media_type="text/event-stream")


def says(*content: str | Use, **options: Any) -> Answer:
    """A whole answer."""
    return lambda _: stream(frames(*content, **options))


def cut(*content: str | Use, after: int, broken: bool = True, **options: Any) -> Answer:
    """An answer that breaks off after so many events."""
    return lambda _: stream(frames(*content, **options)[:after], broken=broken)


def raw(*parts: bytes) -> Answer:
    """A stream of these bytes."""
    return lambda _: stream(parts)


_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def refuses(status: int, *, retry_after: str | None = None) -> Answer:
    """A refusal, as the API words it."""
    error = {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": "No."}}
    headers = {"retry-after": retry_after} if retry_after is not None else None
    return lambda _: JSONResponse(error, status, headers=headers)


def breaks(kind: str = "overloaded_error", *, after: int = 1) -> Answer:
    """A stream that tells an error in its midst."""
    error = frame("error", error={"type": kind, "message": "No."})
    return lambda _: stream([*frames("Hello, you")[:after], error])


def other(text: str, media_type: str = "text/html") -> Answer:
    """An answer of another server than the API's."""
    return lambda _: PlainTextResponse(text, media_type=media_type)


def silent(gate: asyncio.Event, first: Sequence[bytes] = ()) -> Answer:
    """An answer that says nothing, or nothing more, until the gate opens."""

    async def body() -> AsyncGenerator[bytes]:
        for part in first:
            yield part
        await gate.wait()

    async def respond(_: Json) -> Response:
        if not first:
            await gate.wait()
        return StreamingResponse(body(), media_type="text/event-stream")

    return respond


def said_by_customer(body: Json) -> str:
    """What stands between the delimiters in a request's messages."""
    return "\n".join(
        block if isinstance(block, str) else block.get("text", "")
        for message in body["messages"]
        if message["role"] == "user"
        for block in (
            [message["content"]] if isinstance(message["content"], str) else message["content"]
        )
    )


@dataclass
class Obliging:
    """Answers as a good model would: for conversations that are to end as they do offline.

    Args:
        forms: What it fills in at a specialist's, by what the customer says. Of other messages it says that it
            can't tell, so that they are read offline.
        specialists: What it knows of those that messages are routed to, by name.
    """

    forms: Mapping[str, Use] = field(default_factory=dict[str, Use])
    specialists: Mapping[str, Specialist] = field(default_factory=dict[str, Specialist])

    async def __call__(self, body: Json) -> Response:
        names = [tool["name"] for tool in body.get("tools", ())]
        said = _between(said_by_customer(body), "message")
        if names == ["tell_intents"]:
            items = body["tools"][0]["input_schema"]["properties"]["intents"]["items"]
            names = items["properties"]["route"]["enum"][:-2]
            routes = {name: self.specialists.get(name, Specialist(name)) for name in names}
            reading = await OfflineDetector().detect(said[-1], list(routes.values()))
            told = [{**i.to_json(), "route": i.route or "none"} for i in reading.intents]
            for one in told:  # rules have finer names than cards
                if one["intent"] not in items["properties"]["intent"]["enum"]:
                    one["intent"] = routes[one["route"]].intents[0]
            return stream(frames(Use("tell_intents", {"intents": told})))
        if names:
            use = self.forms.get(said[-1])
            return stream(frames(use if use is not None else ""))
        answer = _between(said_by_customer(body), "data")[0]
        return stream(frames(answer.partition("\n\nBeside it")[0]))


def _between(text: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL)
