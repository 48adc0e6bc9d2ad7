"""Fixtures: platforms in processes of their own, forked from one that has loaded everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conversations.forks import Forks
from conversations.stage import Stage
from customer_service.records.databases import Filled


@pytest.fixture(scope="session")
def stage(filled: Filled, redis_socket: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """What conversations are played on."""
    with Forks() as forks:
        yield Stage(
            forks,
            filled,
            f"unix://{redis_socket}",
            lambda: request.getfixturevalue("postgresql_url"),
        )
