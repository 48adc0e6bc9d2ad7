"""The agent that the protocol's conformance kit talks to: what it does is told by its message ids.

`A2A_TCK=<the kit's folder> make conformance` runs the kit against it; `docs/conformance.md` tells the outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.event import data_part, message, text_part

STREAMING_TIMEOUT = 2.0
"""Seconds that the kit waits for a stream's events."""


class Conformance(Agent):
    """Does what the kit's scenarios say."""

    card = agent_card(
        "conformance",
        skills=[{"id": "kit", "name": "Kit", "description": "Does as told", "tags": ["tck"]}],
    )
    extended_card = agent_card(
        "conformance", description="What is told to those who have signed in"
    )
    may_answer_with_message = True

    async def run(self, run: Run) -> None:
        for prefix, scenario in SCENARIOS.items():
            if run.message_id.startswith(prefix):
                await scenario(run)
                break
        if not run.ended:
            await run.complete("Hello from TCK")


async def _text(run: Run) -> None:
    await run.attach("text", "Generated text content")


async def _file(run: Run) -> None:
    raw = {"raw": "ZmlsZSBjb250ZW50", "filename": "output.txt", "mediaType": "text/plain"}
    await run.attach("file", raw)


async def _file_url(run: Run) -> None:
    url = "https://example.com/output.txt"
    await run.attach("file", {"url": url, "filename": "output.txt", "mediaType": "text/plain"})


async def _data(run: Run) -> None:
    await run.attach("data", data_part({"key": "value", "count": 42}))


async def _ask(run: Run) -> None:
    await run.input_required("What else?")


async def _message(run: Run) -> None:
    said = [text_part("Direct message response")]
    await run.answer(message("agent", said, task_id=run.task_id, context_id=run.context_id))


async def _reject(run: Run) -> None:
    await run.reject("rejected")


async def _streamed_text(run: Run) -> None:
    await run.working()
    await run.attach("text", "Streamed text content")


async def _streamed_file(run: Run) -> None:
    await run.working()
    await _file(run)


async def _chunks(run: Run) -> None:
    await run.working()
    async with run.artifact("chunks") as chunks:
        await chunks.write(text_part("chunk-1 "))
        await chunks.write(text_part("chunk-2"))


async def _long(run: Run) -> None:
    await run.working()
    await asyncio.sleep(2 * STREAMING_TIMEOUT)


async def _at_once(run: Run) -> None:
    await run.complete()


SCENARIOS: dict[str, Callable[[Run], Awaitable[None]]] = {
    "tck-artifact-text": _text,
    "tck-artifact-file-url": _file_url,
    "tck-artifact-file": _file,
    "tck-artifact-data": _data,
    "tck-message-response": _message,
    "tck-input-required": _ask,
    "tck-reject-task": _reject,
    "tck-stream-001": _streamed_text,
    "tck-stream-002": _at_once,
    "tck-stream-003": _streamed_text,
    "tck-stream-ordering-001": _streamed_text,
    "tck-stream-artifact-text": _streamed_text,
    "tck-stream-artifact-file": _streamed_file,
    "tck-stream-artifact-chunked": _chunks,
    "test-resubscribe-message-id": _long,
}
"""What is done, by the message id's beginning; the first that fits counts."""
