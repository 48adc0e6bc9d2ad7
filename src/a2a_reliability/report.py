"""What was found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from a2a_reliability.findings import Check, Finding, Result

_WIDTH = 32
Found = Sequence[tuple[Check, Finding]]


def line(check: Check, finding: Finding) -> str:
    """Return a check's lines: its result, its name, why, and what was seen."""
    said = f"{word(check, finding):<8} {check.name:<{_WIDTH}} {finding.reason}".rstrip()
    if finding.result is not Result.failed:
        return said
    asked = f"asked by specification 1.0, {check.sections}" if check.required else "informs"
    return "\n".join(
        [said, f"{'':9}{check.asks} ({asked})", *(f"{'':9}  {one}" for one in finding.evidence)]
    )


def word(check: Check, finding: Finding) -> str:
    """Return a result in a word: yes and no where the specification is silent."""
    match finding.result:
        case Result.passed:
            return "passed" if check.required else "yes"
        case Result.failed:
            return "FAILED" if check.required else "no"
        case Result.not_applicable:
            return "-"


def summary(found: Found) -> str:
    """Return the last line."""
    asked = [finding.result for check, finding in found if check.required]
    more = [finding.result for check, finding in found if not check.required]
    return (
        f"specification: {asked.count(Result.passed)} passed, {asked.count(Result.failed)} failed; "
        f"beyond it: {more.count(Result.passed)} yes, {more.count(Result.failed)} no"
    )


def as_json(check: Check, finding: Finding) -> str:
    """Return a check as one line of JSON."""
    told = {
        "check": check.name,
        "asks": check.asks,
        "sections": check.sections,
        "result": finding.result.value,
        "reason": finding.reason,
        "evidence": finding.evidence,
    }
    return json.dumps(told, ensure_ascii=False)


def exit_code(found: Found, *, strict: bool) -> int:
    """Return 1 if something failed that counts.

    Args:
        found: What was found.
        strict: Whether what the specification doesn't ask for counts, too.
    """
    failures = [check for check, finding in found if finding.result is Result.failed]
    return int(any(strict or check.required for check in failures))
