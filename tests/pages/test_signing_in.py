"""Where people sign in: a key opens the pages that its role is for, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from conversations.platforms import PlatformProcess
from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Visit
from processes import ran

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def _with_keys(
    stage: Stage, directory: Path, *roles: str
) -> AsyncIterator[tuple[PlatformProcess, list[str]]]:
    """A platform where people sign in, and a key of each role."""
    conversation = CONVERSATIONS["balance"]
    async with stage.platform(
        conversation, "sqlite", "offline", directory, A2A_AUTH_KEYS="true"
    ) as (platform, _):
        keys = [await asyncio.to_thread(_key, platform, role) for role in roles]
        yield platform, keys


def _key(platform: PlatformProcess, role: str) -> str:
    subject = {"customer": "demo", "agent": "Jörg Maier"}.get(role, role)
    made = ran("keys", "create", subject, "--role", role, **platform.settings)
    assert made.returncode == 0, made.stderr
    return next(word for word in made.stdout.split() if word.startswith("a2a"))


async def _sign_in(page: Page, key: str) -> None:
    await page.get_by_label("Key or token").fill(key)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_customer_signs_in_and_the_key_is_gone_with_the_tab(
    stage: Stage, profile_page: Page, visit: Visit, tmp_path: Path
) -> None:
    async with _with_keys(stage, tmp_path, "customer") as (platform, [key]):
        page = profile_page
        await page.goto(platform.url)
        await _sign_in(page, "a2a-nonsense")
        await expect(page.get_by_role("alert").first).to_have_text(
            "This key isn't known, or has run out."
        )
        await _sign_in(page, key)
        chat = Chat(page)
        await chat.say("What's my account balance?")
        await chat.until_turn_ends(1)
        await page.reload()
        await chat.until_turn_ends(1)  # it is kept in this tab
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.get_by_label("Key or token")).to_be_visible()


@pytest.mark.parametrize(("path", "role"), [("/console", "agent"), ("/ops", "operator")])
async def test_a_page_for_people_of_the_company_refuses_a_customers_key(
    stage: Stage, profile_page: Page, tmp_path: Path, path: str, role: str
) -> None:
    async with _with_keys(stage, tmp_path, "customer", role) as (platform, [customers, theirs]):
        page = profile_page
        await page.goto(f"{platform.url}{path}")
        await _sign_in(page, customers)
        await expect(page.get_by_role("heading", name="Sign in as")).to_be_visible()
        await _sign_in(page, theirs)
        await expect(page.locator("connection-badge")).to_have_text("Live")


async def test_a_person_has_what_they_claim_and_reads_what_the_customer_asked_before(
    stage: Stage, chromium_pages: tuple[Page, Page], tmp_path: Path
) -> None:
    async with _with_keys(stage, tmp_path, "customer", "agent") as (
        platform,
        [customers_key, theirs],
    ):
        customers, console = chromium_pages
        await customers.goto(platform.url)
        await _sign_in(customers, customers_key)
        chat = Chat(customers)
        await chat.say("What's my account balance?")
        await chat.until_turn_ends(1)
        await chat.say("I want to talk to a human")
        await chat.until_turn_ends(2)
        await console.goto(f"{platform.url}/console")
        await _sign_in(console, theirs)
        await console.locator("#waiting button.ticket").click()
        await console.get_by_role("button", name="Claim").click()
        await expect(console.locator("#mine button.ticket")).to_have_count(1)
        await expect(console.locator("#desk .chip.human")).to_have_text("Yours")
        await expect(customers.locator("#human")).to_have_text("Jörg Maier is with you")
        await console.locator("#record button.row").first.click()
        earlier = console.get_by_role("dialog", name="Earlier request")
        await expect(earlier.locator(".bubble.customer")).to_contain_text("account balance")
        await expect(earlier.locator("task-artifact")).to_contain_text("Your account balance")


async def test_a_link_opens_one_request_on_another_device(
    stage: Stage, chromium_pages: tuple[Page, Page], tmp_path: Path
) -> None:
    async with _with_keys(stage, tmp_path, "customer") as (platform, [key]):
        one, other = chromium_pages
        await one.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await one.goto(platform.url)
        await _sign_in(one, key)
        chat = Chat(one)
        await chat.say("Upgrade my subscription to premium")
        await chat.until_turn_ends(1)
        await one.get_by_role("button", name="Other device").click()
        await expect(one.locator("#told")).to_contain_text("copied")
        link = await one.evaluate("navigator.clipboard.readText()")
        await other.goto(link)
        there = Chat(other)
        await there.until_turn_ends(1)
        await there.fill_in({"confirm": False})
        await chat.until_turn_ends(2)  # and the first device sees it
        await there.until_turn_ends(2)


async def test_somebody_elses_key_in_an_address_signs_nobody_in(
    stage: Stage, profile_page: Page, tmp_path: Path
) -> None:
    async with _with_keys(stage, tmp_path, "customer") as (platform, [key]):
        await profile_page.goto(f"{platform.url}/#token={key}")
        await expect(profile_page.get_by_label("Key or token")).to_be_visible()
        assert key not in profile_page.url


async def test_a_page_whose_key_is_revoked_asks_to_sign_in_again(
    stage: Stage, profile_page: Page, tmp_path: Path
) -> None:
    async with _with_keys(stage, tmp_path, "customer") as (platform, [key]):
        await profile_page.goto(platform.url)
        await _sign_in(profile_page, key)
        await expect(profile_page.locator("connection-badge")).to_have_text("Live")
        name = key.split("_")[1]
        made = await asyncio.to_thread(ran, "keys", "revoke", name, **platform.settings)
        assert made.returncode == 0, made.stderr
        await expect(profile_page.get_by_label("Key or token")).to_be_visible()
