"""What Prometheus is told of pushing, beside `metrics.PUSHES`."""

from __future__ import annotations

from prometheus_client import Gauge, Histogram

from a2a_streaming.metrics import PUSHES

PUSH_SECONDS = Histogram(
    "a2a_push_seconds",
    "Posts to webhooks, from looking the name up to the answer.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PUSH_TASKS = Gauge("a2a_push_tasks", "Tasks whose events this process pushes now.")
DELIVERED, FAILED, GIVEN_UP = (PUSHES.labels(one) for one in ("delivered", "failed", "given up"))
POSTPONED = PUSHES.labels("postponed")
"""The receiver had enough to do, or didn't answer others."""
