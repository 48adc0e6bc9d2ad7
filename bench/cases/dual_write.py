"""The dual write: 64 emitters append through the product's writer, against the same calls sent by a C program."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from a2a_streaming.backbone.log import Grant, Log
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.task import Json
from bench.machine import CACHE, SERVER_CORE
from bench.rounds import Bench, Outcome, Row, alternated, at_least, ratios, thousands
from bench.servers import Server, redis
from bench.tasks import (
    Recorder,
    backbone,
    chunks,
    learn_append,
    open_task,
    recording_log,
    run_async,
)

EMITTERS = 64
BURST = 16
_FSYNC = "everysec"
"""As the embedded store has it."""


def run(bench: Bench) -> Outcome:
    """Measure writing, event by event and in bursts."""
    outcome = Outcome(notes=[f"dual write: Redis with appendonly yes, appendfsync {_FSYNC}."])
    each = bench.scaled(1600, 320)
    found: dict[tuple[str, int], list[float]] = {}
    for number in bench.each_round():
        for burst in (1, BURST):
            for system in alternated(["ours", "C"], number):
                if system == "C" and not bench.has_load:
                    continue
                measure = _ours if system == "ours" else _c_loader
                with redis(bench.folder, core=SERVER_CORE, fsync=_FSYNC) as store:
                    rate = measure(store, bench.folder, each, burst)
                found.setdefault((system, burst), []).append(rate)
    for burst, absolute in ((1, 100_000), (BURST, 200_000)):
        ours, theirs = found["ours", burst], found.get(("C", burst))
        work = f"dual write, {EMITTERS} emitters, " + (
            "single events" if burst == 1 else f"bursts of {burst}"
        )
        outcome.rows.append(at_least(work, absolute, ours, "events/s"))
        if theirs:
            ratio = ratios(ours, theirs)
            told = f"{thousands(statistics.median(ours))} : {thousands(statistics.median(theirs))}"
            outcome.rows.append(
                Row(work, "≥ 0.7 × the C loader", f"{told} events/s", ratio, ratio >= 0.7)
            )
    outcome.details = {f"{system}, bursts of {burst}": v for (system, burst), v in found.items()}
    return outcome


def _ours(store: Server, _: Path, each: int, burst: int) -> float:
    async def measure() -> float:
        async with backbone(store) as manager:
            grants = await _grants(manager)
            told = [chunks(grant, each) for grant in grants]
            await learn_append(manager)
            gc.collect()
            gc.freeze()  # what is prepared is no garbage of the product's
            begun = time.perf_counter()
            await _emit_all(manager.log, grants, told, burst)
            return EMITTERS * each / (time.perf_counter() - begun)

    return run_async(measure())


def _c_loader(store: Server, folder: Path, each: int, burst: int) -> float:
    """Record what the product would send, then let the C program send it, as many calls in flight."""
    recorders = [Recorder() for _ in range(EMITTERS)]

    async def record() -> None:
        async with backbone(store) as manager:
            grants = await _grants(manager)
            await learn_append(manager)
            for grant, recorder in zip(grants, recorders, strict=True):
                log = recording_log(recorder, manager.settings)
                await _emit(LogWriter(log, grant), chunks(grant, each), burst)

    run_async(record())
    path = folder / "calls"
    with path.open("wb") as calls:
        for together in zip(*(recorder.commands for recorder in recorders), strict=True):
            for command in together:
                calls.write(struct.pack("=I", len(command)) + command)
    try:
        told = subprocess.run(
            [str(CACHE / "write"), str(store.port), str(path), str(EMITTERS)],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        path.unlink()
    return EMITTERS * each / json.loads(told.stdout)["seconds"]


async def _grants(manager: RedisManager) -> list[Grant]:
    return [await open_task(manager, "bench", f"written-{n}") for n in range(EMITTERS)]


async def _emit_all(
    log: Log, grants: Sequence[Grant], told: Sequence[Sequence[Json]], burst: int
) -> None:
    await asyncio.gather(
        *(
            _emit(LogWriter(log, grant), events, burst)
            for grant, events in zip(grants, told, strict=True)
        )
    )


async def _emit(writer: LogWriter, events: Sequence[Json], burst: int) -> None:
    """Emit; each event, or each burst, is in Redis before the next one begins."""
    if burst == 1:
        for event in events:
            await writer.append(event)
        return
    for start in range(0, len(events), burst):
        *first, last = events[start : start + burst]
        for event in first:
            await writer.append(event, wait=False)
        await writer.append(last)
