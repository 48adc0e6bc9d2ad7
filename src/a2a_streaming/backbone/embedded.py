"""The embedded store: a Redis server of our own, on a private Unix socket, its data kept.

Every process that uses a data directory shares one server, started by whoever comes first and ended
when the last has left, however it left. `a2a_streaming.backbone.guard` describes the files by which
they agree; this module is the users' side of it:

- to join, open `alive` for writing under `gate`. If nobody reads it there is no guard: take `lock`
  and start one, which inherits lock and reader; or, while `lock` is held, wait for the old server to
  end and try again;
- to leave, close `alive`. Who finds no other writer was the last, and waits for `lock` to be free.

All descriptors are closed on exec. A process forked without exec counts as a user for as long as it
lives: start workers by spawning them.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from a2a_streaming.backbone.server import (
    SERVER_OPTIONS,
    check_private,
    find_server,
    place_socket,
)
from a2a_streaming.errors import DataDirInUse, StoreUnavailable

T = TypeVar("T")

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 12.0
"""How long the last user waits for the server's end; the guard kills it after 10 s."""
GATE_SECONDS = 10.0
"""How long to wait for the gate; the longest that it's held is the start of a guard."""
POLL_SECONDS = 0.01
LOG_BYTES = 4 * 1024 * 1024
"""A longer log is moved aside, to `store.log.1`, before a guard starts."""


