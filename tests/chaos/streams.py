"""The stream run: watchers over real HTTP while Redis, its links and its data are broken under them.

    python -m chaos.streams --seed 7 --faults 200 --minutes 1

One seed draws one schedule. It prints what was done and found; exit code 1 if the oracle objects.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import A2AStreamingError, Fenced
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.http.app import node_app
from a2a_streaming.http.server import config
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from a2a_streaming.task import State
from chaos.oracle import Oracle, Seen
from chaos.proxy import Proxy
from chaos.stores import StoreProcess
from conftest import serving
from tasks import accepted, leased


class Silent(Agent):
    """Its tasks are written by the run itself, as another process would."""

    card = agent_card("echo")

    async def run(self, run: Run) -> None:
        raise NotImplementedError


@dataclass
class Report:
    """What a run did and found."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    deliveries: int = 0
    resets: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    violations: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    """Seconds from a fault's end until every watcher had the log's last event."""
    timeline: list[str] = field(default_factory=list)


class TaskWriter:
    """Writes one task, as a process of its own would: it takes leases, and takes them anew when fenced."""

    def __init__(
        self, manager: RedisManager, oracle: Oracle, task: str, rng: random.Random
    ) -> None:
        self._manager = manager
        self._oracle = oracle
        self._rng = rng
        self.task = task
        self._writer: LogWriter | None = None
        self._grant: Grant | None = None
        self._offset = 0
        self._last: str | None = None
        self._said = 0

    async def begin(self) -> None:
        """Make the task, and take its lease."""
        answer = await accepted(self._manager, self.task)
        self._oracle.wrote(self.task, None, str(answer.position))
        await self.take_over()

    async def take_over(self) -> None:
        """Take the lease, as a new process would: the former one's is over."""
        client = self._manager
        await client._store.call("HDEL", client.keys.meta(self.task), "holder", "lease_end")
        grant = await leased(self._manager, self.task, f"w{self._rng.getrandbits(32)}")
        self._grant, self._writer = grant, LogWriter(self._manager.log, grant, retry_seconds=20)
        self._offset, self._last = grant.base.offset, str(grant.base)

    async def write(self, size: int) -> None:
        """Write one event; a writer that has lost its lease is followed by the next one."""
        assert self._grant is not None
        assert self._writer is not None
        self._said += 1
        text = f"{self.task} {self._said} {'x' * size}"
        said = message("agent", [text_part(text)], task_id=self.task, context_id="c1")
        position = f"{self._grant.epoch}-{self._offset + 1}"
        # Before the call: what fails to be confirmed may have been written all the same.
        self._oracle.wrote(self.task, self._last, position)
        try:
            await self._writer.append(status_event(self.task, "c1", State.WORKING, said))
        except Fenced:
            await self.take_over()
            self._oracle.log_ends(self.task, self._last or "")
        else:
            self._offset, self._last = self._offset + 1, position

    async def end(self) -> str:
        """Return where the log ends, by Redis itself."""
        last = await self._manager._store.call("HGET", self._manager.keys.meta(self.task), "last")
        return last.decode() if last else ""


