"""The pages are for everybody: no serious finding by axe-core, in both themes, on a phone, and by keyboard."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_PHONE: ViewportSize = {"width": 390, "height": 844}


async def _findings(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    await page.evaluate(_AXE)
    found: Any = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def _looked_at(page: Page) -> list[str]:
    """The findings on a desk in light, and on a phone in dark."""
    found = await _findings(page)
    before = page.viewport_size
    assert before is not None
    await page.set_viewport_size(_PHONE)
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found += await _findings(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= _PHONE["width"]
    await page.set_viewport_size(before)
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return found


async def test_every_page_is_accessible(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    conversation = CONVERSATIONS["balance"]
    async with stage.platform(conversation, "sqlite", "offline", tmp_path) as (platform, _):
        page = await visit(platform.url)
        assert await _looked_at(page) == []
        chat = Chat(page)
        await chat.say("Show me my invoices")
        await chat.until_turn_ends(1)
        await chat.say("Upgrade my subscription to premium")
        await chat.until_turn_ends(2)
        assert await _looked_at(page) == []  # tables, steps, a form
        await page.get_by_role("button", name="No", exact=True).click()
        await chat.until_turn_ends(3)
        await chat.say("I want to talk to a human")
        await chat.until_turn_ends(4)
        console = await visit(f"{platform.url}/console")
        await console.locator("button.ticket").click()
        await expect(console.locator("#desk .turn")).to_have_count(1)
        await expect(console.locator("#record section").first).to_be_visible()
        assert await _looked_at(console) == []
        ops = await visit(f"{platform.url}/ops")
        await expect(ops.locator("[data-tile='Streams']")).to_be_visible()
        await expect(ops.locator("tr[data-task]").first).to_be_visible()
        assert await _looked_at(ops) == []
        await ops.locator("tr[data-task] a").first.click()
        await expect(ops.locator(".waterfall .row").first).to_be_visible()
        assert await _looked_at(ops) == []


async def test_the_chat_is_used_by_keyboard_alone(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    conversation = CONVERSATIONS["balance"]
    async with stage.platform(conversation, "sqlite", "offline", tmp_path) as (platform, _):
        page = await visit(platform.url)
        chat = Chat(page)
        await page.keyboard.press("Tab")
        await page.locator("#text").focus()
        await page.keyboard.type("Upgrade my subscription to premium")
        await page.keyboard.press("Enter")
        await chat.until_turn_ends(1)
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Shift+Tab")
        focused = await page.evaluate("document.activeElement.textContent")
        assert focused == "Yes, go ahead"
        await page.keyboard.press("Enter")
        await chat.until_turn_ends(2)
        await expect(chat.stories.last).to_have_attribute("data-state", "completed")
