"""What is checked, and what was found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from a2a_reliability.asking import Kit
from a2a_reliability.judging import Fault


class Result(StrEnum):
    """How a check ended."""

    passed = "passed"
    failed = "failed"
    not_applicable = "not applicable"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a server is asked for.

    Args:
        name: Its name.
        asks: What is asked, in a sentence.
        sections: Where specification 1.0 asks for it; empty where it is silent, and the check only informs.
    """

    name: str
    asks: str
    sections: str = ""

    @property
    def required(self) -> bool:
        """Whether the specification asks for it."""
        return bool(self.sections)


@dataclass(frozen=True, slots=True)
class Finding:
    """How a check ended, why, and what was seen."""

    result: Result
    reason: str = ""
    evidence: tuple[str, ...] = ()


def passed(reason: str = "") -> Finding:
    """Return that it holds."""
    return Finding(Result.passed, reason)


def failed(reason: str, *evidence: str) -> Finding:
    """Return that it doesn't hold."""
    return Finding(Result.failed, reason, evidence)


def not_applicable(reason: str) -> Finding:
    """Return that it can't be judged here."""
    return Finding(Result.not_applicable, reason)


def judged(*faults: Fault | None, well: str = "") -> Finding:
    """Return the first fault as a finding, or that there is none."""
    found = [fault for fault in faults if fault is not None]
    if not found:
        return passed(well)
    first, more = found[0], len(found) - 1
    also = f" (and {more} more like it)" if more else ""
    return failed(f"{first.kind}: {first.words}{also}", *first.evidence)


Findings = dict[str, Finding]
"""By the checks' names."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that is done to a server, and what is checked by it.

    Args:
        checks: What it finds, in order; what it leaves out when it ends early has failed.
        play: Does it, and adds what is found to the findings.
    """

    checks: tuple[Check, ...]
    play: Callable[[Kit, Findings], Awaitable[None]]
