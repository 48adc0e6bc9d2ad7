"""The pictures of the README: the pages in the middle of a day's work. `make pictures` writes them to `docs/pictures`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SMALLEST = 20_000
"""Bytes of a picture that shows something."""


async def _take(page: Page, name: str, directory: Path) -> None:
    await page.bring_to_front()
    await page.set_viewport_size({"width": 1280, "height": 760})
    path = directory / f"{name}.png"
    await page.screenshot(path=path)
    assert path.stat().st_size > _SMALLEST


async def test_pictures_of_the_pages_are_taken(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    directory = Path(os.environ.get("A2A_PICTURES") or tmp_path)
    conversation = CONVERSATIONS["balance"]
    async with stage.platform(conversation, "sqlite", "offline", tmp_path) as (platform, _):
        chat = Chat(await visit(platform.url))
        await chat.say("Show me my invoices")
        await chat.until_turn_ends(1)
        await chat.say("Refund the baggage fee for MT4821")
        await chat.until_turn_ends(2)
        await expect(chat.page.locator("#history li")).to_have_count(1)
        await _take(chat.page, "chat", directory)
        await chat.fill_in({"confirm": True})
        await chat.until_turn_ends(3)
        await chat.say("Thanks! Can I talk to a person about my lost suitcase?")
        await chat.until_turn_ends(4)
        console = await visit(f"{platform.url}/console")
        await console.locator("#name").fill("Maria")
        await console.locator("#name").press("Tab")
        await console.locator("#waiting button.ticket").click()
        await console.get_by_role("button", name="Claim").click()
        await expect(console.get_by_role("button", name="Send to customer")).to_be_visible()
        await console.get_by_label("What you say").fill(
            "Hello Alex, I have found your suitcase in Lisbon."
        )
        await console.get_by_role("button", name="Send to customer").click()
        await expect(chat.page.locator(".bubble.human").last).to_contain_text("Lisbon")
        await chat.say("Wonderful! When will I have it?")
        await expect(console.locator("#desk .bubble.customer").last).to_contain_text("Wonderful")
        await expect(console.locator("#record .meter").first).to_be_visible()
        await _take(console, "console", directory)
        ops = await visit(f"{platform.url}/ops")
        await expect(ops.locator("tr[data-task]").first).to_be_visible()
        await expect(ops.locator("[data-tile='Events']")).to_be_visible()
        await ops.get_by_role("link", name="Billing", exact=True).first.click()
        await ops.locator("tr[data-task]", has_text="invoices").first.wait_for()
        await ops.goto(f"{platform.url}/ops")
        await expect(ops.locator("tr[data-task]").first).to_be_visible()
        await _take(ops, "operations", directory)
        rows = ops.locator("tr[data-task]", has_text="Intent")
        await rows.filter(has_text="Refund").locator("a").first.click()
        await expect(ops.locator(".waterfall .row.group")).to_have_count(2)
        await _take(ops, "task", directory)
