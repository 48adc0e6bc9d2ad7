"""The topic `tasks`: a page learns that something of its own has changed, wherever that was begun."""

from __future__ import annotations

import httpx2
import pytest

from a2a_streaming.settings import Settings
from a2a_streaming.web import own
from keyholders import key_for
from web.browsing import Asking, Stream, site


async def changed(stream: Stream) -> int | None:
    """When the last change was, as the stream tells it next."""
    told = await stream.next()
    assert told is not None
    assert told.event == "tasks"
    return told.data["data"]["changed"]


async def test_a_page_is_told_of_its_own_tasks_changes_and_not_of_others(
    settings: Settings, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "_PAUSE", 0.01)
    async with site(settings, http, [Asking()], auth_keys=True) as served:
        ann = {"x-api-key": await key_for(served.node, "ann")}
        bob = {"x-api-key": await key_for(served.node, "bob")}
        async with (
            served.stream({}, {"tasks": None}, **ann) as anns,
            served.stream({}, {"tasks": None}, **bob) as bobs,
        ):
            assert await changed(anns) is None
            assert await changed(bobs) is None
            await served.begin("t1", "go", **bob)
            first = await changed(bobs)
            assert first
            await served.begin("t1", "go", **ann)
            # Hers is the first that she is told of: nothing of his came before it.
            hers = await changed(anns)
            assert hers
            assert hers >= first
