"""A collector of traces: it takes what is exported by OTLP, and says what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from conftest import serving
from tasks import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
"""The trace of a client that has one."""


@dataclass(frozen=True)
class Told:
    """A span, as it was exported."""

    name: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, Any]
    process: str


@dataclass
class Collector:
    """What was exported."""

    url: str = ""
    spans: list[Told] = field(default_factory=list[Told])
    text: str = ""
    """All of it, as text."""

    async def take(self, request: Request) -> Response:
        """Take what is exported."""
        told = ExportTraceServiceRequest.FromString(await request.body())
        self.text += str(told)
        for resource in told.resource_spans:
            process = _values(MessageToDict(resource.resource)["attributes"])
            for span in (one for scope in resource.scope_spans for one in scope.spans):
                self.spans.append(
                    Told(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.status.code == span.status.STATUS_CODE_ERROR,
                        _values(MessageToDict(span).get("attributes", [])),
                        process["service.instance.id"],
                    )
                )
        return Response(media_type="application/x-protobuf")

    def above(self, span: Told) -> list[str]:
        """The names of the spans that a span is below, from the top."""
        by_id = {one.id: one for one in self.spans}
        names: list[str] = []
        while (parent := by_id.get(span.parent)) is not None:
            names.insert(0, parent.name)
            span = parent
        return names

    async def until(self, name: str, which: Callable[[Told], object] = bool) -> Told:
        """Wait for a span."""

        async def is_told() -> Told | None:
            return next((one for one in self.spans if one.name == name and which(one)), None)

        found = await until(is_told)
        assert found is not None
        return found


def _values(attributes: list[Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector."""
    collector = Collector()
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    async with serving(app) as served:
        collector.url = served.url
        yield collector


def exporting(collector: Collector) -> dict[str, str]:
    """The settings of a process that exports at once."""
    return {
        "A2A_TRACES": "otlp",
        "A2A_TRACES_URL": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