class Watcher:
    """A client that watches one task, and comes back with its position whenever it is cut."""

    def __init__(self, url: str, seen: Seen, oracle: Oracle, report: Report) -> None:
        self._url = f"{url}/tasks/resubscribe"
        self._oracle = oracle
        self._report = report
        self.seen = seen
        self.over = False
        self._response: asyncio.Task[None] | None = None
        self._job = asyncio.create_task(self._follow())
        self.pace = 0.0

    async def _follow(self) -> None:
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(10, read=5)) as http:
            while not self.over:
                self._response = asyncio.create_task(self._read(http))
                with contextlib.suppress(httpx2.TransportError, asyncio.CancelledError):
                    await self._response
                await asyncio.sleep(0.02)

    async def _read(self, http: httpx2.AsyncClient) -> None:
        headers = {"Last-Event-ID": self.seen.position} if self.seen.position else {}
        decoder = Decoder()
        query = {"id": self.seen.task}
        async with http.stream("GET", self._url, params=query, headers=headers) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                self._report.refused += 1  # told at once that it can't be told
                await asyncio.sleep(0.05)
                return
            async for chunk in response.aiter_raw():
                for told in decoder.feed(chunk):
                    self._oracle.saw(self.seen, told.id, json.loads(told.data))
                if self.pace:
                    await asyncio.sleep(self.pace)

    def cut(self) -> None:
        """Cut the connection, wherever it is; the watcher comes back."""
        if self._response is not None:
            self._response.cancel()

    async def aclose(self) -> None:
        """Stop watching."""
        self.over = True
        self.cut()
        self._job.cancel()
        await asyncio.gather(self._job, return_exceptions=True)


