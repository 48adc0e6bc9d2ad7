"""Bodies of requests and answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
from a2a.types import AgentCard
from a2a.utils.error_handlers import build_rest_error_payload
from a2a.utils.errors import A2A_REASON_TO_ERROR, JSON_RPC_ERROR_CODE_MAP, InternalError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from a2a_streaming.errors import (
    BodyTooLarge,
    ContentTypeNotSupported,
    ExtensionSupportRequired,
    InvalidRequest,
    ParseError,
    RequestError,
    Unauthenticated,
)
from a2a_streaming.metrics import LIMITED
from a2a_streaming.quotas import Quotas
from a2a_streaming.wire import jsonrpc
from a2a_streaming.wire.dialects import Dialect
from a2a_streaming.wire.modern import sdk_error

VERSION_HEADER = "A2A-Version"
"""Request header, or query parameter, by which a client says its version of A2A."""

_SIZE = "a2a_streaming.body_size"
"""Where a request's scope tells how large its body was."""
_DISCARDED = 64 * 1024 * 1024
"""Bytes beyond the limit that are read and thrown away, so that the client reads the answer."""


async def read_body(request: Request, limit: int, quotas: Quotas) -> bytes:
    """Read a request's body.

    Args:
        request: The request.
        limit: The most bytes that it may have.
        quotas: Counts what the process holds of bodies.

    Raises:
        BodyTooLarge: It has more.
        Unavailable: The process is being sent too much by all together.
    """
    with quotas.bodies.reading() as reading:
        try:
            body = await _read(request, limit, reading)
        except BodyTooLarge:
            LIMITED.labels("body").inc()
            raise
    request.scope[_SIZE] = len(body)
    return body


def body_size(request: Request) -> int:
    """Return the bytes of a request's body: as they were read, or else as it says.

    Args:
        request: The request.
    """
    read: int | None = request.scope.get(_SIZE)
    said = request.headers.get("content-length", "")
    return read if read is not None else int(said) if said.isdigit() and len(said) < 16 else 0


async def _read(request: Request, limit: int, reading: Callable[[int], None]) -> bytes:
    length = request.headers.get("content-length", "")
    too_large = length.isdigit() and int(length) > limit
    if too_large and request.headers.get("expect", "").lower() == "100-continue":
        raise BodyTooLarge(limit)  # the client waits for a word before it sends
    body, size = bytearray(), 0
    # Read on past the limit for a while: a client that is still sending doesn't read our answer.
    async for chunk in request.stream():
        size += len(chunk)
        too_large = too_large or size > limit
        if size > limit + _DISCARDED:
            break
        if not too_large:
            reading(len(chunk))
            body += chunk
    if too_large:
        raise BodyTooLarge(limit)
    return bytes(body)


def load_json(body: bytes) -> object:
    """Read a body over REST, as strictly as JSON-RPC does.

    Args:
        body: The body.

    Raises:
        InvalidRequest: It is no JSON, nests too deep or has numbers too large.
    """
    try:
        return jsonrpc.load(body)
    except ParseError as error:  # for which a2a-sdk has no word over REST
        raise InvalidRequest(error.detail) from error


def asked_version(request: Request) -> str | None:
    """Return the version of A2A that a request asks for, as it says it; None if it says none."""
    return request.headers.get(VERSION_HEADER) or request.query_params.get(VERSION_HEADER)


def check_extensions(request: Request, card: AgentCard) -> None:
    """Check that a request's client knows what its agent requires (specification 1.0, section 3.3.4).

    Args:
        request: The request; `A2A-Extensions` (`X-A2A-Extensions` in 0.3) names what it knows.
        card: The agent's card.

    Raises:
        ExtensionSupportRequired: It doesn't know all.
    """
    required = [one.uri for one in card.capabilities.extensions if one.required]
    if required and (missing := [uri for uri in required if uri not in extensions(request)]):
        raise ExtensionSupportRequired(missing)


def extensions(request: Request) -> set[str]:
    """Return the extensions that a request's client knows and asks for (specification 1.0, section 3.2.6)."""
    said = [value for name in _EXTENSIONS for value in request.headers.getlist(name)]
    return {uri.strip() for value in said for uri in value.split(",")}


_EXTENSIONS = ("a2a-extensions", "x-a2a-extensions")


def check_json(request: Request) -> None:
    """Check that a request's body is said to be JSON, if it is said what it is.

    Raises:
        ContentTypeNotSupported: It is said to be something else.
    """
    said = request.headers.get("content-type", "")
    media_type = said.partition(";")[0].strip().lower()
    if said and not _JSON.fullmatch(media_type):
        raise ContentTypeNotSupported(said)


_JSON = re.compile(r"application/([a-z0-9.-]+\+)?json")


def read_again(
    request: Request, body: bytes, dialect: Dialect, *, path_params: dict[str, Any] | None = None
) -> Request:
    """Return a request whose body was read, as a2a-sdk expects it: unread, and with its version said.

    Args:
        request: The request.
        body: Its body.
        dialect: The version.
        path_params: What its path names.
    """
    said = (b"a2a-version", dialect.value.encode())
    headers = [pair for pair in request.scope["headers"] if pair[0] != said[0]]

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {**request.scope, "headers": [*headers, said]}
    if path_params is not None:
        scope["path_params"] = path_params
    return Request(scope, receive)


def for_old_clients(told: dict[str, Any]) -> dict[str, Any]:
    """Return an HTTP error with what 0.3's clients look for beside it: class, JSON-RPC's code, and message.

    Args:
        told: A `google.rpc.Status` under `error`.
    """
    error = told["error"]
    reasons = [detail["reason"] for detail in error.get("details", ()) if "reason" in detail]
    reason = (reasons or ["INTERNAL_ERROR"])[0]
    name = "".join(word.capitalize() for word in reason.removesuffix("_ERROR").split("_"))
    code = JSON_RPC_ERROR_CODE_MAP[A2A_REASON_TO_ERROR.get(reason, InternalError)]
    return {**told, "type": f"{name}Error", "code": code, "message": error["message"]}


A2A_JSON = "application/a2a+json"
"""The media type of 1.0's REST (specification 1.0, section 11.1)."""


def rest_error(error: RequestError) -> Response:
    """Answer with an HTTP error (specification 1.0, section 11.6).

    Args:
        error: What is wrong.
    """
    told = build_rest_error_payload(sdk_error(error))
    told["error"].update(code=error.http_status, status=error.grpc_status)
    response = json_response(orjson.dumps(for_old_clients(told)), error.http_status)
    response.headers["content-type"] = A2A_JSON
    return _with_headers(response, error)


def error_response(body: bytes, error: RequestError) -> Response:
    """Answer with a JSON-RPC error.

    Args:
        body: The request's body, for its id.
        error: What is wrong.
    """
    # JSON-RPC's errors travel under status 200, but for those that concern HTTP itself.
    status = error.http_status if error.by_http else 200
    response = json_response(jsonrpc.error(jsonrpc.id_of(body), error), status)
    return _with_headers(response, error)


def _with_headers(response: Response, error: RequestError) -> Response:
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        response.headers["www-authenticate"] = "Bearer"
    if isinstance(error, BodyTooLarge):
        response.headers["connection"] = "close"  # the rest of the body is still on its way
    return response


def json_response(content: bytes, status: int = 200) -> Response:
    """Answer with JSON that no cache keeps.

    Args:
        content: The JSON.
        status: HTTP status.
    """
    return Response(
        content,
        status,
        headers={"cache-control": "no-store"},
        media_type="application/json",
    )
