"""The judge of a round: when all is quiet, logs, watchers, webhooks, the ledger and Redis must agree."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import redis.asyncio

from chaos.asking import get
from chaos.cell import Cell
from chaos.hooks import hook_violations
from chaos.jobs import Job
from chaos.lines import ask
from chaos.stories import Violation
from chaos.telling import label, said
from chaos.verdicts import (
    Entry,
    fold_violations,
    log_violations,
    path_violations,
    read_log,
    told_violations,
)


async def settle(cell: Cell) -> None:
    """Wait until all is quiet, then judge all tasks of the round, and forget them."""
    cell.load.stop()
    finishing = asyncio.create_task(cell.plays.finish()) if cell.plays is not None else None
    await cell.heal()
    cell.cause = "healing"
    cell.note("all is well again")
    async with cell.store.client as client:
        held = await _held(cell)
        await _watchers_counted(cell, client, [held] if held is not None else [])
        cell.load.held.set()
        deadline = time.monotonic() + cell.size.patience
        while time.monotonic() < deadline and any(job.alive for job in cell.load.jobs):
            await asyncio.sleep(0.05)
        for job in cell.load.jobs:
            for watcher in job.watchers:
                if not watcher.done and job.accepted:
                    what = f"{watcher.path.name} still waits at {watcher.path.position!r}"
                    cell.bad(Violation("I8", job.story.task, what))
        await _judge_jobs(cell, client)
        await _settled(cell, client)
        await _watchers_counted(cell, client, cell.load.jobs)
        await _lifetimes(cell, client)
    if finishing is not None:
        await finishing
    cell.report.deliveries += cell.crowd.told()
    cell.report.figures["tasks"] += len(cell.load.jobs)
    cell.report.figures["events"] += cell.load.events
    cell.report.figures["answers that a failover may have lost, sent again"] += cell.load.repeats
    await cell.load.aclose()
    for watcher in [*cell.crowd.here]:
        watcher.leave()
    cell.report.resets.update(cell.crowd.resets)
    cell.report.figures["reconnects"] += cell.crowd.reconnects
    cell.crowd.deliveries = cell.crowd.reconnects = 0
    cell.crowd.resets.clear()
    cell.receivers.posts.clear()


async def _held(cell: Cell) -> Job | None:
    """The task that waits on purpose, once it does."""
    job = next((job for job in cell.load.jobs if job.kind == "held"), None)
    deadline = time.monotonic() + cell.size.patience
    while job is not None and time.monotonic() < deadline and not (job.waits or job.done):
        await asyncio.sleep(0.05)
    return job if job is not None and not job.done else None


async def _watchers_counted(cell: Cell, client: redis.asyncio.Redis, jobs: list[Job]) -> None:
    """Judge that the set of a task's watchers equals reality, within its lifetime (I9)."""
    for job in jobs:
        if not job.accepted:
            continue
        deadline = time.monotonic() + 3 * cell.size.watcher
        while True:
            now = int(time.time() * 1000)
            counted = await client.zcount(f"subscriptions:{{{job.stored}}}", now, "+inf")
            here = sum(watcher.open_now for watcher in job.watchers)
            right = {here, here + 1} if job.hook else {here}  # a webhook watches, while it is told
            if counted in right or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        cell.report.figures["sets of watchers compared"] += 1
        if counted not in right:
            what = f"{counted} watchers are counted, {here} watch"
            cell.bad(Violation("I9", job.story.task, what))


async def _judge_jobs(cell: Cell, client: redis.asyncio.Redis) -> None:
    payments = cell.books.payments()
    logs: dict[str, set[bytes]] = {}
    for job in cell.load.jobs:
        if not job.accepted:
            continue
        log = await _final_log(cell, client, job)
        logs[job.stored] = {entry.position for entry in log}
        await _judge_job(cell, client, job, log)
        paid = payments.pop(job.task, [])
        if len(paid) > 1 or (not paid and _completed(job) and job.kind == "pay"):
            cell.bad(Violation("I11", job.story.task, f"was paid {len(paid)} times: {paid}"))
        elif paid and paid[0][0] != job.plan["amount"]:
            cell.bad(Violation("I11", job.story.task, f"{job.plan} was paid as {paid}"))
        cell.report.figures["payments"] += len(paid)
    for job, end in cell.lost:
        repaired = end in logs.get(job.stored, ())
        how = "repaired by their writers" if repaired else "told to be lost"
        cell.report.figures[f"ends of logs that a failover lost: {how}"] += 1
    cell.lost.clear()
    await _judge_hooks(cell, client)
    await _judge_audit(cell, client)


async def _final_log(cell: Cell, client: redis.asyncio.Redis, job: Job) -> list[Entry]:
    """Read a task's log; where its end was seen, and then lost, once another run has ended it."""
    deadline = time.monotonic() + cell.size.patience
    while True:
        log = await read_log(client, job.stored)
        over = not log or said(log[-1].data).ends or _waits_for_nobody(job, log)
        if over or not job.touched or time.monotonic() > deadline:
            return log
        await asyncio.sleep(0.2)


