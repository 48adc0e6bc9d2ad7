"""Logs: structured lines, for people or for machines.

Lines go through the standard library's loggers, so that a program that mounts our application keeps
its own way of logging; our own commands call `configure_logging`. Customers' text goes to debug lines
alone.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

from a2a_streaming.redaction import Redactor


def configure_logging(
    format: Literal["console", "json"],  # noqa: A002 - the setting's name
    level: Literal["debug", "info", "warning", "error"],
    redactor: Redactor | None = None,
) -> None:
    """Send this process's logs to standard error.

    Args:
        format: Lines for people, or JSON objects.
        level: The least important line that is written.
        redactor: Takes out of each line what nobody needs to read; None to leave it.
    """
    # Plain tracebacks: those with local variables would show customers' text.
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    if redactor:
        last = [structlog.processors.format_exc_info, _redacting(redactor), last[-1]]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line a request is for a proxy to log; HTTP clients and SQLite are as talkative; a2a-sdk tells each card,
    # and Alembic what it takes the database for.
    noisy = ("uvicorn", "httpx", "httpx2", "httpcore", "httpcore2", "a2a", "alembic")
    for name in noisy:
        logging.getLogger(name).setLevel(logging.WARNING)


def _redacting(redactor: Redactor) -> structlog.typing.Processor:
    """Return what takes out of a line's values, a traceback among them, what nobody needs to read."""

    def redact(
        _logger: Any, _method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {key: redactor.value(value) for key, value in line.items()}

    return redact


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose lines carry a name, and what is given to it by keyword.

    Args:
        name: The module's name.
    """
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
    )
