"""The kit finds what a server does wrong: each fault is planted in a small server, over real HTTP."""

from __future__ import annotations

import pytest

from a2a_reliability.asking import Crash, Kit, Order
from a2a_reliability.connection import connected
from a2a_reliability.findings import Finding, Result
from a2a_reliability.running import checks, run
from conftest import serving
from reliability.faulty import Faulty

CAUGHT = {
    "begins without the task": "begins-with-the-task",
    "tells of other tasks": "begins-with-the-task",
    "tells the whole task in between": "begins-with-the-task",
    "drops an event": "in-order",
    "doubles events": "in-order",
    "ends twice": "ends-once",
    "goes on after the end": "ends-once",
    "stays open": "ends-once",
    "loses the last chunk": "comes-to-the-task",
    "tells old tasks": "get-task-is-current",
    "tells old tasks to subscribers": "subscribe-tells-the-task",
    "leaves a gap when one subscribes": "subscribe-tells-the-rest",
    "tells the last event again when one subscribes": "cut-anywhere",
    "reorders for subscribers": "streams-agree",
    "has streams compete": "streams-agree",
    "cancels when one leaves": "leaving-changes-nothing",
    "ignores positions": "resume-by-position",
    "goes on one event late": "resume-by-position",
    "forgets positions at the end": "resume-after-the-end",
    "tells only some that it is canceled": "cancel-ends-every-stream",
    "tells twice that it is canceled": "cancel-ends-every-stream",
    "streams what has ended": "ended-task-refuses-subscribers",
    "takes messages after the end": "ended-task-refuses-messages",
    "cancels after the end": "ended-task-refuses-canceling",
    "knows no unknown tasks": "unknown-task",
    "refuses a crowd": "herd",
    "drops what slow readers don't read": "slow-reader",
    "runs a message twice": "same-message-runs-once",
    "is silent": "signs-of-life",
    "forgets on crash": "crash-keeps-the-task",
    "lets tasks lie after a crash": "crash-task-ends",
    "repeats work after a crash": "crash-work-is-whole",
    "leaves a gap after a crash": "crash-subscribe-tells-the-rest",
    "forgets positions on crash": "crash-resume-by-position",
}
"""Each fault, and the check that must fail."""


async def found(fault: str, *only: str) -> dict[str, Finding]:
    """What the kit finds at a server with this fault."""
    server = Faulty(fault)
    patience = 0.5 if fault else 10  # what is well is waited for; what is wrong may never come
    async with (
        serving(server.app) as served,
        connected(
            served.url, version="1.0", binding="JSONRPC", headers={}, patience=patience
        ) as connection,
    ):
        kit = Kit(
            connection,
            Order(chunks=12, pause=0.005),
            others=(connection.at(served.url),),
            crash=Crash(server.kill, server.start, bound=2 * patience),
            idle=0.2,
            herd=20,
        )
        try:
            return {check.name: finding async for check, finding in run(kit, only)}
        finally:
            await kit.others[0].aclose()
            await server.aclose()


async def test_a_server_without_faults_passes_every_check() -> None:
    told = await found("")
    assert {name: one for name, one in told.items() if one.result is not Result.passed} == {}
    assert list(told) == [check.name for check in checks()]


@pytest.mark.parametrize("fault", CAUGHT)
async def test_a_planted_fault_is_found(fault: str) -> None:
    told = await found(fault, CAUGHT[fault])
    finding = told[CAUGHT[fault]]
    assert finding.result is Result.failed
    assert finding.reason


def test_every_check_but_those_of_other_addresses_is_seen_to_fail() -> None:
    named = {check.name for check in checks()} - set(CAUGHT.values())
    assert named == {"other-address-agrees", "crash-other-address-goes-on"}