class StreamRun:
    """One run, with its servers, links, writers and watchers.

    Args:
        seed: Draws the schedule.
        directory: For the servers' files.
        only: The faults to draw from; all by default.
    """

    def __init__(self, seed: int, directory: Path, only: Sequence[str] = ()) -> None:
        self._faults = {name: FAULTS[name] for name in only or FAULTS}
        self.rng = random.Random(seed)
        self.report = Report(seed)
        self.oracle = Oracle()
        self._directory = directory
        self._writers: list[TaskWriter] = []
        self._watchers: list[Watcher] = []
        self._began = time.monotonic()
        self._foreign: list[str] = []

    async def run(self, faults: int, seconds: float) -> Report:
        """Break so many things, or for so long, then wait until all is quiet, and judge."""
        async with contextlib.AsyncExitStack() as stack:
            self._stack = stack
            self._store = await stack.enter_async_context(StoreProcess(self._directory / "primary"))
            self._link = await stack.enter_async_context(Proxy(self._store.socket))
            self._other = await stack.enter_async_context(Proxy(self._store.socket))
            settings = Settings(
                redis_url=f"redis://127.0.0.1:{self._link.port}",
                redis_timeout=1.0,
                heartbeat_seconds=1.0,
                history_maxlen=200,
                stall_seconds=20,
            )
            behind = settings.model_copy(
                update={"redis_url": f"redis://127.0.0.1:{self._other.port}"}
            )
            manager = await stack.enter_async_context(RedisManager(behind.redis_url, behind))
            node = Node([Silent()], settings, role="front")
            app = node_app(node, {"": Silent()})
            served = await stack.enter_async_context(serving(app, config=config))
            self._url = served.url
            for n in range(3):
                writer = TaskWriter(manager, self.oracle, f"t{n}", self.rng)
                await writer.begin()
                self._writers.append(writer)
            stack.push_async_callback(self._close_watchers)
            for n in range(6):
                self._join(f"w{n}", self.rng.choice(self._writers).task)
            deadline = time.monotonic() + seconds
            while sum(self.report.faults.values()) < faults and time.monotonic() < deadline:
                if self.oracle.full:
                    break
                await self._step()
            else:
                await self._settle()
        self.report.deliveries = self.oracle.deliveries
        self.report.violations = self.oracle.violations
        for watcher in self._watchers:
            self.report.resets.update(watcher.seen.resets)
        return self.report

    async def _step(self) -> None:
        for _ in range(self.rng.randint(1, 12)):
            await self._write()
        weights = [weight for weight, _ in self._faults.values()]
        name = self.rng.choices([*self._faults], weights=weights)[0]
        self.report.faults[name] += 1
        at = time.monotonic() - self._began
        self.report.timeline.append(f"{at:8.3f} {name}")
        await FAULTS[name][1](self)

    async def _write(self) -> None:
        size = self.rng.choice([0, 20, 200, 4000, 60_000])
        await self._write_to(self.rng.choice(self._writers), size)

    async def _write_to(self, writer: TaskWriter, size: int) -> None:
        try:
            await writer.write(size)
        except (A2AStreamingError, AssertionError):
            await self._begin_anew(writer)

    async def _begin_anew(self, writer: TaskWriter) -> None:
        """The task is gone, or damaged: remove what is left of it, and make it again."""
        async with self._store.client as client:
            await client.delete(*writer._manager.keys.task(writer.task))
        await writer.begin()

    def _join(self, name: str, task: str, position: str | None = None) -> None:
        seen = Seen(name, task, position=position)
        self._watchers.append(Watcher(self._url, seen, self.oracle, self.report))

    async def _close_watchers(self) -> None:
        for watcher in self._watchers:
            await watcher.aclose()

    async def _settle(self) -> None:
        """Heal everything; then everybody must be told all, soon."""
        self._link.carry()
        self._link.latency = 0.0
        began = time.monotonic()
        for writer in self._writers:
            await self._write_to(writer, 1)
        for writer in self._writers:
            self.oracle.log_ends(writer.task, await writer.end())
        for watcher in self._watchers:
            watcher.pace = 0.0
        while time.monotonic() - began < 20:
            if all(self.oracle.at_end(watcher.seen) for watcher in self._watchers):
                break
            await asyncio.sleep(0.02)
        self.report.recovery.append(time.monotonic() - began)
        for watcher in self._watchers:
            self.oracle.settle(watcher.seen)

    # What can go wrong. Each is named in the report.

    async def join_late(self) -> None:
        """A watcher joins, from the start."""
        if len(self._watchers) < 40:
            self._join(f"w{len(self._watchers)}", self.rng.choice(self._writers).task)

    async def join_with_a_wrong_position(self) -> None:
        """A watcher joins with a position that can't be continued, or can't be read."""
        if len(self._watchers) < 40:
            task = self.rng.choice(self._writers).task
            position = self.rng.choice(["1-1", "5-999999", "nonsense", "0-0", "7-3"])
            self._join(f"w{len(self._watchers)}", task, position)

    async def cut_watchers(self) -> None:
        """Some watchers' connections break."""
        for watcher in self.rng.sample(self._watchers, self.rng.randint(1, len(self._watchers))):
            watcher.cut()

    async def slow_watcher(self) -> None:
        """A watcher reads slowly for a while."""
        watcher = self.rng.choice(self._watchers)
        watcher.pace = self.rng.choice([0.0, 0.05, 0.3])

    async def kill_pubsub(self) -> None:
        """Redis drops the Pub/Sub connections."""
        async with self._store.client as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    async def kill_clients(self) -> None:
        """Redis drops all connections."""
        async with self._store.client as client:
            await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def cut_link(self) -> None:
        """The front's connections to Redis break."""
        self._link.cut()

    async def black_hole(self) -> None:
        """The front's link carries nothing for a while, and no connection ends."""
        self._link.swallow()
        for _ in range(3):
            await self._write()
        await asyncio.sleep(self.rng.uniform(0.1, 2.5))
        self._link.carry()

    async def slow_link(self) -> None:
        """The front's link becomes slow, or quick again."""
        self._link.latency = self.rng.choice([0.0, 0.0, 0.01, 0.05])

    async def restart_redis(self) -> None:
        """Redis is killed and comes back with all that it had acknowledged."""
        await self._store.restart()

    async def lose_tail(self) -> None:
        """A failover to a replica that lacks the last writes; the writer lives on, or doesn't."""
        replica = StoreProcess(self._directory / f"r{self.rng.getrandbits(40)}")
        await self._stack.enter_async_context(replica)
        await replica.follow(self._store)
        await replica.stand_alone()
        if self.rng.random() < 0.5:  # an epoch is among what gets lost
            await self.take_over()
        for _ in range(self.rng.randint(1, 6)):
            await self._write()
        await asyncio.sleep(0.02)  # so that somebody may have seen it
        self._store.kill()
        self._store = replica
        for link in (self._link, self._other):
            link.target = replica.socket
            link.cut()
        if self.rng.random() < 0.5:
            for writer in self._writers:
                with contextlib.suppress(A2AStreamingError, AssertionError):
                    await writer.take_over()

    async def take_over(self) -> None:
        """Another process takes a task over."""
        writer = self.rng.choice(self._writers)
        with contextlib.suppress(A2AStreamingError, AssertionError):
            await writer.take_over()

    async def trim(self) -> None:
        """The history is cut, up to its last few events."""
        async with self._store.client as client:
            key = f"task:{{{self.rng.choice(self._writers).task}}}:stream"
            await client.xtrim(key, maxlen=self.rng.randint(1, 20), approximate=False)

    async def lose_stream(self) -> None:
        """The history's key is evicted."""
        async with self._store.client as client:
            await client.delete(f"task:{{{self.rng.choice(self._writers).task}}}:stream")

    async def flush_all(self) -> None:
        """Redis is emptied."""
        async with self._store.client as client:
            await client.flushall()

    async def flush_scripts(self) -> None:
        """Redis forgets the scripts."""
        async with self._store.client as client:
            await client.script_flush()


