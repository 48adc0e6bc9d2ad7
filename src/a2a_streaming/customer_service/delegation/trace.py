"""Trace context (W3C Trace Context, level 1): a customer's request is one trace, through every agent."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MOST = 512
"""The most characters of a `tracestate` that are handed on (section 3.3.1.5)."""


def next_span(*told: Mapping[str, Any]) -> dict[str, str]:
    """Return the trace context for a call to another agent: the same trace, another span.

    Args:
        told: Where a `traceparent` may stand, and a `tracestate` beside it; the first one that can be read
            counts. Without any, a trace begins.

    Returns:
        The headers, and the metadata, of the call.
    """
    for context in told:
        given = context.get("traceparent")
        found = _TRACEPARENT.fullmatch(given) if isinstance(given, str) else None
        if found is None or not int(found[1], 16) or not int(found[2], 16):
            continue
        headers = {"traceparent": f"00-{found[1]}-{secrets.token_hex(8)}-{found[3]}"}
        state = context.get("tracestate")
        if isinstance(state, str) and state.isascii() and state.isprintable():
            headers["tracestate"] = state[:_MOST] if len(state) <= _MOST else ""
        return {key: value for key, value in headers.items() if value}
    # Sampled: an agent that has a tracer shall use it.
    return {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
