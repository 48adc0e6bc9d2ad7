"""Logs: structured lines, for people or for machines.

Lines go through the standard library's loggers, so that a program that mounts our application keeps
its own way of logging; our own commands call `configure_logging`. What is bound (`bind`) stands in every line of the
same request or run, those included that agents write by the standard library's loggers.

Customers' text goes to debug lines alone. What exceptions say may be such text, whoever raises them; so lines tell their
kinds and places without their words, unless debug lines are written.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Literal, cast

import structlog
from structlog.typing import ExcInfo

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
    last: list[Any] = []
    if level != "debug":
        last.append(structlog.processors.ExceptionRenderer(_without_words))
    elif format == "json" or redactor:
        last.append(structlog.processors.format_exc_info)
    if redactor:
        last.append(_redacting(redactor))
    last.append(
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
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


def bind(**ids: str | int) -> None:
    """Have ids stand in every line that is logged from here on in the same asyncio task, and in those that it starts.

    Args:
        ids: Of a task, its context, a run, a trace; those without a value are left out.
    """
    structlog.contextvars.bind_contextvars(**{key: id_ for key, id_ in ids.items() if id_ != ""})


def unbind(*names: str) -> None:
    """Let ids stand in no line any more.

    Args:
        names: Theirs.
    """
    structlog.contextvars.unbind_contextvars(*names)


def _without_words(exc_info: ExcInfo) -> str:
    """Return a traceback that tells kinds and places, but nothing that an exception says."""
    return "\n".join([*_told(exc_info[1], set()), "(its words: A2A_LOG_LEVEL=debug)"])


def _told(error: BaseException, seen: set[int]) -> list[str]:
    if id(error) in seen:
        return []
    seen.add(id(error))
    lines: list[str] = []
    if error.__cause__ is not None:
        lines += [*_told(error.__cause__, seen), "which was the cause of"]
    elif error.__context__ is not None and not error.__suppress_context__:
        lines += [*_told(error.__context__, seen), "in whose handling came"]
    lines.append("".join(traceback.format_tb(error.__traceback__)).rstrip())
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}")
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            lines += ["of which one is", *_told(one, seen)]
    return lines
