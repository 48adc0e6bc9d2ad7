"""The one place that calls the Messages API: in time, within a budget, and tried again where that may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Self

import httpx2
import orjson

from a2a_streaming import Settings, tracing
from a2a_streaming.customer_service.claude import metrics, sdk
from a2a_streaming.customer_service.claude.budget import Account, Budget, Ledger, Prices, Usage
from a2a_streaming.customer_service.claude.faults import RETRIED, ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.prompt import Prompt, Reply
from a2a_streaming.customer_service.claude.stream import AnswerReader
from a2a_streaming.redaction import Redactor, redacting
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_AWAY = frozenset({Reason.RATE_LIMITED, Reason.OVERLOADED, Reason.UNREACHABLE, Reason.SLOW})
"""Reasons that the next customer would meet as well."""
_FREE = frozenset({Reason.RATE_LIMITED, Reason.OVERLOADED, Reason.UNREACHABLE, Reason.REFUSED})
"""Reasons for which nothing is billed, unless the answer had begun."""

Tell = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request may take, and how often it is tried. Times are in seconds.

    Args:
        connect: Until a connection stands.
        first: From a try to the first byte of its answer, and between two bytes.
        whole: All tries together, with the waiting between them.
        retries: Tries after the first one.
        backoff: The wait before the second try; it doubles with each.
        rest: For how long nobody asks again after a request that no try has helped.
    """

    connect: float = 3.0
    first: float = 8.0
    whole: float = 20.0
    retries: int = 2
    backoff: float = 0.5
    rest: float = 10.0


