"""Bodies of requests and answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from a2a_streaming.errors import BodyTooLarge, RequestError, Unavailable
from a2a_streaming.wire import jsonrpc

_DISCARDED = 64 * 1024 * 1024
"""Bytes beyond the limit that are read and thrown away, so that the client reads the answer."""


async def read_body(request: Request, limit: int) -> bytes:
    """Read a request's body.

    Args:
        request: The request.
        limit: The most bytes that it may have.

    Raises:
        BodyTooLarge: It has more.
    """
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
            body += chunk
    if too_large:
        raise BodyTooLarge(limit)
    return bytes(body)


def error_response(body: bytes, error: RequestError) -> Response:
    """Answer with a JSON-RPC error.

    Args:
        body: The request's body, for its id.
        error: What is wrong.
    """
    # JSON-RPC's errors travel under status 200, but for those that concern HTTP itself.
    status = error.http_status if isinstance(error, BodyTooLarge | Unavailable) else 200
    response = json_response(jsonrpc.error(jsonrpc.id_of(body), error), status)
    if isinstance(error, Unavailable):
        response.headers["retry-after"] = str(error.retry_after)
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
