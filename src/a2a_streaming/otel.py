"""Traces by OpenTelemetry; imported by `tracing.start` alone. Needs the extra `telemetry`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from a2a_streaming.version import VERSION

_EXPORT_SECONDS = 3.0
"""How long one try to export may take; so nobody waits longer for a process's end."""
_KINDS = {kind.name.lower(): kind for kind in trace.SpanKind}
_NO_FAILURE = (asyncio.CancelledError, GeneratorExit)
_W3C = TraceContextTextMapPropagator()


class OtelTracer:
    """Makes spans by a provider of OpenTelemetry's; see `tracing.Tracer`.

    Args:
        provider: The provider.
        flush: Waits until the spans that have ended are exported.
    """

    def __init__(
        self, provider: trace.TracerProvider, flush: Callable[[], object] = lambda: None
    ) -> None:
        self._tracer = provider.get_tracer("a2a_streaming", VERSION)
        self._flush = flush

    def span(
        self, name: str, kind: str, parent: Mapping[str, Any] | None, told: Mapping[str, Any]
    ) -> OtelSpan:
        """Return a span, which follows on the context in `parent` or, if that is None, on the one that is open."""
        within = None if parent is None else _W3C.extract(_readable(parent))
        return OtelSpan(self._tracer.start_span(name, within, _KINDS[kind], _named(told)))

    def carrier(self) -> dict[str, str]:
        """Return the context of the span that is open; empty without one."""
        told: dict[str, str] = {}
        _W3C.inject(told)
        return told

    def flush(self) -> None:
        """Wait until the spans that have ended are exported, for seconds at most."""
        self._flush()


class OtelSpan:
    """A span, open and current while its block lasts; see `tracing.Span`.

    Args:
        span: OpenTelemetry's.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context.detach(self._token)
        if error is not None and not isinstance(error, _NO_FAILURE):
            self.note(error=type(error).__name__)
            if getattr(error, "http_status", 500) >= 500:  # else it is who asks that erred
                self.fail(type(error).__name__)
        self._span.end()

    def note(self, **told: Any) -> None:
        """Tell more of it."""
        self._span.set_attributes(_named(told))

    def fail(self, why: str) -> None:
        """Tell that it has failed."""
        self._span.set_status(trace.StatusCode.ERROR, why)


def of_program() -> OtelTracer:
    """Return what makes spans by the provider that the program has set, or sets yet."""
    return OtelTracer(trace.get_tracer_provider())


def exporting(url: str, share: float, instance: str) -> OtelTracer:
    """Return what makes spans that a thread exports by OTLP over HTTP, and agents' own spans with them; to be called once in a process.

    Args:
        url: Where a collector listens; empty for what OpenTelemetry's own variables say.
        share: The share of traces; of those that begin here, and 1 for what OpenTelemetry's own variables say.
        instance: The process's name.

    Raises:
        ImportError: The extra isn't installed.
    """
    # The API comes with other packages, too; these are the extra's.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    ours = {
        "service.name": "a2a-streaming",
        "service.version": VERSION,
        "service.instance.id": instance,
    }
    provider = TracerProvider(
        resource=Resource.create(ours).merge(OTELResourceDetector().detect()),
        sampler=ParentBasedTraceIdRatio(share) if share < 1 else None,
    )
    endpoint = f"{url.rstrip('/')}/v1/traces" if url else None
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return OtelTracer(provider, provider.force_flush)


def _named(told: Mapping[str, Any]) -> dict[str, Any]:
    return {f"a2a.{key.replace('_', '.')}": value for key, value in told.items()}


def _readable(carrier: Mapping[str, Any]) -> dict[str, str]:
    """Return what of a carrier may be a trace context; what clients send may be anything."""
    found = {key: carrier.get(key) for key in ("traceparent", "tracestate")}
    return {key: value for key, value in found.items() if isinstance(value, str)}
