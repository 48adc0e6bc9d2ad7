"""The dashboard: its numbers are the log's, and a task's history is told again at any position."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio
from playwright.async_api import Page, expect

from a2a_streaming.client import Client
from conversations.script import CONVERSATIONS
from conversations.stage import Stage
from pages.chatting import Chat
from pages.conftest import Company, Visit
from pages.parcels import parcels
from pages.reading import log_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _states(url: str) -> Counter[tuple[str, str]]:
    """Tasks by agent and state, as their logs have it."""
    found = Counter[tuple[str, str]]()
    async with httpx2.AsyncClient(timeout=20) as http:
        for agent in ("intent", "booking", "billing"):
            body = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {"pageSize": 100}}
            answer = await http.post(
                f"{url}/agents/{agent}/", json=body, headers={"A2A-Version": "1.0"}
            )
            for task in answer.json()["result"].get("tasks", ()):
                last = (await log_of(url, task["id"]))[-1]
                state = last["statusUpdate"]["status"]["state"].removeprefix("TASK_STATE_")
                found[agent, state.lower().replace("_", "-")] += 1
    return found


async def _matrix(page: Page) -> Counter[tuple[str, str]]:
    cells: Any = await page.locator("td[data-agent]").evaluate_all(
        "cells => cells.map((cell) => [cell.dataset.agent, cell.dataset.state, Number(cell.textContent)])"
    )
    return Counter({(agent, state): count for agent, state, count in cells if count})


async def test_the_dashboards_numbers_are_the_logs(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    ops = await visit(f"{platform.url}/ops")
    chat = Chat(await visit(platform.url))
    for turns, text in enumerate(
        ("Show me my invoices", "Show my bookings", "Hello", "A human, please"), 1
    ):
        await chat.say(text)
        await chat.until_turn_ends(turns)
    states = await _states(platform.url)
    assert states["intent", "completed"] == 3
    cell = ops.locator("td[data-agent=intent][data-state=input-required]")
    await expect(cell).to_have_text("1")
    await expect(ops.locator("td[data-agent=intent][data-state=completed]")).to_have_text("3")
    assert await _matrix(ops) == states
    row = ops.locator("tr[data-task]").filter(has_text="A human, please").first
    [*_, task] = await chat.tasks()
    log = await log_of(platform.url, task)
    await expect(row.locator("td").nth(5)).to_have_text(str(len(log)))
    async with httpx2.AsyncClient() as http:
        metrics = (await http.get(f"{platform.url}/metrics")).text
    counted = re.search(r"^a2a_events_total(?:{[^}]*})? (\S+)$", metrics, re.MULTILINE)
    assert counted is not None
    assert await _written(platform.url) == int(float(counted[1]))


async def _written(url: str) -> int:
    """How many events are in all logs."""
    total = 0
    async with httpx2.AsyncClient() as http:
        told = (await http.get(f"{url}/ops/api/tasks", params={"size": 200})).json()
    for task in told["tasks"]:
        total += task["events"]
        assert len(await log_of(url, task["id"])) == task["events"]
    return total


async def test_filters_stand_in_the_address_and_are_kept(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("Show me my invoices")
    await chat.until_turn_ends(1)
    ops = await visit(f"{platform.url}/ops?agent=billing")
    await expect(ops.locator("tr[data-task]")).to_have_count(1)
    await ops.locator("input[name=agent]").fill("")
    await ops.locator("select[name=state]").select_option("completed")
    await ops.get_by_role("button", name="Filter").click()
    await expect(ops.locator("tr[data-task]")).to_have_count(2)
    assert ops.url.endswith("/ops?state=completed")
    async with ops.expect_download() as coming:
        await ops.get_by_role("button", name="Export").click()
    file = await (await coming.value).path()
    text = file.read_text()
    assert text.count("Show me my invoices") == 2
    assert text.startswith("\ufeffid,agent,")
    assert re.search(r',"20\d\d-\d\d-\d\dT\d\d:', text)


async def test_whoever_reads_and_clicks_isnt_disturbed_by_what_is_told_anew(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    async with Client(platform.url) as client:
        for n in range(3):
            assert [event async for event in client.send_subscribe(f"t{n}", "Show my bookings")]
        ops = await visit(f"{platform.url}/ops?agent=intent&size=2")
        await expect(ops.locator("tr[data-task]")).to_have_count(2)
        await ops.get_by_role("button", name="More").click()
        await expect(ops.locator("tr[data-task]")).to_have_count(3)
        link = ops.locator("td[data-agent=intent][data-state=completed] a")
        await link.focus()
        assert [event async for event in client.send_subscribe("t3", "Show me my invoices")]
        await expect(link).to_have_text("4")
        await expect(link).to_be_focused()
        await expect(ops.locator(".latest li a").first).to_have_text("Show me my invoices")
        # What was loaded by hand stays until it is let go.
        await expect(ops.locator("tr[data-task]")).to_have_count(3)
        await ops.get_by_role("button", name="Back to the latest").click()
        await expect(ops.locator("tr[data-task]")).to_have_count(2)
        await expect(ops.locator("tr[data-task]").first).to_have_attribute("data-task", "t3")


async def test_a_task_whose_history_has_expired_is_told_as_it_is(
    company: Company, stage: Stage, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    async with Client(platform.url) as client:
        assert [event async for event in client.send_subscribe("old", "Show my bookings")]
    async with redis.asyncio.Redis.from_url(stage.redis_url) as raw:
        prefix = platform.settings["A2A_KEY_PREFIX"]
        assert await raw.delete(f"{prefix}task:{{old}}:stream") == 1
    await platform.crash()  # it has forgotten what it knew
    ops = await visit(f"{platform.url}/ops?task=old")
    await expect(ops.get_by_role("region", name="History")).to_contain_text("(gone)")
    await expect(ops.locator(".scrubber output")).to_contain_text("1 of 1")
    await expect(ops.locator(".replay .bubble.customer")).to_have_count(1)
    await expect(ops.locator(".replay .bubble.agent").last).to_be_visible()


_LONG = """async () => {
    const { draw } = await import("/ops/waterfall.js");
    const step = { statusUpdate: { status: { state: "TASK_STATE_WORKING" } } };
    const log = Array.from({ length: 200_000 }, (_, at) => ({ position: `1-${at}`, at, event: step }));
    return draw([{ agent: "busy", log }]).childElementCount;
}"""
"""A log longer than a call may have arguments, drawn."""


async def test_a_tasks_history_is_told_again_at_any_position(
    company: Company, visit: Visit, held: AsyncExitStack
) -> None:
    platform, _ = await held.enter_async_context(company)
    chat = Chat(await visit(platform.url))
    await chat.say("Show me my invoices")
    await chat.until_turn_ends(1)
    [task] = await chat.tasks()
    log = await log_of(platform.url, task)
    ops = await visit(f"{platform.url}/ops?task={task}")
    where = ops.locator(".scrubber output")
    await expect(where).to_contain_text(f"{len(log)} of {len(log)}")
    await expect(ops.locator(".replay task-artifact")).to_have_count(1)
    agents = ops.locator(".waterfall .row.group .name")
    await expect(agents).to_have_text(["Intent agent", "Billing agent"])
    assert await ops.evaluate(_LONG) == 152  # the agent, what was earlier, and the last steps
    scrubber = ops.get_by_label("Position in its history")
    await scrubber.fill("2")
    await expect(where).to_contain_text(f"2 of {len(log)}")
    await expect(ops.locator(".replay .step")).to_have_text(["Understanding your request"])
    await expect(ops.locator(".replay task-artifact")).to_have_count(0)
    await ops.get_by_role("button", name="Replay").click()
    await expect(where).to_contain_text(f"{len(log)} of {len(log)}")
    await expect(ops.locator(".replay task-story")).to_have_attribute("data-state", "completed")
    async with ops.expect_download() as coming:
        await ops.get_by_role("button", name="Export JSON Lines").click()
    file = await (await coming.value).path()
    assert len(file.read_text().splitlines()) == len(log)


async def test_a_task_that_goes_on_is_escalated_to_a_person_from_the_dashboard(
    stage: Stage, visit: Visit, held: AsyncExitStack, tmp_path: Path
) -> None:
    on = await held.enter_async_context(parcels(stage, tmp_path))
    chat = Chat(await visit(on.url))
    await chat.say("Where is my parcel?")
    await expect(chat.page.locator("task-artifact")).to_contain_text("depot")
    [task] = await chat.tasks()
    ops = await visit(f"{on.url}/ops?task={task}")
    ops.on("dialog", lambda dialog: dialog.accept())
    await ops.get_by_role("button", name="Escalate").click()
    await expect(chat.page.locator("#human")).to_have_text("A colleague will be with you soon")
    await expect(ops.locator(".head .state")).to_have_text("input-required")


async def test_an_alert_is_shown_with_its_task_until_an_operator_acknowledges_it(
    stage: Stage, visit: Visit, held: AsyncExitStack, tmp_path: Path
) -> None:
    company = stage.platform(
        CONVERSATIONS["balance"],
        "sqlite",
        "offline",
        tmp_path,
        A2A_HANDOVER_SLA_SECONDS="0.2",
    )
    platform, _ = await held.enter_async_context(company)
    ops = await visit(f"{platform.url}/ops")
    tile = ops.locator("[data-tile=Alerts] dd")
    await expect(tile).to_have_text("0 open")
    await expect(ops.get_by_text("Nothing is overdue.")).to_be_visible()
    chat = Chat(await visit(platform.url))
    await chat.say("A human, please")
    await expect(tile).to_have_text("1 open")
    [task] = await chat.tasks()
    row = ops.locator("tr[data-alert]")
    await expect(row).to_contain_text("waits for a person")
    await expect(row.locator("a")).to_have_attribute("href", f"/ops?task={task}")
    await row.get_by_role("button", name="Acknowledge").click()
    await expect(row).to_contain_text("somebody")
    await expect(tile).to_have_text("0 open")
