"""For programs that are built on a2a-sdk: its request handler's place, taken by Redis."""

from __future__ import annotations

from a2a_streaming.sdk.handler import RedisRequestHandler

__all__ = ["RedisRequestHandler"]
