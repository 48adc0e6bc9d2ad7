"""Servers from a process that has everything loaded already: a real process each, which starts in a tenth of the time.

A start of ours costs two seconds of a core, nearly all of it imports. So each test process has one child that has
made these imports and does nothing but fork. What is forked runs the command line as a process of its own, with
its own environment, directory, signals and output, and is a child of the test process, as with `subprocess.Popen`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

NAMESPACE = "A2A_TEST_NAMESPACE"
"""In the environment of a process: the network namespace that it is to live in, a path."""
_SUBREAPER = 36
"""prctl(2): orphans of this process' descendants become its own children."""
_NETWORK = 0x40000000
"""setns(2): a network namespace."""
_HERE = Path(__file__).parent


class Forked:
    """A forked process, with what tests need of `subprocess.Popen`.

    Args:
        pid: The process, a child of ours.
        stdout: What it says; None if it says it elsewhere.
    """

    def __init__(self, pid: int, stdout: IO[str] | None = None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its exit code."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


_lock = threading.Lock()
_ask: socket.socket | None = None


def fork(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: dict[str, str],
    output: int | None = None,
    errors: int | None = None,
) -> Forked:
    """Run our command line in a process that is forked.

    Args:
        arguments: The command's.
        cwd: Its working directory, where its modules are found, too.
        environment: Its environment.
        output: Where it says what it says, an open file; None for a pipe to us.
        errors: Where it says what is wrong; None for the same place.
    """
    asked = json.dumps([list(arguments), str(cwd), environment]).encode()
    if output is not None:
        return Forked(_forked(asked, output, output if errors is None else errors))
    read, write = os.pipe()
    pid = _forked(asked, write, write)
    os.close(write)
    return Forked(pid, os.fdopen(read, encoding="utf-8", errors="replace"))


def prepare() -> None:
    """Start the process that forks, which takes a while; else it starts when it is first needed."""
    with _lock:
        _parent()


def _forked(asked: bytes, *files: int) -> int:
    with _lock:
        ask = _parent()
        socket.send_fds(ask, [asked], files)
        return int(ask.recv(32))


def _parent() -> socket.socket:
    """Return the way to the process that forks; it is started when first needed."""
    global _ask
    if _ask is None:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        _ask, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, str(_HERE / "warm.py"), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(process.wait)
        atexit.register(_ask.close)  # called first: then it ends
    return _ask


def enter(namespace: str) -> int:
    """Enter a network namespace, this thread alone; returns what is wrong, an errno, or 0."""
    file = os.open(namespace, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return ctypes.get_errno() if libc.setns(file, _NETWORK) else 0
    finally:
        os.close(file)


def _serve(asked: socket.socket) -> list[str]:
    """Fork whenever that is asked for; returns in each forked process, with its arguments."""
    while True:
        told, files, _, _ = socket.recv_fds(asked, 1 << 20, 2)
        if not told:
            sys.exit()
        arguments, cwd, environment = json.loads(told)
        read, write = os.pipe()
        between = os.fork()
        if between:
            os.waitpid(between, 0)  # now the test process is its parent
            for file in (write, *files):
                os.close(file)
            asked.send(os.read(read, 32))
            os.close(read)
            continue
        if pid := os.fork():
            os.write(write, str(pid).encode())
            os._exit(0)
        for file in (read, write, asked.detach()):
            os.close(file)
        for file, stream in zip(files, (1, 2), strict=True):
            os.dup2(file, stream)
            os.close(file)
        os.chdir(cwd)
        if (namespace := environment.pop(NAMESPACE, "")) and (wrong := enter(namespace)):
            raise OSError(wrong, f"can't enter {namespace}")
        os.environ.clear()
        os.environ.update(environment)
        sys.path[0] = cwd  # as `python -m` has it
        random.seed()
        return arguments


def _load() -> None:
    """Make the imports of `serve` and `up`, which they put off until they need them."""
    for name in (
        "a2a_streaming.cli.serving",
        "a2a_streaming.customer_service.billing.invoice_pdf",
        "a2a_streaming.customer_service.platform",
        "sqlalchemy.dialects.sqlite.pysqlite",
        "uvicorn.lifespan.on",
        "uvicorn.loops.uvloop",
    ):
        importlib.import_module(name)
    for extra in ("anthropic", "sqlalchemy.dialects.postgresql.asyncpg"):
        with contextlib.suppress(ImportError):
            importlib.import_module(extra)


if __name__ == "__main__":
    for needed in ("a2a_streaming.cli.serving", "a2a_streaming.customer_service.platform"):
        importlib.import_module(needed)
    from a2a_streaming.cli import main

    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    gc.collect()
    gc.freeze()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[0] = "a2a-streaming"
    main()
