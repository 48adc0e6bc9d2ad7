"""Whose fault it is over gRPC: bytes that are no message are the client's; of ours the log tells, not the wire."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from a2a_streaming.errors import InternalError
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """What stands in the place of a request that can't be read.

    Args:
        reason: Why.
    """

    reason: str


class Faults(grpc.aio.ServerInterceptor):
    """Takes what a call's handler leaves: gRPC itself would answer UNKNOWN, with the exception's text."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return a method's handler, guarded; arguments as gRPC has them."""
        found = await continuation(handler_call_details)
        if found is None:
            return None  # there is no such method: gRPC says so
        name = handler_call_details.method
        guarded = {"request_deserializer": _lenient(found.request_deserializer)}
        if found.response_streaming:
            guarded["unary_stream"] = _guard_stream(name, found.unary_stream)
        else:
            guarded["unary_unary"] = _guard(name, found.unary_unary)
        return found._replace(**guarded)


def _lenient(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(raw: bytes) -> Any:
        try:
            return parse(raw)
        except DecodeError as error:
            return _Unreadable(str(error))

    return read


def _guard(name: str, answer: Callable[[Any, Any], Awaitable[Any]]) -> Callable[..., Any]:
    async def guarded(request: Any, context: Any) -> Any:
        async with _blaming(name, request, context):
            return await answer(request, context)

    return guarded


def _guard_stream(
    name: str, answer: Callable[[Any, Any], AsyncGenerator[Any]]
) -> Callable[..., Any]:
    async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
        async with (
            _blaming(name, request, context),
            contextlib.aclosing(answer(request, context)) as told,
        ):
            async for one in told:
                yield one

    return guarded


@contextlib.asynccontextmanager
async def _blaming(name: str, request: Any, context: Any) -> AsyncGenerator[None]:
    if isinstance(request, _Unreadable):
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, f"The request can't be read: {request.reason}."
        )
    try:
        yield
    except cast("Any", grpc.aio).AbortError:
        raise
    except Exception:  # whatever fails, the client gets an answer and the server lives
        _log.exception("a call failed", method=name)
        await context.abort(grpc.StatusCode.INTERNAL, InternalError().detail)
