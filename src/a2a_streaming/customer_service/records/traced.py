"""Systems of record whose calls are told as spans: which call, and how it ended; never what it was about."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from a2a_streaming import tracing
from a2a_streaming.customer_service.records.errors import KeyReused, RecordsError
from a2a_streaming.customer_service.records.systems import Records

_SYSTEMS = ("customers", "bookings", "billing", "subscriptions", "tickets")


def traced(records: Records) -> Records:
    """Return systems of record whose calls are told as spans; else they are the ones given.

    Args:
        records: The systems of record, of whatever kind.
    """
    return cast("Records", _Traced(records, ""))


class _Traced:
    """Stands for an object, and has its async methods told.

    Args:
        inner: The object.
        name: The system that it is; empty for all of them together.
    """

    def __init__(self, inner: Any, name: str) -> None:
        self._inner = inner
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not self._name and name in _SYSTEMS:
            told: Any = _Traced(found, name)
        elif self._name and inspect.iscoroutinefunction(found):
            told = _told(found, f"{self._name}.{name}")
        else:
            return found
        setattr(self, name, told)  # so that this is asked no more
        return told


def _told(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not tracing.trace_id():  # what a process does by itself, every few seconds
            return await method(*args, **kwargs)
        with tracing.span(f"records {name}", "client") as span:
            try:
                return await method(*args, **kwargs)
            except RecordsError as error:
                if isinstance(error, KeyReused):
                    raise
                span.note(refused=type(error).__name__)  # an answer like others
                refused = error
        raise refused

    return call
