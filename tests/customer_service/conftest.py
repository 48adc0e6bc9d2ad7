"""Fixtures: settings of processes that find the demo company's books."""

from __future__ import annotations

from datetime import date

import pytest

from a2a_streaming.settings import Settings
from customer_service.records.databases import Filled


@pytest.fixture
async def settings(settings: Settings, filled: Filled) -> Settings:
    """Settings whose data directory has the demo company's books already."""
    await filled.sqlite(settings.data_dir / "records.db", date.today())
    return settings
