"""JSON-RPC 2.0 requests: read strictly, so that nothing is stored that can't be told again.

Every number must survive a double, because A2A's JSON is protobuf's: a larger one is refused instead
of being rounded without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson

from a2a_streaming.errors import InvalidRequest, ParseError, RequestError
from a2a_streaming.event import MAX_DEPTH
from a2a_streaming.task import Json

RequestId: TypeAlias = str | int | None

_MAX_NUMBER = 2**53
_MAX_ID = 256


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Args:
        id: The client's id for it; None if it sent none.
        method: What to do.
        params: With what.
    """

    id: RequestId
    method: str
    params: Json


def parse_call(body: bytes) -> Call:
    """Read a request.

    Args:
        body: The HTTP body.

    Raises:
        ParseError: It is no JSON.
        InvalidRequest: It is no JSON-RPC 2.0 request, nests too deep or has numbers too large.
    """
    request = load(body)
    if isinstance(request, list):
        raise InvalidRequest("Batches are not supported. Send one request at a time.")
    if not isinstance(request, dict):
        raise InvalidRequest('A request is an object with "jsonrpc", "id", "method" and "params".')
    fields = cast("Json", request)
    if fields.get("jsonrpc") != "2.0":
        raise InvalidRequest('The request must say "jsonrpc": "2.0".')
    _check_id(fields.get("id"))
    method = fields.get("method")
    if not isinstance(method, str) or not method:
        raise InvalidRequest('The request needs a "method", a string.')
    params = fields.get("params", {})
    if not isinstance(params, dict):
        raise InvalidRequest('"params" must be an object.')
    return Call(fields.get("id"), method, cast("Json", params))


def id_of(body: bytes) -> RequestId:
    """Return the id of a request that may be wrong otherwise; None if it has none that can be read."""
    try:
        request = orjson.loads(body)
        request_id = cast("Json", request).get("id") if isinstance(request, dict) else None
        _check_id(request_id)
    except (orjson.JSONDecodeError, InvalidRequest):
        return None
    return request_id


def result(request_id: RequestId, value: Any) -> bytes:
    """Return a response that carries a result."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": value})


def error(request_id: RequestId, cause: RequestError) -> bytes:
    """Return a response that carries an error."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": cause.to_jsonrpc()})


def mark(request_id: RequestId) -> bytes:
    """Return what stands between the pieces of `enveloped`: the request's id."""
    return b"%b" % orjson.dumps(request_id)  # a copy: orjson's own bytes hold on to 4 KiB


def enveloped(value: bytes) -> tuple[bytes, bytes]:
    """Return the same as `result`, of a value that is JSON already: what stands before the id, and behind."""
    return b'{"jsonrpc":"2.0","id":', b',"result":%b}' % value


def load(body: bytes) -> object:
    """Read JSON strictly.

    Args:
        body: The HTTP body.

    Raises:
        ParseError: It is no JSON.
        InvalidRequest: It nests too deep or has numbers too large.
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        if "depth" in str(cause):
            raise InvalidRequest(_too_deep()) from cause
        if "infinity" in str(cause):
            raise InvalidRequest(_too_large()) from cause
        raise ParseError(f"The body is no JSON in UTF-8: {cause}.") from cause
    _check_values(value)
    return value


def _check_values(value: object) -> None:
    """Check depth and numbers, without recursion."""
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict | list) and depth == MAX_DEPTH:
                raise InvalidRequest(_too_deep())
            if isinstance(item, dict):
                below.extend(cast("Json", item).values())
            elif isinstance(item, list):
                below.extend(cast("list[object]", item))
            elif isinstance(item, int | float) and abs(item) > _MAX_NUMBER:
                raise InvalidRequest(_too_large())
        if not below:
            return
        level = below


def _check_id(request_id: object) -> None:
    if request_id is None or (isinstance(request_id, int) and not isinstance(request_id, bool)):
        return
    if not isinstance(request_id, str) or len(request_id) > _MAX_ID:
        raise InvalidRequest(
            f'"id" must be a string of at most {_MAX_ID} characters, or an integer.'
        )


def _too_deep() -> str:
    return f"The request nests deeper than {MAX_DEPTH} levels. Send flatter data, or a file."


def _too_large() -> str:
    return "A number is beyond ±2^53, where JSON readers round. Send it as a string."
