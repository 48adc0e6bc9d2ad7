"""The embedded store's guard: a small process between us and the Redis server.

`a2a_streaming.backbone.embedded` starts it as a script, `python -I -S guard.py ...`. It imports
nothing but the standard library, and little of that, so that it is up in a few hundredths of a
second. It has one thread, which matters: Linux sends a "parent has died" signal when the *thread*
that forked dies.

What it promises, by the files in the store's directory:

alive       A FIFO that the guard reads and each user of the store holds open for writing. The kernel
            closes it for whoever dies, also by SIGKILL, so end of file means that nobody is left;
            then the server gets SIGTERM, after 10 s SIGKILL, and the guard leaves with it.
gate        Locked for a moment by a process that joins or leaves, and by the guard while it decides
            to go: nobody joins a store that is about to end.
lock        Locked by the guard and, through the same inherited descriptor, by the server. It is free
            when the server is really gone, whoever was killed. It holds both process ids as text.
store.log   The server's output and the guard's.

A server that dies by itself comes back, unless it fails five times in quick succession. SIGTERM
ends the server and the guard. A guard that is killed takes its server along (on Linux).
"""

import fcntl
import os
import select
import signal
import sys
import time

EXIT_SECONDS = 10.0
"""How long a server may take to end after SIGTERM."""
SETTLED_SECONDS = 3.0
"""A server that a signal kills after this long had come up; it isn't counted as a failed start."""
FAILURES = 5
"""So many failed starts in a row, and the guard gives up."""
BACK_OFF_SECONDS = 0.05
"""Pause before the first restart; doubled for each failed start after it."""
PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def say(text: str) -> None:
    """Write one line to the log, in the shape of the server's own lines."""
    stamp = time.strftime("%d %b %Y %H:%M:%S")
    os.write(2, f"{os.getpid()}:G {stamp} * guard: {text}\n".encode(errors="surrogateescape"))


class Guard:
    """Runs one server for as long as somebody uses it.

    Args:
        lock: Descriptor of the file `lock`, locked; the server inherits it.
        alive: Descriptor of the FIFO `alive`, open for reading without blocking.
        server: The server's command line, its binary as an absolute path.
    """

    def __init__(self, lock: int, alive: int, server: list[str]) -> None:
        self.lock = lock
        self.alive = alive
        self.server = server
        self.gate = os.open("gate", os.O_RDWR | os.O_CREAT, 0o600)
        self.pid = 0
        self.told_to_end = False
        # The server must not hold the FIFO: its end would then no longer show that the guard is gone.
        os.set_inheritable(alive, False)
        os.set_inheritable(lock, True)
        self.woken, wake = os.pipe()
        for end in (self.woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self.end)
        # A handler, even an empty one, makes the signal reach the wakeup descriptor.
        signal.signal(signal.SIGCHLD, self.wake)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def end(self, *_: object) -> None:
        """Take SIGTERM."""
        self.told_to_end = True

    def wake(self, *_: object) -> None:
        """Take SIGCHLD."""

    def run(self) -> None:
        """Keep the server running until it's no longer wanted, or can't run."""
        failures = 0
        while not self.unwanted():
            began = time.monotonic()
            self.launch()
            while (status := self.exit_status()) is None:
                if self.unwanted():
                    self.leave()
                    return
                self.wait()
            settled = time.monotonic() - began >= SETTLED_SECONDS
            # Status 1 is a server that refuses: a wrong option, a broken file. It doesn't matter how
            # long it took to read that file. A negative status is the signal that killed it.
            failures = 1 if settled and status <= 0 else failures + 1
            if failures >= FAILURES:
                say(f"gave up: the server ended with status {status}, {failures} times in a row")
                return
            say(f"the server ended with status {status}; it starts again")
            retry_at = time.monotonic() + BACK_OFF_SECONDS * 2 ** (failures - 1)
            while (pause := retry_at - time.monotonic()) > 0 and not self.unwanted():
                self.wait(pause)

    def unwanted(self) -> bool:
        """Tell whether to end: on SIGTERM, or because nobody uses the store. It's final then."""
        if self.told_to_end:
            return True
        if self.has_users():
            return False
        try:
            fcntl.flock(self.gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)  # someone joins or leaves; the FIFO keeps `wait` from blocking
            return False
        try:
            if self.has_users():
                return False
            self.turn_away()
            self.told_to_end = True
            return True
        finally:
            fcntl.flock(self.gate, fcntl.LOCK_UN)

    def turn_away(self) -> None:
        """Let nobody join any more: whoever tries finds no reader, and waits for the lock."""
        if self.alive >= 0:
            os.close(self.alive)
            self.alive = -1

    def has_users(self) -> bool:
        """Tell whether a process holds the FIFO open for writing."""
        try:
            # Nobody writes to it; were there bytes, they'd come from a user.
            return os.read(self.alive, 4096) != b""
        except BlockingIOError:
            return True

    def wait(self, seconds: float | None = None) -> None:
        """Sleep until a signal comes, the last user leaves, or `seconds` have passed."""
        sources = [self.woken] if self.alive < 0 else [self.woken, self.alive]
        if self.woken in select.select(sources, [], [], seconds)[0]:
            os.read(self.woken, 4096)

    def launch(self) -> None:
        """Start the server as our child."""
        guard = os.getpid()
        # Until the child has its own handlers, a signal to it must wait rather than be taken by ours.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                die_with_parent()
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                # Always of the same length, so that one write replaces all; and before the server
                # answers, so that nobody who has reached it reads of another.
                text = f"guard {guard}, server {os.getpid()}".ljust(48) + "\n"
                os.pwrite(self.lock, text.encode(), 0)
                if os.getppid() == guard:  # else the guard died before it could be watched
                    os.execv(self.server[0], self.server)  # noqa: S606 - no shell is meant
            except OSError as error:
                say(f"can't run {self.server[0]}: {error.strerror}")
            finally:
                os._exit(127)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def exit_status(self) -> int | None:
        """Return how the server ended, negative for a signal; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def leave(self) -> None:
        """End the server: ask first, then kill."""
        self.turn_away()
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + EXIT_SECONDS
        while self.exit_status() is None:
            pause = deadline - time.monotonic()
            if pause <= 0:
                say(f"the server hasn't ended in {EXIT_SECONDS:g} s; it is killed")
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return
            self.wait(pause)


def die_with_parent() -> None:
    """Ask for SIGTERM when the parent dies, if the system is Linux and Python has ctypes.

    SIGTERM rather than SIGKILL, so that all that the server has accepted reaches the disk.
    """
    if sys.platform != "linux":
        return
    try:
        import ctypes  # noqa: PLC0415 - not every Python has it
    except ImportError:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def main(directory: str, lock: str, alive: str, *server: str) -> None:
    """Detach from the process that started us, and guard.

    Args:
        directory: The store's directory.
        lock: Number of the inherited descriptor of `lock`, which is locked.
        alive: Number of the inherited descriptor of `alive`, open for reading without blocking.
        server: The server's command line.
    """
    # The parent's child ends here: it's reaped at once, and leaves no zombie with a user of the store
    # that outlives the guard. What goes on belongs to init, in the session made for it by Popen.
    if os.fork():
        os._exit(0)
    os.chdir(directory)
    os.umask(0o077)
    Guard(int(lock), int(alive), list(server)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
