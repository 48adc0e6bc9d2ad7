"""What is released, built from this tree, and installed as users install it: `make release-check`.

Not part of the suite: it builds and installs, and that takes its time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
collect_ignore = [] if os.environ.get("A2A_RELEASE") else ["test_release.py"]


class Built(NamedTuple):
    """The two files of a release."""

    wheel: Path
    sdist: Path


def build(tree: Path, into: Path) -> Built:
    """Build both from a tree, as `make dist` does."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(into)], cwd=tree, check=True
    )
    [wheel], [sdist] = into.glob("*.whl"), into.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The release, built from this tree."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(folder, filter="data")
    [tree] = folder.iterdir()
    return tree


@pytest.fixture(scope="session")
def programs(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are of an environment with the wheel, what production has beside it, and nothing else."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    python, lock = place / "bin" / "python", ROOT / "deploy" / "requirements.lock"
    _uv("venv", "--python", sys.executable, str(place))
    _uv("pip", "sync", "--python", str(python), "--require-hashes", str(lock))
    _uv("pip", "install", "--python", str(python), "--no-deps", "--offline", str(built.wheel))
    return place / "bin"


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)
