"""What is told of each request to those who run the installation: a span, its ids in the log, and metrics."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from a2a_streaming import metrics, tracing
from a2a_streaming.errors import RequestError
from a2a_streaming.telemetry import bind


class Asked:
    """A request, from when it is known what it asks until there is an answer, or its stream begins; a context manager.

    Args:
        agent: The agent whom it is for.
        method: What it asks, a name that we know.
        parent: Where its trace context stands, if it has any.
    """

    __slots__ = ("_agent", "_began", "_method", "_outcome", "_span")

    def __init__(self, agent: str, method: str, parent: tracing.Carrier) -> None:
        self._agent = agent
        self._method = method
        self._outcome = "answered"
        self._span = tracing.span(method, "server", parent=parent, agent=agent)
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        self._span.__enter__()
        bind(agent=self._agent, trace=tracing.trace_id())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._outcome != "answered":
            kind = error = traceback = None  # it was told
        elif error is not None:
            self._outcome = _outcome(error)
        self._span.__exit__(kind, error, traceback)
        metrics.REQUESTS.labels(self._agent, self._method, self._outcome).inc()
        seconds = time.perf_counter() - self._began
        metrics.REQUEST_SECONDS.labels(self._method).observe(seconds)

    def speaks(self, dialect: str) -> None:
        """Tell which dialect it is in."""
        self._span.note(dialect=dialect)

    def refused(self, error: RequestError | None) -> None:
        """Tell that it is answered by an error, where it is; raised or not."""
        if error is not None:
            self._outcome = type(error).__name__
            self._span.note(error=self._outcome)
            if error.http_status >= 500:
                self._span.fail(self._outcome)


def _outcome(error: BaseException) -> str:
    if isinstance(error, RequestError):
        return type(error).__name__
    return "canceled" if isinstance(error, asyncio.CancelledError) else "failed"
