"""Programs that only a full machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_TOOLS = Path(__file__).parent.parent / ".cache" / "deploy-tools" / "bin"
"""Where `make deploy-tools` puts what looks after `deploy/`."""


def found(program: str) -> str | None:
    """Where a program is; None if it isn't on this machine."""
    # Debian keeps servers where only root's PATH leads.
    places = (str(_TOOLS), os.environ.get("PATH", os.defpath), "/usr/sbin")
    return shutil.which(program, path=os.pathsep.join(places))


def path_of(program: str) -> str:
    """Where a program is that a test `needs`; its name where it is missing, so that the test fails by it."""
    return found(program) or program


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test whose programs are missing; in CI they may not be, so there it runs and fails."""
    missing = [program for program in programs if found(program) is None]
    skip = bool(missing) and os.environ.get("CI") != "true"
    return pytest.mark.skipif(skip, reason=f"not on this machine: {', '.join(missing)}")
