"""The pages' fold is the server's: both make the same task of the same log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from playwright.async_api import Browser, Route

import a2a_streaming.web
from a2a_streaming.task import INTERNAL, Json
from test_task import fold, logs

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIC = Path(a2a_streaming.web.__file__).parent / "static"
_FOLD = """async (logs) => {
  const { apply } = await import('/fold.js');
  return logs.map((log) => log.reduce((task, event) => apply(task, event), null));
}"""


def _plain(told: Any) -> Any:
    """Without the server's notes, and without what is empty."""
    if isinstance(told, dict):
        kept = {key: _plain(value) for key, value in told.items() if key != INTERNAL}
        return {key: value for key, value in kept.items() if value not in ({}, [], None)}
    return [_plain(one) for one in told] if isinstance(told, list) else told


async def test_pages_make_the_same_task_of_a_log_as_the_server(chromium: Browser) -> None:
    found: list[list[Json]] = []

    @settings(max_examples=300, phases=[Phase.generate])
    @given(logs())
    def gather(log: Any) -> None:
        found.append(orjson.loads(orjson.dumps(log[0])))

    gather()
    context = await chromium.new_context()

    async def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name:
            await route.fulfill(path=STATIC / name, content_type="text/javascript")
        else:
            await route.fulfill(body="<title>fold</title>", content_type="text/html")

    await context.route("http://fold.test/*", serve)
    page = await context.new_page()
    await page.goto("http://fold.test/")
    tasks = await page.evaluate(_FOLD, found)
    await context.close()
    for log, task in zip(found, tasks, strict=True):
        assert _plain(task) == _plain(fold(log)), log
