"""Fixtures: what conversations are played on."""

from __future__ import annotations

import pytest

from conversations.stage import Stage
from customer_service.records.databases import Filled


@pytest.fixture(scope="session")
def stage(filled: Filled, redis_url: str, request: pytest.FixtureRequest) -> Stage:
    """What conversations are played on."""
    return Stage(filled, redis_url, lambda: request.getfixturevalue("postgresql_url"))
