"""Archives: in files, and in a bucket of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a2a_streaming.settings import Settings
from archive.buckets import bucket, s3


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A server that speaks S3, of this test process's own."""
    with s3() as url:
        yield url


@pytest.fixture(params=["files", "bucket"])
def archiving(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Settings with an archive."""
    return settings.model_copy(update=archive_at(request, tmp_path))


def archive_at(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings of an archive."""
    if request.param == "files":
        return {"archive_url": f"file://{tmp_path / 'archive'}"}
    pytest.importorskip("obstore", reason="the extra `archive` isn't installed")
    told = bucket(request.getfixturevalue("s3_url"))
    return Settings(**told).model_dump(include=set(told))
