"""Fixtures: settings of processes that find the demo company's books, and a model of intents."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from a2a_streaming.customer_service.detection.training import train
from a2a_streaming.settings import Settings
from customer_service.records.databases import Filled


@pytest.fixture
def kazoo_model(tmp_path: Path) -> Path:
    """An intent model that sends kazoos to people."""
    path = tmp_path / "intents.model"
    train([("kazoo", "human"), ("weather", "other")] * 20, bits=8).save(path)
    return path


@pytest.fixture
async def settings(settings: Settings, filled: Filled) -> Settings:
    """Settings whose data directory has the demo company's books already."""
    await filled.sqlite(settings.data_dir / "records.db", date.today())
    return settings
