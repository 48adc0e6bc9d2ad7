"""All scenarios, one after the other; what each check came to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from a2a_reliability.asking import Kit
from a2a_reliability.errors import KitError
from a2a_reliability.findings import Check, Finding, Findings, failed
from a2a_reliability.scenarios import SCENARIOS


def checks() -> list[Check]:
    """Return every check, in order."""
    return [check for scenario in SCENARIOS for check in scenario.checks]


async def run(kit: Kit, only: Collection[str] = ()) -> AsyncIterator[tuple[Check, Finding]]:
    """Play the scenarios, and yield what each check came to.

    Args:
        kit: The server, and what may be done to it.
        only: Names of checks; scenarios that none of these belong to aren't played. Empty for all.
    """
    for scenario in SCENARIOS:
        wanted = [check for check in scenario.checks if not only or check.name in only]
        if not wanted:
            continue
        findings: Findings = {}
        reason = "it ended before this could be seen"
        try:
            await scenario.play(kit, findings)
        except KitError as error:
            reason = str(error)
        for check in wanted:
            yield check, findings.get(check.name, failed(reason))