def _waits_for_nobody(job: Job, log: list[Entry]) -> bool:
    """Whether Redis has lost a customer's answer together with the end that everybody has seen."""
    waits = bool(log) and said(log[-1].data).state == "input-required"
    return waits and job.touched and bool(job.story.end)


def _completed(job: Job) -> bool:
    return job.story.end == "completed"


async def _judge_job(cell: Cell, client: redis.asyncio.Redis, job: Job, log: list[Entry]) -> None:
    story = job.story
    exists = bool(log) or bool(await client.exists(f"task:{{{job.stored}}}"))
    if not exists:
        cell.report.figures["tasks lost, and their watchers told"] += 1
        silent = [w.path.name for w in job.watchers if not w.done]
        if silent or not job.touched:
            what = f"it was accepted, and is gone without a word to {silent or 'anybody'}"
            cell.bad(Violation("I7", story.task, what))
        return
    for violation in log_violations(story.task, log, ended=not _waits_for_nobody(job, log)):
        cell.bad(violation)
    for violation in told_violations(story, log):
        cell.bad(violation)
    whole = bool(log) and log[0].position.endswith(b"-1")
    for watcher in job.watchers:
        path = watcher.path
        if watcher.gone or watcher.refused or (watcher.lost and job.touched):
            continue
        for violation in path_violations(path, log, lost=job.touched):
            cell.bad(violation)
        odd = [reason for reason, _ in path.resets if reason != "trimmed" or whole]
        if odd and not job.touched and not path.invented:
            what = f"{path.name} was reset ({odd}), though nothing was lost"
            cell.bad(Violation("I1", story.task, what))
    if story.snapshots and log:
        await _judge_fold(cell, job, log)


async def _judge_fold(cell: Cell, job: Job, log: list[Entry]) -> None:
    deadline = time.monotonic() + cell.size.patience
    while True:
        answer = await ask(cell.fleet.doors()[0], get(job.task, cell.tokens[job.owner]), 10)
        if not answer.says_later or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    task = answer.told.get("result") if answer.status == 200 else None
    if task is None:
        what = f"asked for, it was answered {answer.status} {answer.body!r:.300}"
        cell.bad(Violation("answers", job.story.task, what))
        return
    cell.report.figures["snapshots folded"] += len(job.story.snapshots)
    for violation in fold_violations(job.story, log, task.get("task", task)):
        cell.bad(violation)
    if label(task["status"]["state"]) not in (job.story.end or label(task["status"]["state"])):
        what = f"is {task['status']['state']}, and was told {job.story.end}"
        if not job.touched:
            cell.bad(Violation("I5", job.story.task, what))


async def _judge_audit(cell: Cell, client: redis.asyncio.Redis) -> None:
    """Judge that what an operator has looked at is audited (I10)."""
    entries: Any = await client.xrange("audit")
    audited = {fields[b"task"].decode() for _, fields in entries}
    for job in cell.load.jobs:
        if not job.touched and any(watcher.path.deliveries for watcher in job.operators):
            cell.report.figures["operators' looks that were audited"] += 1
            if job.stored not in audited:
                cell.bad(Violation("I10", job.story.task, "an operator's look isn't audited"))


async def _judge_hooks(cell: Cell, client: redis.asyncio.Redis) -> None:
    hooked = [job for job in cell.load.jobs if job.hook and job.accepted]
    deadline = time.monotonic() + cell.size.patience
    for job in hooked:
        name = job.story.task
        while True:
            log = await read_log(client, job.stored)
            posts = cell.receivers.posts[name]
            found = [*hook_violations(name, posts, log, each=job.hook_each, touched=job.touched)]
            if not found or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        cell.report.figures["posts to webhooks"] += len(posts)
        for violation in found:
            cell.bad(violation)


async def _settled(cell: Cell, client: redis.asyncio.Redis) -> None:
    """Judge that no task is left on a list of what is to be done (I8)."""
    deadline = time.monotonic() + 10 * cell.size.lease
    while True:
        left = await client.zrange("index:open:chaotic", 0, -1)
        work = await client.xlen("work:chaotic")
        if (not left and not work) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    if left or work:
        what = f"{len(left)} tasks are still to be looked at, {work} hints wait: {left[:5]}"
        cell.bad(Violation("I8", "all", what))


async def _lifetimes(cell: Cell, client: redis.asyncio.Redis) -> None:
    """Judge that every key has a lifetime (I12)."""
    keys: list[bytes] = [key async for key in client.scan_iter(count=1000)]
    async with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.pttl(key)
        lifetimes: list[int] = await pipeline.execute()
    cell.report.figures["keys looked at"] += len(keys)
    eternal = [key for key, left in zip(keys, lifetimes, strict=True) if left == -1]
    if eternal:
        cell.bad(Violation("I12", "all", f"keys live for ever: {eternal[:10]}"))