class EmbeddedStore:
    """A Redis server that lives as long as somebody uses its data directory.

    A process that ends without `stop`, by SIGKILL even, has left too: that is the kernel's work.

    Args:
        data_dir: Where data is kept; the store uses its subdirectory `redis`.
        server: The server's binary, a path or a name on PATH. If None, one is looked for.
        exclusive: Whether to be the data directory's only exclusive user. Others may still share it.
        start_timeout: Seconds until the server must answer, the time to read its data included.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        server: Path | str | None = None,
        exclusive: bool = False,
        start_timeout: float = 30.0,
    ) -> None:
        self._data_dir = data_dir
        self._server = server
        self._exclusive = exclusive
        self._start_timeout = start_timeout
        self._directory = data_dir / "redis"
        self._socket: Path | None = None
        self._alive: int | None = None  # the FIFO's writing end, while we use the store
        self._owner: int | None = None  # the lock of an exclusive user
        self._changing = asyncio.Lock()

    @property
    def socket_path(self) -> Path:
        """The server's Unix socket, absolute. Raises StoreUnavailable unless started."""
        if self._socket is None:
            raise StoreUnavailable(
                f"The embedded store in {self._data_dir} isn't running. Start it first."
            )
        return self._socket

    @property
    def url(self) -> str:
        """The socket as `redis.asyncio.Redis.from_url` takes it. Raises like `socket_path`."""
        return f"unix://{quote(str(self.socket_path))}"

    async def start(self) -> None:
        """Join the data directory's store, starting it if need be; return when it answers.

        Called again, it makes sure that the store still runs.

        Raises:
            DataDirInUse: This user is exclusive, and there is another exclusive one.
            StoreUnavailable: There is no server, it doesn't run, or it didn't answer in time.
        """
        async with self._changing:
            try:
                await self._start(time.monotonic() + self._start_timeout)
            except BaseException as error:
                await _to_its_end(self._let_go)
                if not isinstance(error, OSError):
                    raise
                raise StoreUnavailable(
                    f"The embedded store can't use {self._directory}: {error}. "
                    "Choose another data directory, or set A2A_REDIS_URL."
                ) from error

    async def stop(self) -> None:
        """Leave the store; if we were its last user, return when the server has ended.

        Waits 12 s at most. Called again, or before `start`, it does nothing.
        """
        async with self._changing:
            try:
                if self._alive is not None:
                    await _to_its_end(self._leave)
                    deadline = time.monotonic() + STOP_SECONDS
                    while time.monotonic() < deadline:
                        if await _to_its_end(self._has_ended):
                            break
                        await asyncio.sleep(POLL_SECONDS)
            finally:
                await _to_its_end(self._let_go)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self, deadline: float) -> None:
        """Do what `start` does; when it fails, what it holds remains held."""
        await _to_its_end(self._prepare)
        while not await _to_its_end(self._join):
            if time.monotonic() > deadline:
                raise StoreUnavailable(await _to_its_end(self._who_has_the_lock))
            await asyncio.sleep(POLL_SECONDS)
        while (answer := await _ping(self.socket_path)) != "+PONG":
            # Until it has read its data, the server answers -LOADING.
            if not await _to_its_end(self._is_guarded):
                raise StoreUnavailable(await _to_its_end(self._why_it_failed))
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"The embedded store isn't ready after {self._start_timeout:g} s ({answer}); "
                    f"{self._directory / 'store.log'} may say why."
                )
            await asyncio.sleep(POLL_SECONDS)

    def _prepare(self) -> None:
        """Make the directory and the FIFO; become the owner if we're exclusive."""
        self._directory = self._directory.absolute()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(self._directory.stat().st_mode) & 0o077:
            self._directory.chmod(0o700)
        alive = self._directory / "alive"
        with suppress(FileExistsError):
            os.mkfifo(alive, 0o600)
        if not alive.is_fifo():
            raise StoreUnavailable(
                f"{alive} must be a FIFO. Remove it, or choose another data dir."
            )
        if self._exclusive and self._owner is None:
            owner = self._open("owner", os.O_RDWR | os.O_CREAT)
            if not _try_lock(owner):
                os.close(owner)
                raise DataDirInUse(self._data_dir)
            self._owner = owner

    def _join(self) -> bool:
        """Become a user of the store, starting it if it's down. False while an old server ends."""
        with self._gate():
            try:
                alive = self._open("alive", os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:  # ENXIO: the FIFO has no reader
                    raise
                lock = self._open("lock", os.O_RDWR | os.O_CREAT)
                try:
                    if not _try_lock(lock):
                        return False
                    alive = self._start_guard(lock)
                finally:
                    os.close(lock)  # without unlocking: the guard has it too, if there is one
            self._leave()
            self._alive = alive
            place = self._directory / "redis.sock"
            self._socket = place.readlink() if place.is_symlink() else place
            if self._socket != place:
                check_private(self._socket.parent)
            return True

    def _start_guard(self, lock: int) -> int:
        """Start guard and server, and return the FIFO's writing end. Needs gate and lock."""
        command = [str(find_server(self._server)), *SERVER_OPTIONS, "--dir", str(self._directory)]
        command += ["--unixsocket", str(place_socket(self._directory))]
        log_file = self._directory / "store.log"
        if log_file.exists() and log_file.stat().st_size > LOG_BYTES:
            log_file.replace(self._directory / "store.log.1")
        log = self._open("store.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        # Both ends are open before the guard is born, so it never takes a late writer for a lost one.
        reader = self._open("alive", os.O_RDONLY | os.O_NONBLOCK)
        alive = self._open("alive", os.O_WRONLY | os.O_NONBLOCK)
        try:
            # It returns when the guard has detached itself. The command line is ours.
            subprocess.run(  # noqa: S603
                [
                    sys.executable,
                    "-I",
                    "-S",
                    GUARD,
                    self._directory,
                    str(lock),
                    str(reader),
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock, reader),
                start_new_session=True,
                timeout=GATE_SECONDS,
                check=True,
            )
        except BaseException as error:
            os.close(alive)
            if not isinstance(error, subprocess.SubprocessError):
                raise
            raise StoreUnavailable(
                f"The embedded store's guard doesn't start; {log_file} may say why."
            ) from error
        finally:
            os.close(reader)
            os.close(log)
        return alive

    def _is_guarded(self) -> bool:
        """Tell whether there is a guard, which reads the FIFO."""
        try:
            os.close(self._open("alive", os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False
        return True

    def _leave(self) -> None:
        """Stop being a user of the store."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def _let_go(self) -> None:
        """Give up all that we hold."""
        self._leave()
        self._socket = None
        if self._owner is not None:
            fcntl.flock(self._owner, fcntl.LOCK_UN)  # closing isn't enough if a fork has a copy
            os.close(self._owner)
            self._owner = None

    def _has_ended(self) -> bool:
        """Tell whether the server, which we've left, is gone, or stays because others use it."""
        with suppress(OSError), self._gate():
            reader = self._open("alive", os.O_RDONLY | os.O_NONBLOCK)
            try:
                if os.read(reader, 1):  # BlockingIOError says that there are writers, and goes out
                    return True
            finally:
                os.close(reader)
            lock = self._open("lock", os.O_RDWR)
            try:
                if not _try_lock(lock):
                    return False
                if self._socket is not None and self._socket.parent != self._directory:
                    self._socket.parent.rmdir()
            finally:
                os.close(lock)
        return True

    def _who_has_the_lock(self) -> str:
        """Return a sentence about the server that doesn't end."""
        lock = self._directory / "lock"
        return (
            f"A server that doesn't end, or has lost its guard, still holds {lock} "
            f"({lock.read_text().strip()}). Kill it and start again."
        )

    def _why_it_failed(self) -> str:
        """Return a sentence about a server that its guard has given up, with the log's end."""
        log = self._directory / "store.log"
        with log.open("rb") as text:
            text.seek(max(0, log.stat().st_size - 1600))
            if text.tell():
                text.readline()  # the rest of a line
            lines = text.read().decode(errors="replace").splitlines()[-5:]
        return "\n".join([f"The embedded store's server doesn't run. The end of {log}:", *lines])

    def _open(self, name: str, flags: int) -> int:
        return os.open(self._directory / name, flags, 0o600)

    @contextmanager
    def _gate(self) -> Generator[None]:
        """Let nobody else join or leave, neither user nor guard. TimeoutError if that can't be."""
        gate = self._open("gate", os.O_RDWR | os.O_CREAT)
        try:
            deadline = time.monotonic() + GATE_SECONDS
            while not _try_lock(gate):
                if time.monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "Another process holds the file gate")
                time.sleep(0.002)
            try:
                yield
            finally:
                fcntl.flock(gate, fcntl.LOCK_UN)
        finally:
            os.close(gate)


async def _to_its_end(step: Callable[[], T]) -> T:
    """Run a blocking step in a thread. Cancellation waits for it, so that it leaves a known state."""
    running = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # the cancellation outweighs it
        raise


async def _ping(socket: Path) -> str:
    """Return the server's answer to PING, or why there is none."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
                await writer.wait_closed()
    except OSError as error:
        return str(error) or "no answer"


def _try_lock(descriptor: int) -> bool:
    """Lock a file if that's possible at once."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
