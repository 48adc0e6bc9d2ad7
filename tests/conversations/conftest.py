"""Fixtures: what conversations are played on."""

from __future__ import annotations

from pathlib import Path

import pytest

from conversations.stage import Stage
from customer_service.records.databases import Filled


@pytest.fixture(scope="session")
def stage(filled: Filled, redis_socket: Path, request: pytest.FixtureRequest) -> Stage:
    """What conversations are played on."""
    url = f"unix://{redis_socket}"
    return Stage(filled, url, lambda: request.getfixturevalue("postgresql_url"))
