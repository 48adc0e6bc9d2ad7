"""Metrics, for Prometheus to fetch at `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

STREAMS = Gauge("a2a_streams_open", "Streams that this process has open.")
STREAMS_CLOSED = Counter(
    "a2a_streams_closed",
    "Streams that have ended, by why: end, client, stalled, drain, gone, error.",
    ["reason"],
)
RESETS = Counter(
    "a2a_stream_resets",
    "Streams begun anew because their position couldn't be continued.",
    ["reason"],
)
DELIVERIES = Counter("a2a_deliveries", "Events handed to streams.")
PUSHES = Counter(
    "a2a_pushes", "Posts to webhooks, by outcome: delivered, failed, given up.", ["outcome"]
)
CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """Return every metric of this process as Prometheus reads it."""
    return generate_latest()
