"""Fixtures: databases with the demo company's books, made once for each test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from a2a_streaming.customer_service.detection.training import train
from a2a_streaming.settings import Settings
from customer_service.records.databases import Filled, postgresql, program


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Copies databases that were filled before."""
    return Filled(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def kazoo_model(tmp_path: Path) -> Path:
    """An intent model that sends kazoos to people."""
    path = tmp_path / "intents.model"
    train([("kazoo", "human"), ("weather", "other")] * 20, bits=8).save(path)
    return path


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL of this test process's own; a URL without a database's name."""
    if program("postgres") is None and os.environ.get("CI") != "true":
        pytest.skip("not on PATH: postgres")
    with postgresql() as url:
        yield url


@pytest.fixture
async def settings(settings: Settings, filled: Filled) -> Settings:
    """Settings whose data directory has the demo company's books already."""
    await filled.sqlite(settings.data_dir / "records.db", date.today())
    return settings
