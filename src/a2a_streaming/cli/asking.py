"""`send`, `watch` and `cancel`: a user's tools, over HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import typer

from a2a_streaming.client import Client, StreamEvent


def send(url: str, token: str | None, text: str, task: str | None) -> None:
    """Send a message and print its task's story."""
    task_id = task or f"task-{uuid.uuid4().hex[:12]}"

    async def main() -> None:
        async with Client(url, token=token) as client:
            typer.echo(f"task {task_id}", err=True)
            await _print(client.send_subscribe(task_id, text))

    asyncio.run(main())


def watch(url: str, token: str | None, task: str, after: str | None) -> None:
    """Print a task's story, from a position on."""

    async def main() -> None:
        async with Client(url, token=token) as client:
            await _print(client.resubscribe(task, after))

    asyncio.run(main())


def cancel(url: str, token: str | None, task: str) -> None:
    """Cancel a task."""

    async def main() -> None:
        async with Client(url, token=token) as client:
            told = await client.cancel(task)
            typer.echo(f"{task} {told['status']['state']}")

    asyncio.run(main())


async def _print(events: AsyncIterator[StreamEvent]) -> None:
    async for event in events:
        if event.reset is not None:
            typer.echo(f"{event.position}  (the story begins anew: {event.reset.reason})")
            for artifact in event.reset.task.get("artifacts", ()):
                typer.echo(f"{event.position}  {_line({'artifact': artifact})}")
        typer.echo(f"{event.position}  {_line(event.data)}")


def _line(data: dict[str, Any]) -> str:
    if "artifact" in data:
        artifact = data["artifact"]
        return f"[{artifact.get('name', 'artifact')}] {_text(artifact['parts'])}"
    status = data["status"]
    said = _text(status["message"]["parts"]) if "message" in status else ""
    return f"{status['state']}  {said}".rstrip()


def _text(parts: list[dict[str, Any]]) -> str:
    told = [
        part["text"] if part["type"] == "text" else orjson.dumps(part.get("data", "file")).decode()
        for part in parts
    ]
    return " ".join(told)
