"""Fixtures: a program that has a provider of OpenTelemetry's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from a2a_streaming.settings import Settings

Spans = Callable[[], Sequence[Any]]
"""The spans that have ended in this test."""


@pytest.fixture(scope="session")
def exporter() -> Any:
    """This test process' own provider keeps spans in memory; OpenTelemetry takes one for a process."""
    pytest.importorskip("opentelemetry.sdk", reason="the extra `telemetry` isn't installed")
    from opentelemetry import trace  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
        InMemorySpanExporter,
    )

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture
def spans(exporter: Any) -> Iterator[Spans]:
    """The spans that have ended, but for a2a-sdk's own."""

    def ours() -> Sequence[Any]:
        ended = exporter.get_finished_spans()
        return [one for one in ended if one.instrumentation_scope.name == "a2a_streaming"]

    exporter.clear()
    yield ours
    exporter.clear()


@pytest.fixture
def traced(settings: Settings, spans: Spans) -> Settings:
    """Settings of a node in a program that traces."""
    return settings.model_copy(update={"traces": "program"})
