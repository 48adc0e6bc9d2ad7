"""What a task has spent on Claude, and may still spend.

The ledger is kept in the task's own metadata, so it holds over turns and processes. Before each call the most that
it can cost is written down as spent, in a step of the turn, after it what it did cost, with the next event: a process
that dies in between has spent too much rather than too little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, cast

from a2a_streaming import Run
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.task import Json

KEY = "claude"
"""Where the ledger stands in the task's metadata."""

_CACHE_WRITE = 1.25
_CACHE_READ = 0.1
"""What a token costs that is written to the cache (for five minutes) or read from it, by the price of others."""
_BYTES = 2.0
"""Bytes that make a token at worst; in English it is rather four."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the API counts them.

    Args:
        input: Read anew.
        written: Read anew, and written to the cache.
        cached: Read from the cache.
        output: Said.
    """

    input: int = 0
    written: int = 0
    cached: int = 0
    output: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input + self.written + self.cached + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.written + other.written,
            self.cached + other.cached,
            self.output + other.output,
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What tokens cost.

    Args:
        input: US dollars for a million tokens that are read.
        output: US dollars for a million tokens that are said.
    """

    input: float
    output: float

    def cost(self, usage: Usage) -> int:
        """Return what a call costs, in millionths of a US dollar, rounded up."""
        read = usage.input + _CACHE_WRITE * usage.written + _CACHE_READ * usage.cached
        return math.ceil(round(read * self.input + usage.output * self.output, 6))


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent.

    Args:
        tokens: Tokens, of every kind.
        micros: Millionths of a US dollar.
    """

    tokens: int = 0
    micros: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.micros + other.micros)

    def to_json(self) -> Json:
        """Return it as the task's metadata keep it."""
        return {"tokens": self.tokens, "microUsd": self.micros}

    @classmethod
    def from_json(cls, value: Any) -> Spent:
        """Read it back. A client may have written it with the task's first message: so never below nothing."""
        kept: dict[str, Any] = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        return cls(_count(kept.get("tokens")), _count(kept.get("microUsd")))


def _count(value: Any) -> int:
    # JSON has one kind of number: what was 3 may come back as 3.0.
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a task may spend.

    Args:
        tokens: Tokens, of every kind.
        micros: Millionths of a US dollar.
    """

    tokens: int
    micros: int

    def allows(self, spent: Spent) -> bool:
        """Say whether that much may be spent in all."""
        return spent.tokens <= self.tokens and spent.micros <= self.micros


class Ledger(Protocol):
    """Keeps what a task has spent."""

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        ...

    async def reserve(self, spent: Spent) -> None:
        """Set what may have been spent in all after the next call; kept when it returns.

        Args:
            spent: What was spent, and the most that the call can cost.
        """
        ...

    def settle(self, spent: Spent) -> None:
        """Set what was spent in all; kept by and by, as it only takes back what was reserved too much.

        Args:
            spent: What was spent.
        """
        ...


class RunLedger:
    """A ledger in the metadata of a run's task; within a turn, in its steps, of which nobody is told.

    Whoever ends the turn adds `metadata` to an event of it: that settles the account.

    Args:
        run: The run.
        spent: What its task had spent when the turn began.
    """

    def __init__(self, run: Run, spent: Spent) -> None:
        self._run = run
        self._kept = self._spent = spent
        self._reserved = 0

    @classmethod
    async def open(cls, run: Run) -> RunLedger:
        """Return a run's ledger, one for each attempt, with what an earlier attempt at the turn had reserved.

        Args:
            run: The run.
        """
        ledger = cls(run, Spent.from_json(run.metadata.get(KEY)))
        while run.has_done(ledger._step):
            ledger._spent = Spent.from_json(await run.step(ledger._step, _keep, None))
            ledger._reserved += 1
        return ledger

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        return self._spent

    @property
    def metadata(self) -> Json:
        """What an event has to carry so that the task remembers; nothing if it does."""
        return {KEY: self._spent.to_json()} if self._spent != self._kept else {}

    async def reserve(self, spent: Spent) -> None:
        """Set what may have been spent in all after the next call."""
        self._spent = spent
        await self._run.step(self._step, _keep, spent.to_json())
        self._reserved += 1

    def settle(self, spent: Spent) -> None:
        """Set what was spent in all."""
        self._spent = spent

    @property
    def _step(self) -> str:
        return f"spend {self._reserved + 1}"


async def _keep(value: Any) -> Any:
    return value


class Purse:
    """A ledger in memory, for whoever asks without a task."""

    def __init__(self) -> None:
        self._spent = Spent()

    @property
    def spent(self) -> Spent:
        """What was spent so far."""
        return self._spent

    async def reserve(self, spent: Spent) -> None:
        """Set what may have been spent in all after the next call."""
        self._spent = spent

    def settle(self, spent: Spent) -> None:
        """Set what was spent in all."""
        self._spent = spent


class Account:
    """The account of one try at a call: reserves before it, settles after it.

    Args:
        ledger: Where it is kept.
        budget: What may be spent.
        prices: What tokens cost.
    """

    def __init__(self, ledger: Ledger, budget: Budget, prices: Prices) -> None:
        self._ledger = ledger
        self._budget = budget
        self._prices = prices
        self._before = Spent()

    async def reserve(self, size: int, max_tokens: int) -> None:
        """Write down the most that a call can cost.

        Args:
            size: How many bytes the request has.
            max_tokens: The most tokens of the answer.

        Raises:
            ClaudeFailed: The task may not spend that much.
        """
        most = Usage(written=math.ceil(size / _BYTES), output=max_tokens)
        self._before = self._ledger.spent
        reserved = self._before + self._spent(most)
        if not self._budget.allows(reserved):
            raise ClaudeFailed(Reason.BUDGET)
        await self._ledger.reserve(reserved)

    def settle(self, usage: Usage) -> None:
        """Write down what the call did cost.

        Args:
            usage: Its tokens.
        """
        self._ledger.settle(self._before + self._spent(usage))

    def _spent(self, usage: Usage) -> Spent:
        return Spent(usage.tokens, self._prices.cost(usage))
