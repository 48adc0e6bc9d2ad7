"""The chat, when things go wrong: nothing is lost, nothing is shown twice."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from chaos.proxy import Proxy
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Company, Visit
from pages.parcels import HALF, WHOLE, parcels
from pages.reading import log_of, shown, state_of, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _is_told_whole(chat: Chat, url: str) -> None:
    """The page shows the answer to its end, and just what the log holds."""
    artifact = chat.page.locator("task-artifact .text")
    await expect(artifact.last).to_have_text(WHOLE.strip())
    await expect(chat.stories.get_by_text("Found", exact=True).last).to_be_visible()
    tasks = await chat.tasks()
    expected = [turn for task in tasks for turn in told(await log_of(url, task))]
    assert await shown(chat.page) == expected


async def _asked(visit: Visit, url: str) -> Chat:
    """A chat that has asked for a parcel, and was told half of the answer."""
    chat = Chat(await visit(url))
    await chat.say("Where is my parcel?")
    await expect(chat.page.locator("task-artifact .text")).to_have_text(HALF.strip())
    return chat


async def test_a_server_killed_in_the_middle_of_an_answer_is_not_noticed_in_the_end(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        chat = await _asked(visit, on.url)
        await on.platform.crash()
        on.let_on()
        await _is_told_whole(chat, on.url)


async def test_a_page_that_is_loaded_anew_in_the_middle_of_an_answer_goes_on(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        chat = await _asked(visit, on.url)
        await chat.page.reload()
        await expect(chat.page.locator("task-artifact .text")).to_have_text(HALF.strip())
        on.let_on()
        await _is_told_whole(chat, on.url)


async def test_a_page_that_was_offline_catches_up_and_says_how_the_connection_stands(
    stage: Stage, visit: Visit, profile: BrowserContext, held: AsyncExitStack, tmp_path: Path
) -> None:
    on = await held.enter_async_context(parcels(stage, tmp_path))
    proxy = await held.enter_async_context(Proxy(("127.0.0.1", int(on.url.rsplit(":", 1)[1]))))
    chat = await _asked(visit, f"http://127.0.0.1:{proxy.port}")
    badge = chat.page.locator("connection-badge")
    await expect(badge).to_have_text("Live")
    await profile.set_offline(True)
    proxy.swallow()
    proxy.cut()
    await expect(badge).to_have_text("Offline")
    on.let_on()
    [task] = await chat.tasks()
    while await state_of(on.url, task) != "TASK_STATE_COMPLETED":
        pass
    await expect(chat.page.locator("task-artifact .text")).to_have_text(HALF.strip())
    proxy.carry()
    await profile.set_offline(False)
    await _is_told_whole(chat, on.url)
    await expect(badge).to_have_text("Live")


async def test_two_tabs_show_the_same_over_one_stream(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        one = await _asked(visit, on.url)
        other = Chat(await visit(one.page.url))
        await expect(other.page.locator("task-artifact .text")).to_have_text(HALF.strip())
        assert await _streams(on.url) == 1
        on.let_on()
        for chat in (one, other):
            await _is_told_whole(chat, on.url)
        await other.say("Where is my parcel?")  # what one of them asks, both of them show
        await expect(one.stories.get_by_text("Found", exact=True)).to_have_count(2)
        await expect(other.stories.get_by_text("Found", exact=True)).to_have_count(2)
        assert await shown(one.page) == await shown(other.page)


async def test_what_another_device_asks_is_shown_here_too(
    stage: Stage, chromium_pages: tuple[Page, Page], tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        one, other = map(Chat, chromium_pages)
        on.let_on()
        await one.page.goto(on.url)
        await one.say("Where is my parcel?")
        await _is_told_whole(one, on.url)
        await other.page.goto(one.page.url)
        await _is_told_whole(other, on.url)
        await other.say("Where is my parcel?")
        await expect(one.stories.get_by_text("Found", exact=True)).to_have_count(2)
        await one.page.get_by_role("button", name="New conversation").click()
        await one.say("Hello")
        await expect(other.page.locator("#history li")).to_have_count(2)


async def test_tabs_whose_shared_worker_ends_go_on_without_a_gap_or_a_double(
    stage: Stage, visit: Visit, chromium: Browser, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        chat = await _asked(visit, on.url)
        other = Chat(await visit(chat.page.url))
        await expect(other.page.locator("task-artifact .text")).to_have_text(HALF.strip())
        await _end_shared_worker(chromium)
        on.let_on()
        await _is_told_whole(chat, on.url)
        await _is_told_whole(other, on.url)


async def _end_shared_worker(chromium: Browser) -> None:
    """End the one shared worker, as if it had crashed."""
    devtools = await chromium.new_browser_cdp_session()
    targets = (await devtools.send("Target.getTargets"))["targetInfos"]
    [worker] = [one["targetId"] for one in targets if one["type"] == "shared_worker"]
    await devtools.send("Target.closeTarget", {"targetId": worker})
    await devtools.detach()


async def test_a_tab_that_is_closed_leaves_the_stream_to_the_other(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        one = await _asked(visit, on.url)
        other = Chat(await visit(one.page.url))
        await expect(other.page.locator("task-artifact .text")).to_have_text(HALF.strip())
        await one.page.close()
        on.let_on()
        await _is_told_whole(other, on.url)


async def test_a_message_sent_while_the_server_is_away_arrives_once(
    company: Company, visit: Visit, profile: BrowserContext, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    proxy = await held.enter_async_context(
        Proxy(("127.0.0.1", int(platform.url.rsplit(":", 1)[1])))
    )
    url = f"http://127.0.0.1:{proxy.port}"
    chat = Chat(await visit(url))
    await profile.set_offline(True)
    await chat.say("What's my account balance?")
    await expect(chat.page.locator(".pending .step")).to_have_text("Sending")
    await chat.page.wait_for_selector(".pending.slow")
    await profile.set_offline(False)
    await chat.until_turn_ends(1)
    [task] = await chat.tasks()
    assert await shown(chat.page) == told(await log_of(platform.url, task))


async def test_a_page_that_is_loaded_anew_before_its_message_arrived_sends_it_once(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))

    async def nothing_leaves(route: Route) -> None:
        await (route.abort() if route.request.method == "POST" else route.continue_())

    await chat.page.route(f"{platform.url}/", nothing_leaves)
    await chat.say("What's my account balance?")
    await chat.page.wait_for_selector(".pending.slow")
    await chat.page.unroute(f"{platform.url}/")
    await chat.page.reload()
    await chat.until_turn_ends(1)
    [task] = await chat.tasks()
    assert await shown(chat.page) == told(await log_of(platform.url, task))


async def test_what_is_said_at_once_is_one_conversation_and_each_answer_goes_where_it_was_asked(
    company: Company, stage: Stage, visit: Visit, held: AsyncExitStack
) -> None:
    platform, database = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.page.evaluate("""() => {
        for (const words of ["Refund the baggage fee for MT4821", "Upgrade my subscription to premium"]) {
            document.getElementById('text').value = words;
            document.getElementById('composer').requestSubmit();
        }
    }""")
    await chat.until_turn_ends(2)
    await expect(chat.page.locator("task-form")).to_have_count(2)
    await expect(chat.page.locator("#history li")).to_have_count(1)
    refund = chat.stories.filter(has_text="baggage fee")
    await refund.get_by_role("button", name="Yes, go ahead").click()
    await expect(refund).to_have_attribute("data-state", "completed")
    await expect(chat.stories.filter(has_text="subscription")).to_have_attribute(
        "data-state", "input-required"
    )
    changed = await stage.changed(database)
    assert len(changed) == 1
    assert "refund" in changed[0]


async def test_a_request_is_canceled_from_the_page(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    async with parcels(stage, tmp_path) as on:
        chat = await _asked(visit, on.url)
        await chat.page.get_by_role("button", name="Cancel request").click()
        await expect(chat.stories.last).to_have_attribute("data-state", "canceled")
        await expect(chat.page.locator(".turn .note, .turn .bubble.agent").last).to_have_text(
            re.compile("cancel", re.IGNORECASE)
        )
        await expect(chat.page.get_by_role("button", name="Cancel request")).to_be_hidden()


async def test_conversations_are_listed_and_opened_again(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("What's my account balance?")
    await chat.until_turn_ends(1)
    await chat.page.get_by_role("button", name="New conversation").click()
    await expect(chat.stories).to_have_count(0)
    await chat.say("Show my bookings")
    await chat.until_turn_ends(1)
    entries = chat.page.locator("#history li a")
    await expect(entries).to_have_count(2)
    await expect(entries.first).to_contain_text("Show my bookings")
    await entries.last.click()
    await expect(chat.page.locator(".bubble.customer .text")).to_have_text(
        "What's my account balance?"
    )
    await expect(chat.page.locator("task-artifact")).to_contain_text("Your account balance")


async def test_what_a_customer_writes_is_text_and_never_markup(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    nasty = "<img src=x onerror=alert(1)><script>alert(2)</script> what's my balance?"
    await chat.say(nasty)
    await chat.until_turn_ends(1)
    await expect(chat.page.locator(".bubble.customer .text")).to_have_text(nasty)
    assert await chat.page.locator("#conversation img, #conversation script").count() == 0


async def _streams(url: str) -> int:
    """How many streams a platform has open."""
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"{url}/metrics")).text
    found = re.search(r"^a2a_streams_open (\S+)$", text, re.MULTILINE)
    assert found is not None
    return int(float(found[1]))