FAULTS = {
    "join late": (6, StreamRun.join_late),
    "join with a wrong position": (3, StreamRun.join_with_a_wrong_position),
    "cut watchers": (8, StreamRun.cut_watchers),
    "slow watcher": (3, StreamRun.slow_watcher),
    "kill Pub/Sub": (5, StreamRun.kill_pubsub),
    "kill clients": (3, StreamRun.kill_clients),
    "cut link": (4, StreamRun.cut_link),
    "black hole": (2, StreamRun.black_hole),
    "slow link": (3, StreamRun.slow_link),
    "restart Redis": (2, StreamRun.restart_redis),
    "lose tail": (2, StreamRun.lose_tail),
    "take over": (4, StreamRun.take_over),
    "trim": (2, StreamRun.trim),
    "lose stream": (1, StreamRun.lose_stream),
    "flush all": (1, StreamRun.flush_all),
    "flush scripts": (2, StreamRun.flush_scripts),
}


async def stream_run(seed: int, *, faults: int, seconds: float, only: Sequence[str] = ()) -> Report:
    """Run one schedule."""
    with tempfile.TemporaryDirectory(prefix="a2a-chaos-") as directory:
        return await StreamRun(seed, Path(directory), only).run(faults, seconds)


def main() -> int:
    """Run schedules until the faults or the time are used up; print what they found."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--faults", type=int, default=100)
    options.add_argument("--minutes", type=float, default=1.0)
    options.add_argument("--only", action="append", default=[], choices=[*FAULTS])
    asked = options.parse_args()
    deadline = time.monotonic() + 60 * asked.minutes
    faults: Counter[str] = Counter()
    resets: Counter[str] = Counter()
    deliveries, seed, bad = 0, asked.seed, []
    while sum(faults.values()) < asked.faults and time.monotonic() < deadline:
        left = min(50, asked.faults - sum(faults.values()))
        report = asyncio.run(
            stream_run(
                seed, faults=left, seconds=max(5, deadline - time.monotonic()), only=asked.only
            )
        )
        faults += report.faults
        resets += report.resets
        deliveries += report.deliveries
        print(
            f"seed {seed}: {sum(report.faults.values())} faults, {report.deliveries} deliveries, "
            f"{sum(report.resets.values())} resets, quiet after {max(report.recovery, default=0):.2f} s, "
            f"{len(report.violations)} violations"
        )
        if report.violations:
            bad.append(report)
            print("\n".join([*report.timeline, *report.violations[:20]]))
        seed += 1
    print(f"\n{'fault':28} times")
    for name, times in faults.most_common():
        print(f"{name:28} {times}")
    print(
        f"\ndeliveries checked: {deliveries}\nresets: {dict(resets)}\nviolations: {sum(len(r.violations) for r in bad)}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
