"""A set-up of real processes, on which scenes are played, and what it uses meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.capacity.scene import Counted, Observed, Scene
from bench.capacity.scene_tasks import SceneTasks, alone, short
from bench.capacity.stores import Store, info
from bench.loading import Loaded, begin, finish, until_ready
from bench.machine import CORES, Process, until_quiet
from bench.requests import JSON, V1, send_streaming, subscribe
from bench.servers import Server, product
from bench.tasks import run_async

_AGENT = "bench.agents:TellingAgent"
_SETTLE = 1.5
_SLACK = 6.0
"""Seconds that watchers may need to get ready, beyond what is expected."""
_SETTINGS = {
    "A2A_MAX_RUNS": "4000",
    "A2A_LIMIT_PROCESS_STREAMS": "100000",
    "A2A_LIMIT_PROCESS_RATE": "1000000/second",
}


@dataclass(frozen=True)
class _Moment:
    """What has been used until a moment: by each resource, and by the whole machine."""

    at: float
    used: dict[str, float]
    machine: float


class Stage:
    """Redis, fronts and workers.

    Args:
        store: Redis.
        fronts: Processes that serve clients.
        workers: Processes that run agents.
    """

    def __init__(self, store: Store, fronts: Sequence[Server], workers: Sequence[Server]) -> None:
        self.store = store
        self.fronts = fronts
        self.workers = workers

    def play(self, scene: Scene) -> Observed:
        """Play a scene, and wait until all of it is over.

        Raises:
            RuntimeError: A stream had a gap, a double or another fault, or the machine was too slow.
        """
        until_quiet(self._processes(), 6)
        before = self.memory()
        begun = time.monotonic()
        lead = 2 + (scene.tasks + scene.watchers) / 250
        tasks = SceneTasks(self.store.url, scene)
        run_async(tasks.begin(lead, scene.seconds + _SETTLE + _SLACK))
        watching = self._watch(scene)
        late = time.monotonic() - begun - lead
        if late > _SLACK and scene.runs and scene.tasks:  # they would have told all they have to
            raise RuntimeError("the machine was too busy: watchers weren't ready in time")
        time.sleep(max(0.0, -late) + _SETTLE)
        held = self._grown(before)
        counted, used, foreign = self._measure(tasks)
        if watching is not None:
            used["to_clients"] += self._to_clients(scene, counted, finish(watching))
        run_async(tasks.forget())
        self._until_over(scene, begun + lead)
        amounts = counted.amounts(
            scene, len(self.fronts), len(self.workers), len(self.store.primaries)
        )
        return Observed(amounts, used, held, self._grown(before), counted, foreign)

    def _grown(self, before: dict[str, float]) -> dict[str, float]:
        return {name: value - before[name] for name, value in self.memory().items()}

    def memory(self) -> dict[str, float]:
        """Return the bytes of memory that each kind of process holds, without what depends on the moment."""
        redis = 0.0
        for server in self.store.primaries:
            told = info(server, "memory")
            passing = ("mem_clients_normal", "mem_total_replication_buffers", "mem_aof_buffer")
            redis += int(told["used_memory"]) - sum(int(told.get(name, 0)) for name in passing)
        return {
            "front_memory": _resident(self.fronts),
            "worker_memory": _resident(self.workers),
            "redis_memory": redis,
        }

    def _watch(self, scene: Scene) -> subprocess.Popen[str] | None:
        """Open the scene's streams, spread over the fronts."""
        if not scene.watchers:
            return None
        running = begin(
            [server.process for server in self.fronts],
            {
                "port": [server.port for server in self.fronts],
                "header": [JSON, V1],
                "body": subscribe(f"{scene.name}-{{t}}"),
                "tasks": scene.tasks,
                "conns": scene.watchers,
                "hold": scene.seconds + _SETTLE + _SLACK,
                "seconds": 170,
            },
        )
        until_ready(running)
        return running

    def _measure(self, tasks: SceneTasks) -> tuple[Counted, dict[str, float], float]:
        """Let the scene go on for its time, and count."""
        scene = tasks.scene
        name = f"{scene.name}-{time.monotonic_ns()}"
        events, _ = run_async(tasks.told())
        first = self._moment()
        asking = self._asks(scene, name)
        loaded = {name: finish(one) for name, one in asking.items()}
        time.sleep(max(0.3 if asking else 0.0, first.at + scene.seconds - time.monotonic()))
        last = self._moment()
        more, size = run_async(tasks.told())
        seconds = last.at - first.at
        used = {name: (last.used[name] - first.used[name]) / seconds for name in first.used}
        sent = sum(one.told["bytes"] for one in loaded.values())
        begun = loaded.get("begun")
        opened = loaded.get("opens")
        alone = loaded.get("firsts")
        counted = Counted(
            seconds=seconds,
            events=more - events,
            event_bytes=size,
            begun=begun.told["done"] if begun else 0,
            begun_events=begun.told["events"] if begun else 0,
            begun_bytes=run_async(tasks.weight(self.fronts[0])) if begun else 0,
            opens=opened.told["done"] if opened else 0,
            firsts=alone.told["done"] if alone else 0,
            opened_bytes=scene.text((events + more) / 2),
        )
        all_ = sum(used[name] for name in ("front", "worker", "redis", "replica"))
        foreign = max(0.0, (last.machine - first.machine) / seconds - all_) / len(CORES)
        return counted, {**used, "to_clients": sent / seconds}, foreign

    def _asks(self, scene: Scene, name: str) -> dict[str, subprocess.Popen[str]]:
        """Begin what is asked again and again."""
        text = short(scene)
        kinds = {
            "opens": (scene.opens, subscribe(f"{scene.name}-{{t}}"), [JSON, V1], "first"),
            "firsts": (scene.firsts, subscribe(alone(scene, 0)[:-1] + "{n}"), [JSON, V1], "first"),
            "begun": (scene.begun, send_streaming(f"{name}-{{n}}", text), [JSON, V1], "close"),
        }
        return {
            kind: begin(
                [server.process for server in self.fronts],
                {
                    "mode": "ask",
                    "port": [server.port for server in self.fronts],
                    "header": header,
                    "body": body,
                    "tasks": max(1, scene.tasks),
                    "conns": 400 if kind == "begun" else 20,
                    "total": int(rate * scene.seconds),
                    "rate": rate,
                    "until": until,
                    "seconds": 120,
                },
            )
            for kind, (rate, body, header, until) in kinds.items()
            if rate
        }

    def _to_clients(self, scene: Scene, counted: Counted, watched: Loaded) -> float:
        """Return the bytes a second that watchers were sent: for the deliveries in the time that is counted."""
        if not watched.told["heard"]:
            return watched.told["bytes"] / watched.wall
        delivered = counted.events * scene.watchers / scene.tasks
        return watched.told["bytes"] / watched.told["heard"] * delivered / counted.seconds

    def _until_over(self, scene: Scene, begun: float) -> None:
        """Wait until workers have told all: what comes next is to have the machine to itself."""
        if scene.runs and scene.tasks:
            end = begun + scene.seconds + _SETTLE + _SLACK + 2 * scene.pause
            time.sleep(max(0.0, end - time.monotonic()))
        until_quiet(self._processes(), 20)

    def _processes(self) -> list[Process]:
        return [server.process for server in (*self.fronts, *self.workers)]

    def _moment(self) -> _Moment:
        used = dict.fromkeys(("to_redis", "from_redis", "replication"), 0.0)
        for server in self.store.primaries:
            told = info(server, "stats")
            copied = float(told["total_net_repl_output_bytes"])
            used["to_redis"] += float(told["total_net_input_bytes"])
            used["from_redis"] += float(told["total_net_output_bytes"]) - copied
            used["replication"] += copied
        used |= {
            "front": _cpu(self.fronts),
            "worker": _cpu(self.workers),
            "redis": _cpu(self.store.primaries),
            "replica": _cpu(self.store.replicas),
        }
        return _Moment(time.monotonic(), used, _machine())


@contextmanager
def stage(store: Store, folder: Path, fronts: int, workers: int) -> Iterator[Stage]:
    """Start fronts and workers on a store.

    Args:
        store: Redis.
        folder: Where they may keep files.
        fronts: How many fronts.
        workers: How many workers.
    """
    with ExitStack() as stack:

        def started(role: str) -> Server:
            environment = {**_SETTINGS, "A2A_REDIS_URL": store.url}
            options = ("--role", role)
            return stack.enter_context(
                product(_AGENT, None, folder, *options, core=CORES, settings=environment)
            )

        serving = [started("front") for _ in range(fronts)]
        yield Stage(store, serving, [started("worker") for _ in range(workers)])


def _cpu(servers: Iterable[Server]) -> float:
    return sum(server.process.cpu() for server in servers)


def _resident(servers: Iterable[Server]) -> float:
    pages = sum(
        int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        for server in servers
        for pid in server.process.pids()
    )
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _machine() -> float:
    """Return the CPU seconds that all cores have worked."""
    _, user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split("\n")[0].split()
    return sum(map(float, (user, nice, system, *interrupts[:3]))) / os.sysconf("SC_CLK_TCK")
