"""The examples' agents, each a process of its own, and a platform that knows nothing but their addresses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from a2a_streaming.client import Client
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from customer_service.platforms import artifact, said, story, text_of
from keyholders import key_for
from processes import Running, free_port, started
from test_examples import EXAMPLES


@pytest.mark.timeout(120)  # three processes are started
async def test_a_platform_routes_to_new_agents_by_their_cards_and_they_watch_upstream(
    settings: Settings,
) -> None:
    port = free_port()
    shared: dict[str, Any] = {
        "A2A_REDIS_URL": settings.redis_url,
        "A2A_AUTH_KEYS": "true",
        "TRANSCRIPT_OF": f"http://127.0.0.1:{port}",
    }
    with ExitStack() as stack:

        async def start(*arguments: str, port: int | None = None, **more: Any) -> Running:
            running = started(
                *arguments, data_dir=settings.data_dir, port=port, cwd=EXAMPLES, **shared, **more
            )
            return await asyncio.to_thread(stack.enter_context, running)

        returns, transcript = await asyncio.gather(
            start("serve", "returns:ReturnsAgent"), start("serve", "transcript:TranscriptAgent")
        )
        agents = f"{returns.url},{transcript.url}"
        platform = await start("up", port=port, A2A_AGENTS=agents)
        async with AsyncExitStack() as entered:
            node = Node([], settings.model_copy(update={"auth_keys": True}))
            entered.push_async_callback(node.aclose)
            client = await entered.enter_async_context(
                Client(platform.url, token=await key_for(node, "sam"))
            )
            asked = await story(client, "t1", "I want to return my shoes")
            assert artifact(asked, "intent")[1]["intents"][0]["route"] == "returns"
            assert text_of(asked[-1]) == "What is the order's number?"
            done = await story(client, "t1", "it is 4711", asked[-1].position)
            assert done[-1].state == "completed"
            assert artifact(done, "label")[0].startswith("Return of order 4711\n")
            written = await story(client, "t2", "Send me a transcript of this conversation")
            assert artifact(written, "intent")[1]["intents"][0]["route"] == "transcript"
            text, _ = artifact(written, "transcript")
            assert text == (
                "You: Send me a transcript of this conversation\nWe: Understanding your request\n"
            )
            assert said(written)[-1] == "Here is what was said until now."
            # Those that come with the platform are still there.
            own = await story(client, "t3", "Show me my invoices")
            assert artifact(own, "intent")[1]["intents"][0]["route"] == "billing"
