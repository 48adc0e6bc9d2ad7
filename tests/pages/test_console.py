"""The console: a person takes over while the customer watches, and both see one story."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Visit
from pages.reading import log_of, shown, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def company(stage: Stage, tmp_path: Path):
    """Runs a platform."""
    return stage.platform(CONVERSATIONS["balance"], "sqlite", "offline", tmp_path)


async def _console(visit: Visit, url: str, name: str) -> Page:
    page = await visit(f"{url}/console")
    await page.locator("#name").fill(name)
    await page.locator("#name").press("Tab")
    return page


async def test_a_person_takes_over_while_the_customer_watches(
    company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    maria = await _console(visit, platform.url, "Maria")
    await expect(maria.locator("#waiting button.ticket")).to_have_count(0)
    await chat.say("I want to talk to a human about my suitcase")
    await chat.until_turn_ends(1)
    await expect(chat.page.locator("#human")).to_have_text("A colleague will be with you soon")
    ticket = maria.locator("#waiting button.ticket")
    await expect(ticket).to_contain_text("Alex Hartmann")
    await ticket.click()
    await expect(maria.locator("#record [data-customer='Alex Hartmann']")).to_contain_text("alex@")
    await expect(maria.locator("#record")).to_contain_text("MT4821")
    await expect(maria.locator("#record .meter")).to_contain_text("Speak to human")
    await maria.get_by_role("button", name="Claim").click()
    await expect(chat.page.locator("#human")).to_have_text("Maria is with you")
    await maria.get_by_label("What you say").fill("I have found your suitcase.")
    await maria.get_by_role("button", name="Send to customer").click()
    said = chat.page.locator(".bubble.human").last
    await expect(said).to_contain_text("I have found your suitcase.")
    await expect(said.locator(".author")).to_have_text("Maria")
    await chat.say("Wonderful, where is it?")
    await expect(maria.locator("#desk .bubble.customer").last).to_contain_text("where is it?")
    await maria.get_by_role("button", name="Private note").click()
    await maria.get_by_label("What you say").fill("Was left at the gate.")
    await maria.get_by_role("button", name="Add note").click()
    await expect(maria.locator(".note-card")).to_contain_text("Was left at the gate.")
    await maria.get_by_role("button", name="Resolve…").click()
    await maria.get_by_label("Last word to the customer").fill("It is on its way to you.")
    await maria.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    await expect(chat.stories.last).to_have_attribute("data-state", "completed")
    await expect(maria.locator("#mine button.ticket")).to_have_count(0)
    [task] = await chat.tasks()
    expected = told(await log_of(platform.url, task))
    assert await shown(chat.page) == expected
    assert await shown(maria) == expected
    assert "gate" not in await chat.page.locator("body").inner_text()


async def test_tickets_are_assigned_taken_over_and_handed_back(
    company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("I want to talk to a human")
    await chat.until_turn_ends(1)
    maria = await _console(visit, platform.url, "Maria")
    await maria.locator("#waiting button.ticket").click()
    await maria.get_by_role("button", name="Assign…").click()
    await maria.get_by_role("dialog").get_by_label("Name").fill("Ben")
    await maria.get_by_role("dialog").get_by_role("button", name="Assign").click()
    await expect(maria.locator("#others button.ticket")).to_contain_text("Ben")
    await expect(chat.page.locator("#human")).to_have_text("Ben is with you")
    await maria.get_by_role("button", name="Take over").click()
    await expect(maria.locator("#mine button.ticket")).to_have_count(1)
    await expect(chat.page.locator("#human")).to_have_text("Maria is with you")
    await maria.get_by_label("Canned replies").select_option(index=1)
    assert await maria.get_by_label("What you say").input_value()
    await maria.get_by_role("button", name="Hand back to agent").click()
    await expect(maria.locator("#mine button.ticket")).to_have_count(0)
    await expect(chat.page.locator("#human")).to_be_hidden()
    await chat.say("What's my account balance?")
    await expect(chat.page.locator("task-artifact")).to_contain_text("Your account balance")


async def test_of_two_people_who_claim_a_ticket_one_is_told_that_it_is_taken(
    company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("I want to talk to a human")
    await chat.until_turn_ends(1)
    maria = await _console(visit, platform.url, "Maria")
    ben = await _console(visit, platform.url, "Ben")
    for person in (maria, ben):
        await person.locator("#waiting button.ticket").click()
        await expect(person.get_by_role("button", name="Claim")).to_be_visible()
    await maria.get_by_role("button", name="Claim").click()
    await expect(ben.locator("#others button.ticket")).to_contain_text("Maria")
    await expect(ben.get_by_role("button", name="Claim")).to_be_hidden()
    await expect(ben.get_by_role("button", name="Send to customer")).to_be_hidden()
