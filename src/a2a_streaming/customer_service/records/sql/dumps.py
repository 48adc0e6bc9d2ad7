"""Copies of a PostgreSQL database, by its own programs: made while it is in use, of one moment."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from a2a_streaming.customer_service.records.sql.examine import parse_url
from a2a_streaming.errors import SetupError

_DUMP, _RESTORE = "pg_dump", "pg_restore"


def is_postgresql(url: str | URL) -> bool:
    """Say whether a database is one of PostgreSQL's.

    Args:
        url: Its SQLAlchemy URL.

    Raises:
        InvalidSetting: The URL is none.
    """
    return parse_url(url).get_backend_name() == "postgresql"


def can_save() -> bool:
    """Say whether PostgreSQL's programs are there."""
    return shutil.which(_DUMP) is not None


def save(url: str | URL, target: Path) -> None:
    """Copy a database as it is at one moment; readers and writers go on meanwhile.

    Args:
        url: Its SQLAlchemy URL.
        target: The file to write.

    Raises:
        SetupError: It can't be copied.
    """
    with _address(parse_url(url)) as address:
        _run(_DUMP, "--format=custom", f"--file={target}", f"--dbname={address}")
    target.chmod(0o600)


def put_back(source: Path, url: str | URL) -> None:
    """Put a copy in a database's place: all of it, or nothing.

    Args:
        source: What `save` has written.
        url: The database's SQLAlchemy URL. What its tables hold is lost.

    Raises:
        SetupError: It can't be put back; the database is as it was.
    """
    with _address(parse_url(url)) as address:
        how = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction"]
        _run(_RESTORE, *how, f"--dbname={address}", str(source))


@contextmanager
def _address(url: URL) -> Generator[str]:
    """Yield a database's address as PostgreSQL's own programs take it; its password, if any, stands in a file of ours."""
    query = {"sslmode" if name == "ssl" else name: value for name, value in url.query.items()}
    with tempfile.TemporaryDirectory(prefix="a2a-pg-") as folder:
        if url.password is not None:
            said = url.password.replace("\\", "\\\\").replace(":", "\\:")
            file = Path(folder) / "password"
            file.touch(mode=0o600)
            file.write_text(f"*:*:*:*:{said}\n")
            query["passfile"] = str(file)
        plain = URL.create(
            "postgresql", url.username, None, url.host, url.port, url.database, query
        )
        yield plain.render_as_string(hide_password=False)


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise SetupError(
            f"{program} isn't on PATH. Install PostgreSQL's client programs, no older than its server."
        )
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - found by its name
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise SetupError(f"PostgreSQL can't be copied or put back: {reason.rstrip('.')}.")