class Claude:
    """Asks Claude.

    Args:
        api_key: The key to the Messages API.
        model: The model's name.
        base_url: Another address of the API.
        limits: How long a request may take, and how often it is tried.
        budget: What a task may spend.
        prices: What the model's tokens cost.
        redactor: Takes out of what is asked what the model needn't read; None to leave it.

    Raises:
        SetupError: The extra `claude` isn't installed.
    """

    def __init__(
        self,
        api_key: str,
        model: str,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        budget: Budget,
        prices: Prices,
        redactor: Redactor | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._client = sdk.client(
            api_key, base_url, httpx2.Timeout(self._limits.first, connect=self._limits.connect)
        )
        self._model = model
        self._budget = budget
        self._prices = prices
        self._redactor = redactor
        self._rest: tuple[float, Reason] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return it as the settings say; None without a key.

        Args:
            settings: The settings.

        Raises:
            SetupError: A key is set, and the extra `claude` isn't installed.
        """
        key = settings.anthropic_api_key
        if key is None or not key.get_secret_value():
            return None
        return cls(
            key.get_secret_value(),
            settings.anthropic_model,
            base_url=settings.anthropic_base_url,
            limits=Limits(
                connect=settings.anthropic_connect_seconds,
                first=settings.anthropic_first_seconds,
                whole=settings.anthropic_seconds,
                retries=settings.anthropic_retries,
                rest=settings.anthropic_rest_seconds,
            ),
            budget=Budget(
                settings.anthropic_task_tokens, round(settings.anthropic_task_usd * 1_000_000)
            ),
            prices=Prices(settings.anthropic_input_usd, settings.anthropic_output_usd),
            redactor=redacting(settings),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, prompt: Prompt, ledger: Ledger, *, tell: Tell | None = None) -> Reply:
        """Ask, and return the whole answer.

        An answer that breaks off is asked for anew, as long as nothing of it was told.

        Args:
            prompt: The request.
            ledger: What the task has spent; kept up to date.
            tell: Is called with each piece of text as it comes. What it raises ends the request, and is
                raised.

        Raises:
            ClaudeFailed: There is no answer, or the task may not spend what it can cost.
        """
        began = monotonic()
        if self._redactor:
            prompt = replace(prompt, messages=self._redactor.value(prompt.messages))
        try:
            with tracing.span("ask Claude", "client", purpose=prompt.purpose):
                self._check_rest()
                reply = await self._ask_in_time(prompt, ledger, tell)
        except ClaudeFailed as failed:
            self._note(prompt, failed, monotonic() - began)
            raise
        self._rest = None
        seconds = monotonic() - began
        metrics.CALLS.labels(prompt.purpose, "answered").inc()
        metrics.WHOLE.labels(prompt.purpose).observe(seconds)
        usage = reply.usage
        _log.info(
            "Claude answered",
            purpose=prompt.purpose,
            seconds=round(seconds, 3),
            input=usage.input,
            written=usage.written,
            cached=usage.cached,
            output=usage.output,
        )
        return reply

    async def _ask_in_time(self, prompt: Prompt, ledger: Ledger, tell: Tell | None) -> Reply:
        whole = asyncio.timeout(self._limits.whole)
        try:
            async with whole:
                return await self._try(prompt, ledger, tell, whole.when() or 0.0)
        except TimeoutError as error:
            if not whole.expired():
                raise
            raise ClaudeFailed(Reason.SLOW, "as a whole") from error

    async def _try(
        self, prompt: Prompt, ledger: Ledger, tell: Tell | None, deadline: float
    ) -> Reply:
        """Try until there is an answer, or it is no use; what a try has cost is counted in each case."""
        clock = asyncio.get_running_loop().time
        told = False

        async def tell_piece(piece: str) -> None:
            nonlocal told
            told = told or tell is not None
            if tell is not None:
                await tell(piece)

        for attempt in range(self._limits.retries + 1):
            try:
                return await self._try_once(prompt, ledger, tell_piece)
            except ClaudeFailed as failed:
                wait = failed.retry_after
                if wait is None:
                    wait = self._limits.backoff * 2**attempt * random.uniform(0.75, 1)
                last = attempt == self._limits.retries or clock() + wait > deadline
                if failed.reason not in RETRIED or told or last:
                    raise
                _log.info("asking Claude again", purpose=prompt.purpose, reason=failed.reason)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _try_once(self, prompt: Prompt, ledger: Ledger, tell: Tell) -> Reply:
        account = Account(ledger, self._budget, self._prices)
        await account.reserve(prompt.size, prompt.max_tokens)
        metrics.TRIES.labels(prompt.purpose).inc()
        reader = AnswerReader()
        free = False
        try:
            async with aclosing(self._events(prompt)) as events:
                async for event in events:
                    if piece := reader.read(event):
                        await tell(piece)
            return reader.reply()
        except ClaudeFailed as failed:
            free = failed.reason in _FREE
            raise
        finally:
            # A try that was given up before it told its price keeps what was reserved for it.
            if reader.begun or free:
                account.settle(reader.usage)
                self._count(reader.usage)

    async def _events(self, prompt: Prompt) -> AsyncGenerator[Json]:
        """Send a request, and yield the events of its answer.

        Raises:
            ClaudeFailed: It isn't answered, or the answer breaks off.
        """
        began = monotonic()
        try:
            async with asyncio.timeout(self._limits.first):
                events = await sdk.open_stream(self._client, prompt.to_json(self._model))
                event = await anext(events, None)
        except TimeoutError as error:
            raise ClaudeFailed(Reason.SLOW, "to begin") from error
        metrics.FIRST.labels(prompt.purpose).observe(monotonic() - began)
        async with aclosing(events):
            while event is not None:
                yield _parse(event)
                event = await anext(events, None)

    def _check_rest(self) -> None:
        if self._rest is not None:
            until, reason = self._rest
            if monotonic() < until:
                raise ClaudeFailed(reason, "not asked: it was so a moment ago")

    def _note(self, prompt: Prompt, failed: ClaudeFailed, seconds: float) -> None:
        """Log and count a failure; and leave Claude alone for a while, if it is everybody's."""
        metrics.CALLS.labels(prompt.purpose, failed.reason.value).inc()
        metrics.WHOLE.labels(prompt.purpose).observe(seconds)
        log = _log.error if failed.reason is Reason.REFUSED else _log.warning
        log(
            "Claude didn't answer; answering offline",
            purpose=prompt.purpose,
            reason=failed.reason.value,
            detail=failed.detail,
            seconds=round(seconds, 3),
        )
        if failed.reason in _AWAY and (self._rest is None or monotonic() >= self._rest[0]):
            rest = max(self._limits.rest, failed.retry_after or 0.0)
            self._rest = (monotonic() + rest, failed.reason)

    def _count(self, usage: Usage) -> None:
        for kind in ("input", "written", "cached", "output"):
            metrics.TOKENS.labels(kind).inc(getattr(usage, kind))
        metrics.COST.inc(self._prices.cost(usage) / 1_000_000)


def _parse(data: str) -> Any:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ClaudeFailed(Reason.UNREADABLE, "an event is no JSON") from error
    if isinstance(event, dict) and event.get("type") == "error":  # pyright: ignore[reportUnknownMemberType] - JSON
        raise sdk.told_error(event)  # pyright: ignore[reportUnknownArgumentType]
    return event  # pyright: ignore[reportUnknownVariableType]
