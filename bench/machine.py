"""The machine: its cores, its processes' CPU and memory, and what else works on it."""

from __future__ import annotations

import ctypes
import os
import platform
import random
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
_C = Path(__file__).parent / "c"
_PROGRAMS = {
    "load": ("load.c", "modes.c", "watcher.c", "sse.c", "publish.c", "common.c"),
    "write": ("write.c", "publish.c", "common.c"),
    "limit": ("limit.c", "common.c"),
}
_PR_SET_PDEATHSIG = 1

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE = CORES[0]
"""Where the server under test runs, alone."""
LOAD_CORE = CORES[-1]
"""Where all else runs: load, publishers, and Redis unless it is what is measured."""


def build() -> bool:
    """Build the C programs; whether there is a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return False
    CACHE.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in _C.iterdir())
    for name, sources in _PROGRAMS.items():
        program = CACHE / name
        if not program.exists() or program.stat().st_mtime < newest:
            files = [str(_C / source) for source in sources]
            subprocess.run(
                [compiler, "-O2", "-std=gnu11", "-Wall", "-o", str(program), *files], check=True
            )
    return True


def about() -> dict[str, str]:
    """Say what machine this is, for the results."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model or platform.machine(),
        "cores": str(len(CORES)),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "when": time.strftime("%Y-%m-%d"),
    }


def open_files() -> int:
    """Raise the limit of open files as far as it goes, for this process and all it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    """Return a port that nobody listens on, and neither on the one behind it; none of those that clients are given."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                for one, number in ((first, port), (second, port + 1)):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(("127.0.0.1", number))
            except OSError:
                continue
            return port
    raise RuntimeError("no two free ports")


class Process:
    """A process that was started here, and its children.

    Args:
        started: The process.
        log: Where its output goes.
    """

    def __init__(self, started: subprocess.Popen[bytes], log: Path) -> None:
        self.started = started
        self.pid = started.pid
        self.log = log

    def cpu(self) -> float:
        """Return the CPU seconds that it and its children have used."""
        return sum(cpu_of(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        """Return its own id and its children's."""
        found = [self.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in children.read_text().split()]
                except OSError:
                    continue
        return found

    def check(self) -> None:
        """Check that it still runs.

        Raises:
            RuntimeError: It has ended; the text has the end of what it said.
        """
        if self.started.poll() is not None:
            said = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise RuntimeError(f"{self.started.args!r} ended: {said}")


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process's threads have used."""
    spent = 0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            spent += int(schedstat.read_text().split()[0])
        except OSError:
            continue
    return spent / 1e9


@contextmanager
def process(
    command: Sequence[str],
    *,
    core: int | Iterable[int],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Iterator[Process]:
    """Run a process on its cores; at the end it is ended, with all that it has started.

    Args:
        command: The command.
        core: Its core, or cores.
        log: Where its output goes.
        env: What is set beside this process's environment.
        cwd: Where it runs.
    """
    cores = {core} if isinstance(core, int) else set(core)
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        os.sched_setaffinity(0, cores)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # should this process die first

    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**environment(), **(env or {})},
            preexec_fn=prepare,  # noqa: PLW1509 - this program has one thread
            start_new_session=True,
        )
    running = Process(started, log)
    try:
        yield running
    finally:
        _end(running)


def environment() -> dict[str, str]:
    """Return this process's environment, without settings of the user's own."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("A2A_", "ANTHROPIC_"))}


def _end(running: Process) -> None:
    children = running.pids()
    if running.started.poll() is None:
        running.started.terminate()
        try:
            running.started.wait(4)
        except subprocess.TimeoutExpired:
            running.started.kill()
            running.started.wait()
    for pid in children[1:]:  # what it left behind
        try:
            if os.getsid(pid) == running.pid:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def until_listening(port: int, running: Process, seconds: float = 30) -> None:
    """Wait until somebody listens on a port.

    Args:
        port: The port.
        running: Who is to listen there.
        seconds: How long to wait.

    Raises:
        RuntimeError: The process has ended, or takes too long.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        running.check()
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError(f"nobody listens on port {port}")


def until_quiet(processes: Sequence[Process], seconds: float = 4) -> None:
    """Wait until processes have nothing left to do, for a moment at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = sum(one.cpu() for one in processes)
        time.sleep(0.1)
        if sum(one.cpu() for one in processes) - before < 0.004:
            return
