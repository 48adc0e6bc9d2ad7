"""The `anthropic` package, and what its failures mean; nothing else imports it.

Its own retries are off: they know nothing of answers that break off, nor of a customer who waits.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import httpx2

from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.errors import SetupError
from a2a_streaming.task import Json

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_ERRORS = {
    "rate_limit_error": Reason.RATE_LIMITED,
    "overloaded_error": Reason.OVERLOADED,
    "api_error": Reason.UNREACHABLE,
    "timeout_error": Reason.SLOW,
}
_STATUSES = {429: Reason.RATE_LIMITED, 529: Reason.OVERLOADED, 408: Reason.SLOW, 504: Reason.SLOW}


def client(api_key: str, base_url: str | None, timeout: httpx2.Timeout) -> AsyncAnthropic:
    """Return a client of the Messages API.

    Args:
        api_key: The key.
        base_url: Another address of the API.
        timeout: How long it may take.

    Raises:
        SetupError: The extra `claude` isn't installed.
    """
    try:
        import anthropic  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise SetupError(
            "ANTHROPIC_API_KEY is set, but the `anthropic` package isn't installed. Install "
            "a2a-streaming[claude], or unset the key to answer offline."
        ) from error
    return anthropic.AsyncAnthropic(
        api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0
    )


async def open_stream(client: AsyncAnthropic, body: Json) -> AsyncGenerator[str]:
    """Send a request; return the data of its answer's events, as they come.

    Args:
        client: The client.
        body: The request's body.

    Raises:
        ClaudeFailed: The request is refused, or there is no connection; while reading: the answer breaks off.
    """
    import anthropic  # noqa: PLC0415 - the client is there, so it is

    try:
        stream: Any = await client.messages.create(**cast("Any", body), stream=True)
    except anthropic.APITimeoutError as error:
        raise ClaudeFailed(Reason.SLOW, type(error).__name__) from error
    except anthropic.APIConnectionError as error:
        raise ClaudeFailed(Reason.UNREACHABLE, type(error).__name__) from error
    except anthropic.APIStatusError as error:
        raise _refusal(error.status_code, error.type, error.response.headers) from error
    except Exception as error:  # the SDK hands on answers that it can't read: anything may fail
        raise ClaudeFailed(Reason.UNREADABLE, type(error).__name__) from error
    return _read(stream.response, anthropic.AsyncStream[Any].raw_events(stream.response))


async def _read(response: httpx2.Response, events: Any) -> AsyncGenerator[str]:
    try:
        async with aclosing(events):
            async for event in events:
                if event.data:
                    yield event.data
    except httpx2.TimeoutException as error:
        raise ClaudeFailed(Reason.SLOW, "between two bytes") from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        raise ClaudeFailed(Reason.CUT, type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise ClaudeFailed(Reason.UNREADABLE, type(error).__name__) from error
    finally:
        await response.aclose()


def told_error(event: Json) -> ClaudeFailed:
    """Return the failure that an `error` event in a stream tells.

    Args:
        event: The event.
    """
    told = event.get("error")
    kind = str(cast("Json", told).get("type")) if isinstance(told, dict) else ""
    return ClaudeFailed(_ERRORS.get(kind, Reason.CUT), kind[:64])


def _refusal(status: int, kind: str | None, headers: Mapping[str, str]) -> ClaudeFailed:
    reason = _STATUSES.get(status) or _ERRORS.get(kind or "")
    if reason is None:
        reason = Reason.UNREACHABLE if status >= 500 else Reason.REFUSED
    # Without the error's text: it may repeat what the customer said.
    return ClaudeFailed(reason, f"{status} {kind or ''}".strip(), retry_after=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the server asks to be left alone; None if it doesn't."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            return max(0.0, float(told) / unit)
        except ValueError:
            pass
        if (date := email.utils.parsedate_tz(told)) is not None:
            return max(0.0, email.utils.mktime_tz(date) - time.time())
    return None
