"""Fixtures: a specialist behind real HTTP, over real systems of record."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from a2a_streaming.client import Client
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.customer_service.records import Records
from a2a_streaming.settings import Settings
from customer_service.platforms import served


@pytest.fixture
async def platform(settings: Settings) -> AsyncIterator[Platform]:
    """The specialists, and what they work on."""
    platform = Platform(settings, "", only=("booking", "billing"))
    await platform.start()
    yield platform
    await platform.stop()


@pytest.fixture
def records(platform: Platform) -> Records:
    """The systems of record."""
    return platform.records


@pytest.fixture
async def url(platform: Platform, settings: Settings) -> AsyncIterator[str]:
    """The server's address."""
    async with served(platform.agents, settings) as url:
        yield url


@pytest.fixture
async def booking(url: str) -> AsyncIterator[Client]:
    """The Booking Agent."""
    async with Client(f"{url}/agents/booking") as client:
        yield client


@pytest.fixture
async def billing(url: str) -> AsyncIterator[Client]:
    """The Billing Agent."""
    async with Client(f"{url}/agents/billing") as client:
        yield client
