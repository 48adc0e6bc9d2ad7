"""Traces: what a request causes, across agents, processes and attempts, as OpenTelemetry tells it.

Off until `start` is called. Until then OpenTelemetry isn't imported, and each function here returns at once; a trace that a
client has brought along is passed on as it came, so that logs name it, and others who trace follow on it.

Spans tell names, ids, states and counts; of an exception its kind alone. What customers say is in none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias

from a2a_streaming.errors import SetupError

Mode: TypeAlias = Literal["off", "otlp", "program"]
Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Value: TypeAlias = str | bool | int | float
Carrier: TypeAlias = Mapping[str, Any]
"""Where a trace context stands, as `traceparent` and `tracestate` (W3C Trace Context)."""


class Span(Protocol):
    """One thing that is done, while its block lasts."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def note(self, **told: Value) -> None:
        """Tell more of it.

        Args:
            told: Attributes; `task_id` becomes `a2a.task.id`.
        """
        ...

    def fail(self, why: str) -> None:
        """Tell that it has failed.

        Args:
            why: The kind of failure, a word; never what somebody said.
        """
        ...


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self, name: str, kind: Kind, parent: Carrier | None, told: Mapping[str, Value]
    ) -> Span:
        """Return a span; arguments as for `span` below."""
        ...

    def carrier(self) -> dict[str, str]:
        """Return the context of the span that is open; empty without one."""
        ...

    def flush(self) -> None:
        """Wait until the spans that have ended are exported, for seconds at most."""


class _Nothing:
    """What there is instead of a span while there are no traces."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def note(self, **told: Value) -> None:
        pass

    def fail(self, why: str) -> None:
        pass


class _Passing(_Nothing):
    """What there is instead of a span where a trace goes through."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: dict[str, str]) -> None:
        self._trace = trace

    def __enter__(self) -> Self:
        self._token = _passing.set(self._trace)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _passing.reset(self._token)


def _brought(carrier: Carrier) -> dict[str, str]:
    """Return the trace context that somebody has brought along; empty if it is none."""
    parent, state = carrier.get("traceparent"), carrier.get("tracestate")
    if not isinstance(parent, str) or not _TRACE_PARENT.fullmatch(parent):
        return {}
    if isinstance(state, str) and 0 < len(state) <= _LONGEST_STATE and state.isprintable():
        return {"traceparent": parent, "tracestate": state}
    return {"traceparent": parent}


_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_LONGEST_STATE = 512
_passing: ContextVar[Mapping[str, str]] = ContextVar("passing", default=MappingProxyType({}))


@dataclass(slots=True)
class _State:
    tracer: Tracer | None = None
    exporting: Tracer | None = None
    """The one that exports, once there was one: a process has no other."""
    users: int = 0


_NOTHING = _Nothing()
_state = _State()


def span(
    name: str, kind: Kind = "internal", *, parent: Carrier | None = None, **told: Value
) -> Span:
    """Return a span, to be used as a context manager.

    Args:
        name: What is done; few different ones.
        kind: OpenTelemetry's kind of span.
        parent: Where the context stands that it follows on, and if it stands nowhere there a trace begins; None for the
            span that is open.
        told: Attributes; `task_id` becomes `a2a.task.id`.
    """
    tracer = _state.tracer
    if tracer is not None:
        return tracer.span(name, kind, parent, told)
    trace = {} if parent is None else _brought(parent)
    return _Passing(trace) if trace or (parent is not None and _passing.get()) else _NOTHING


def carrier() -> dict[str, str]:
    """Return the context of the span that is open, or of the trace that goes through; empty without one."""
    tracer = _state.tracer
    return dict(_passing.get()) if tracer is None else tracer.carrier()


def trace_id() -> str:
    """Return the id of the trace that is under way; empty without one."""
    return carrier().get("traceparent", "--").split("-")[1]


def is_on() -> bool:
    """Say whether there are traces."""
    return _state.tracer is not None


def start(mode: Mode, *, url: str = "", share: float = 1.0, instance: str = "") -> None:
    """Begin to trace. It imports OpenTelemetry, which takes a while. Each call needs one of `stop`.

    Args:
        mode: `otlp` to export by OTLP over HTTP; `program` for the provider that the program itself has set; `off` to
            do nothing.
        url: Where a collector listens; empty for OpenTelemetry's own variables or, without them, this machine.
        share: The share of requests that are traced, of those that come without a trace; 1 for what OpenTelemetry's own
            variables say.
        instance: The process's name.

    Raises:
        SetupError: The extra `telemetry` isn't installed.
    """
    if mode == "off":
        return
    try:
        from a2a_streaming import otel  # noqa: PLC0415 - nobody waits for its imports who wants no traces

        if mode == "otlp" and _state.exporting is None:
            _state.exporting = otel.exporting(url, share, instance)
    except ImportError as error:
        raise SetupError(
            "A2A_TRACES needs OpenTelemetry. Install a2a-streaming with the extra telemetry:"
            " pip install 'a2a-streaming[telemetry]'."
        ) from error
    if _state.tracer is None:
        _state.tracer = _state.exporting if mode == "otlp" else otel.of_program()
    _state.users += 1


def stop() -> None:
    """Trace no more, once everybody has stopped who has started; waits for seconds until the last spans are exported."""
    if not _state.users:
        return
    _state.users -= 1
    if _state.users:
        return
    tracer, _state.tracer = _state.tracer, None
    if tracer is not None:
        tracer.flush()
