"""The twelve conversations, by a customer who uses the chat: the page shows what the log holds, and the books agree."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from conversations.playing import act
from conversations.script import CONVERSATIONS, unseen
from conversations.stage import Stage
from conversations.telling import sights
from pages.chatting import Chat
from pages.conftest import Visit
from pages.reading import log_of, shown, sights_of, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_conversation_in_the_chat_ends_as_its_file_says(
    name: str, stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    conversation = CONVERSATIONS[name]
    async with (
        stage.platform(conversation, "sqlite", "offline", tmp_path) as (platform, database),
        httpx2.AsyncClient(timeout=20) as http,
    ):
        chat = Chat(await visit(platform.url))
        turns, seen = 0, dict[str, int]()
        for number, turn in enumerate(conversation.turns):
            if turn.person:
                task = (await chat.tasks())[-1]
                await act(turn, task, http, platform.url, key=f"turn-{number}")
            elif isinstance(turn.says, str):
                await chat.say(turn.says)
                turns += 1
            else:
                assert turn.says is not None
                await chat.fill_in(turn.says)
                turns += 1
            if not turn.sees:
                continue
            last = turn.sees[-1].words.split("…")[0]
            await chat.until_turn_ends(turns)
            if turn.person:
                await chat.page.locator(".turn").last.get_by_text(last[:60]).last.wait_for()
            task = (await chat.tasks())[-1]
            log = await sights_of(platform.url, task)
            assert unseen(turn.sees, sights(log, seen.get(task, 0))) is None
            seen[task] = len(log)
        tasks = await chat.tasks()
        expected = [turn for task in tasks for turn in told(await log_of(platform.url, task))]
        assert await shown(chat.page) == expected
        assert await stage.changed(database) == list(conversation.changes)
