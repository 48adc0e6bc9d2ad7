"""The console: a person takes over while the customer watches, and both see one story."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis.asyncio
from playwright.async_api import Page, Route, expect

from a2a_streaming.client import Client
from a2a_streaming.customer_service.records import SqlRecords
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Company, Visit
from pages.reading import log_of, shown, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _console(visit: Visit, url: str, name: str) -> Page:
    page = await visit(f"{url}/console")
    await page.locator("#name").fill(name)
    await page.locator("#name").press("Tab")
    return page


async def test_a_person_takes_over_while_the_customer_watches(
    company: Company, visit: Visit, held: AsyncExitStack
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


async def test_what_is_written_stays_with_its_ticket_and_its_readers(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    async with Client(platform.url) as client:
        for text in ("A human, please", "I want to talk to a person"):
            assert [event async for event in client.send_subscribe(text[:1], text)]
    maria = await visit(f"{platform.url}/console")
    first, second = (
        maria.locator("button.ticket").filter(has_text=one) for one in ("A human", "person")
    )
    say, kind = maria.get_by_label("What you say"), maria.get_by_role("group", name="Kind")
    await first.click()
    await say.fill("Looks like fraud.")
    # Nobody has a name yet: customers are to read one.
    await maria.get_by_role("button", name="Claim").click()
    await maria.get_by_role("dialog").get_by_label("Your name").fill("Maria")
    await maria.get_by_role("dialog").get_by_role("button", name="Go on").click()
    await expect(maria.locator("#mine button.ticket")).to_have_count(1)
    note = kind.get_by_role("button", name="Private note")
    await expect(note).to_have_attribute("aria-pressed", "true")
    await expect(say).to_have_value("Looks like fraud.")
    await kind.get_by_role("button", name="Reply").click()
    await expect(say).to_have_value("")
    await say.fill("Hello, I'm Maria.")
    await second.click()
    await say.fill("Another note.")
    await first.click()
    await expect(say).to_have_value("Hello, I'm Maria.")
    # By the time it is sent, another ticket is open.
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        sent.set()
        await go_on.wait()
        await route.continue_()

    await maria.route("**/reply", hold)
    await maria.get_by_role("button", name="Send to customer").click()
    await sent.wait()
    await second.click()
    async with maria.expect_response("**/reply"):
        go_on.set()
    other = await second.get_attribute("data-ticket")
    await expect(maria.locator("#desk .head small").first).to_have_text(str(other))
    await first.click()
    await kind.get_by_role("button", name="Reply").click()
    await expect(say).to_have_value("")  # it was sent
    await expect(maria.locator("#desk .bubble.human").last).to_contain_text("I'm Maria")
    await note.click()
    await expect(say).to_have_value("Looks like fraud.")
    await second.click()
    await expect(say).to_have_value("Another note.")


async def test_a_ticket_whose_task_is_lost_is_let_go_and_can_be_chosen_again(
    company: Company, stage: Stage, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    async with Client(platform.url) as client:
        assert [event async for event in client.send_subscribe("lost", "A human, please")]
    prefix = platform.settings["A2A_KEY_PREFIX"]
    async with redis.asyncio.Redis.from_url(stage.redis_url) as raw:
        keys = [key async for key in raw.scan_iter(match=f"{prefix}task:{{lost}}*", count=1000)]
        assert await raw.delete(*keys)
    await platform.crash()  # it has forgotten what it knew
    maria = await _console(visit, platform.url, "Maria")
    ticket = maria.locator("#waiting button.ticket")
    for _ in range(2):
        await ticket.click()
        await expect(maria.locator("#desk .empty")).to_contain_text("isn't there any more")
        await expect(ticket).not_to_have_attribute("aria-current", "true")
        assert "#" not in maria.url
        await maria.evaluate("document.querySelector('#desk .empty').remove()")


async def test_tickets_are_assigned_taken_over_and_handed_back(
    company: Company, visit: Visit, held: AsyncExitStack
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
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, books = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("I want to talk to a human")
    await chat.until_turn_ends(1)
    maria = await _console(visit, platform.url, "Maria")
    ben = await _console(visit, platform.url, "Ben")
    await maria.clock.install()
    for person in (maria, ben):
        await person.locator("#waiting button.ticket").click()
        await expect(person.get_by_role("button", name="Claim")).to_be_visible()
    # What colleagues note comes by no stream; it is looked at now and then, and what is as before stays.
    await expect(maria.locator("#record [data-customer]")).to_be_visible()
    await maria.locator("#record [data-customer]").evaluate("(one) => (one.dataset.kept = 'yes')")
    await ben.get_by_label("What you say").fill("A regular.")
    await ben.get_by_role("button", name="Add note").click()
    await expect(ben.locator(".note-card")).to_contain_text("A regular.")
    await maria.clock.fast_forward(11_000)
    await expect(maria.locator(".note-card")).to_contain_text("A regular.")
    await expect(maria.locator("#record [data-customer][data-kept]")).to_be_visible()
    await maria.get_by_role("button", name="Claim").click()
    await expect(ben.locator("#others button.ticket")).to_contain_text("Maria")
    await expect(ben.get_by_role("button", name="Claim")).to_be_hidden()
    await expect(ben.get_by_role("button", name="Send to customer")).to_be_hidden()
    # The queue tells the most urgent alone. What isn't among them is open all the same.
    records = SqlRecords(books)
    for n in range(200):
        about: Any = {"task_id": f"x{n}", "context_id": "x", "customer_id": None, "reason": "x"}
        await records.tickets.open(**about, within=60.0, idempotency_key=f"x{n}")
    await records.aclose()
    await expect(maria.locator("#waiting-count")).to_have_text("200")
    await expect(maria.locator("#mine button.ticket")).to_have_count(0)
    async with maria.expect_response("**/handover/T-*"):
        await maria.clock.fast_forward(11_000)
    await expect(maria.locator("#desk .head .chip.human")).to_have_text("Yours")
