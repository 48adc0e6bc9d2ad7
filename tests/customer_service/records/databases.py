"""Databases for the tests of the systems of record: SQLite files, and a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from a2a_streaming.customer_service.records import SqlRecords

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
"""Where Debian keeps the server's programs, the newest first."""


def program(name: str) -> str | None:
    """One of PostgreSQL's programs; None without it."""
    path = os.pathsep.join([*map(str, BINARIES), os.environ.get("PATH", "")])
    return shutil.which(name, path=path)


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server on a socket in a folder of its own; gives a URL without a database's name."""
    initdb, server = program("initdb"), program("postgres")
    assert initdb is not None
    assert server is not None, "PostgreSQL's programs are missing"
    directory = Path(tempfile.mkdtemp(prefix="a2a-pg-"))
    user = _user(directory)
    try:
        data = directory / "data"
        subprocess.run(
            [initdb, "-D", str(data), "-U", "me", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            capture_output=True,
            user=user,
            cwd=directory,
        )
        options = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60", "shared_buffers=16MB", "listen_addresses=")  # fmt: skip
        process = subprocess.Popen(
            [server, "-D", str(data), "-k", str(directory), *(f"-c{o}" for o in options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            user=user,
            cwd=directory,
            text=True,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "ready to accept connections" in line:
                    break
            else:
                raise AssertionError("PostgreSQL ended at its start")
            yield f"postgresql://me@/{{}}?host={directory}"
        finally:
            process.send_signal(2)  # fast shutdown
            process.communicate(timeout=20)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _user(directory: Path) -> int | None:
    """Whom to run it as: PostgreSQL refuses root, so then as somebody to whom the folder is given."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        os.chown(directory, user, -1)
        return user
    raise AssertionError("there is no user whom PostgreSQL could be run as")


class Filled:
    """Databases with the demo company's books: filled once, and copied for each test.

    Args:
        directory: For the SQLite files that are copied.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._templates: set[str] = set()

    async def sqlite(self, path: Path, today: date) -> str:
        """Make a file; gives its URL."""
        template = self._directory / f"{today}.db"
        if not template.exists():
            await _fill(f"sqlite:///{template}", today)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"

    async def postgresql(self, server: str, name: str, today: date) -> str:
        """Make a database on a server; gives its URL."""
        template = f"filled-{today}"
        if template not in self._templates:
            self._templates.add(template)
            await _fill(await create(server, template), today)
        return await create(server, name, template=template)


async def _fill(url: str, today: date) -> None:
    records = SqlRecords(url, today=lambda: today)
    await records.open()
    await records.aclose()


async def create(server: str, name: str, *, template: str = "template0") -> str:
    """Make a new database on a server; gives its URL."""
    asyncpg = pytest.importorskip("asyncpg", reason="the extra `postgres` isn't installed")
    socket = server.partition("host=")[2]
    connection = await asyncpg.connect(user="me", database="postgres", host=socket)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    return server.format(name)
