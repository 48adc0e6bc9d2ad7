"""The servers on the scoreboard, and how each is started."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from a2a_streaming.backbone.server import find_server
from customer_service.records.databases import postgresql
from processes import environment, free_port

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
HOME = ROOT / ".cache" / "scoreboard"
REDIS_HOME = HOME / "a2a-redis"
REDIS_PYTHON = REDIS_HOME / "bin" / "python"


@dataclass(frozen=True)
class Peer:
    """A server under test.

    Args:
        name: Its column.
        commands: A process each; where `{port}` stands its port is put.
        options: More for the kit.
        settings: For the processes' environment.
    """

    name: str
    commands: tuple[str, ...]
    options: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


@contextmanager
def peers() -> Iterator[list[Peer]]:
    """All of them; what they stand on runs meanwhile."""
    me = sys.executable
    serve = f"{me} -m a2a_streaming serve scoreboard.our_agent:TickingAgent --port {{port}}"
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(_redis(data))
        # The password-less user of a database of our own, on a socket that is ours.
        sql = stack.enter_context(postgresql()).format("postgres")
        sql = sql.replace("postgresql://", "postgresql+asyncpg://")
        ours = {"A2A_LOG_LEVEL": "error", "A2A_LEASE_SECONDS": "5"}
        cluster = f"{me} -m scoreboard.sdk_cluster {{port}} '{sql}'"
        old = f"{REDIS_PYTHON} {TESTS}/scoreboard/redis_server.py {{port}} {url}"
        yield [
            Peer("ours", (serve,), settings={**ours, "A2A_DATA_DIR": str(data / "one")}),
            Peer(
                "ours, two processes",
                (serve, serve),
                settings={**ours, "A2A_DATA_DIR": str(data / "two"), "A2A_REDIS_URL": f"{url}/1"},
            ),
            Peer("a2a-sdk 1.3, in memory", (f"{me} {ROOT}/examples/ticking.py {{port}}",)),
            Peer("a2a-sdk 1.3, SQL cluster, two processes", (cluster, cluster)),
            Peer("a2a-redis 0.2.1, streams", (f"{old}/2 streams",), ("--a2a-version", "0.3")),
            Peer("a2a-redis 0.2.1, Pub/Sub", (f"{old}/3 pubsub",), ("--a2a-version", "0.3")),
        ]


def prepare() -> None:
    """Make the environment that a2a-redis needs."""
    wanted = (Path(__file__).parent / "redis_server.txt").read_text()
    HOME.mkdir(parents=True, exist_ok=True)
    done = REDIS_HOME / "done"
    if done.exists() and done.read_text() == wanted:
        return
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", str(REDIS_HOME)], check=True)
    sync = ["pip", "sync", "--quiet", "--python", str(REDIS_PYTHON), "--require-hashes"]
    subprocess.run([*uv, *sync, str(Path(__file__).parent / "redis_server.txt")], check=True)
    done.write_text(wanted)


@contextmanager
def _redis(data: Path) -> Iterator[str]:
    port = free_port()
    (data / "redis").mkdir()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data / "redis")]
    process = subprocess.Popen(
        [str(find_server()), *options, "--save", "", "--appendonly", "yes", "--loglevel", "warning"]
    )
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True)
class Place:
    """Where one of a peer's processes runs.

    Args:
        url: Its address.
        start: Starts it in a shell, and leaves its process's id in a file.
        kill: Kills it.
    """

    url: str
    start: str
    kill: str


@contextmanager
def started(peer: Peer) -> Iterator[list[Place]]:
    """Start a peer's processes; at the end they are killed."""
    with tempfile.TemporaryDirectory() as directory:
        places: list[Place] = []
        for number, command in enumerate(peer.commands):
            port, pid = free_port(), f"{directory}/{number}.pid"
            log = f"{directory}/{number}.log"
            run = f"cd {TESTS} && exec {command.format(port=port)} >>{log} 2>&1"
            start = f"({run}) & echo $! >{pid}"
            places.append(Place(f"http://127.0.0.1:{port}", start, f"kill -9 $(cat {pid})"))
        env = environment(**peer.settings, PYTHONPATH=str(TESTS))
        os.environ.update(env)
        try:
            for place in places:
                subprocess.run(place.start, shell=True, check=True, env=env)  # noqa: S602 - ours
                _until_up(place.url)  # before the next one, as both would make the same tables
            yield places
        finally:
            for place in places:
                subprocess.run(place.kill, shell=True, check=False)  # noqa: S602 - ours
            for log in sorted(Path(directory).glob("*.log")):
                print("\n".join(log.read_text().splitlines()[-3:]), file=sys.stderr)


def _until_up(url: str) -> None:
    """Wait until a server tells its card."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/.well-known/agent-card.json", timeout=5).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} didn't start")
