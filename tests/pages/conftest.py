"""Fixtures: a real Chromium, and platforms whose pages it opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from conversations.platforms import PlatformProcess
from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from customer_service.records.databases import Filled

expect.set_options(timeout=20_000)

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]
"""How Chromium is started where there is no screen and no internet; windows behind others are as quick as the first."""

EXPECTED = ("Failed to load resource", "frame-ancestors")
"""What browsers say of things that the tests do on purpose."""

Company = AbstractAsyncContextManager[tuple[PlatformProcess, str]]
"""A platform that runs while it is entered, and its database's URL."""

Visit = Callable[..., Awaitable[Page]]
"""Opens an address in a window: `await visit(url)`, in the same browser profile as the ones before."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser of this test process's own."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("not on PATH: chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def profile(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile: nothing kept, nobody signed in. What a page logs as an error fails the test."""
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 800}, locale="en-GB", reduced_motion="reduce"
    )
    context.set_default_timeout(20_000)
    wrong: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Of a server that is killed, a key that isn't known, and a frame that may not be, the browser tells itself.
        if message.type == "error" and not any(one in message.text for one in EXPECTED):
            wrong.append(message.text)

    context.on("console", note)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield context
    await context.close()
    assert wrong == []


@pytest_asyncio.fixture(loop_scope="session")
async def visit(profile: BrowserContext) -> Visit:
    """Opens windows, and waits until the page in them is ready."""

    async def opened(url: str) -> Page:
        page = await profile.new_page()
        await page.goto(url)
        await page.wait_for_selector("html[data-ready]", state="attached")
        return page

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def profile_page(profile: BrowserContext) -> Page:
    """An empty window, for pages that aren't ready at once: somebody must sign in."""
    return await profile.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def chromium_pages(chromium: Browser, profile_page: Page) -> AsyncIterator[tuple[Page, Page]]:
    """Windows of two devices."""
    other = await chromium.new_context(locale="en-GB", reduced_motion="reduce")
    yield profile_page, await other.new_page()
    await other.close()


@pytest.fixture(scope="session")
def stage(filled: Filled, redis_url: str, request: pytest.FixtureRequest) -> Stage:
    """What platforms stand on."""
    return Stage(filled, redis_url, lambda: request.getfixturevalue("postgresql_url"))


@pytest.fixture
def company(stage: Stage, tmp_path: Path) -> Company:
    """Runs a platform of its own, with its database's URL: to be entered."""
    return stage.platform(CONVERSATIONS["balance"], "sqlite", "offline", tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def held() -> AsyncIterator[AsyncExitStack]:
    """Holds what is open until the test's end."""
    async with AsyncExitStack() as stack:
        yield stack
