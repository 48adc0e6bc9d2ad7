"""The chat in another site's page: by a snippet, where the platform allows that site, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from conftest import serving
from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from processes import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def _shop(script: str) -> AsyncIterator[str]:
    """A site of somebody's, with our snippet; gives its origin."""

    async def home(_: object) -> HTMLResponse:
        return HTMLResponse(
            f'<!doctype html><title>Shop</title><body><h1>Shop</h1><script src="{script}" defer></script></body>'
        )

    async with serving(Starlette(routes=[Route("/", home)])) as served:
        yield served.url


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "not allowed"])
async def test_the_snippet_shows_the_chat_on_sites_that_may(
    stage: Stage, profile_page: Page, tmp_path: Path, allowed: bool
) -> None:
    # The shop's port is known when it listens; the platform's, when it is made.
    port = free_port()
    async with _shop(f"http://127.0.0.1:{port}/chat/embed.js") as shop:
        more = {"A2A_EMBED_ORIGINS": shop if allowed else "https://elsewhere.example"}
        conversation = CONVERSATIONS["balance"]
        async with stage.platform(conversation, "sqlite", "offline", tmp_path, port=port, **more):
            page = profile_page
            await page.goto(shop)
            await page.get_by_role("button", name="Chat with us").click()
            frame = page.frame_locator("iframe[title='Chat with us']")
            if not allowed:
                await expect(frame.locator("#text")).to_have_count(0)
                return
            await frame.locator("#text").fill("What's my account balance?")
            await frame.locator("#send").click()
            await expect(frame.locator("task-story[data-state=completed]")).to_be_visible()
            await expect(frame.locator("#history")).to_be_hidden()
            await page.get_by_role("button", name="Chat with us").click()
            await expect(page.locator("iframe")).to_be_hidden()
