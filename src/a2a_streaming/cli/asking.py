"""`send`, `watch` and `cancel`: a user's tools, over HTTP."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
import typer

from a2a_streaming.cli.forms import Question, answer_message, questions_of
from a2a_streaming.cli.tellers import Teller, teller
from a2a_streaming.cli.words import FAILED, said
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.task import Json

_WAITS = frozenset({"input-required", "auth-required"})


def send(url: str, token: str | None, text: str, task: str | None, *, as_json: bool) -> None:
    """Send a message and tell its task's story; in a terminal, ask for what the agent asks.

    Raises:
        A2AStreamingError: The agent refuses, or can't be reached.
        Exit: The task has failed.
    """
    task_id = task or f"task-{uuid.uuid4().hex[:12]}"
    telling = teller(as_json=as_json)
    talks = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    telling.begin(task_id)
    # Between two turns nothing runs: so Ctrl-C reaches who is being asked.
    with asyncio.Runner() as runner:
        client = runner.run(_client(url, token))
        try:
            message: str | Json | None = text
            last: StreamEvent | None = None
            while message is not None:
                after = last.position if last is not None else None
                told = client.send_subscribe(task_id, message, after=after)
                last = runner.run(_tell(told, telling)) or last
                waits = last is not None and last.state == "input-required"
                message = _ask(last) if talks and waits and last is not None else None
            if talks and last is not None and last.state in _WAITS:
                typer.echo(f"Answer later with: a2a-streaming send --task {task_id} …", err=True)
        except KeyboardInterrupt:
            telling.pause()
            typer.echo(
                f"The task goes on. See it again with: a2a-streaming watch {task_id}", err=True
            )
            raise
        finally:
            telling.pause()
            runner.run(client.aclose())
    _leave(last)


def watch(
    url: str, token: str | None, task: str, after: str | None, *, follow: bool, as_json: bool
) -> None:
    """Tell a task's story, from a position on.

    Raises:
        A2AStreamingError: The agent refuses, or can't be reached.
        Exit: The task has failed.
    """
    telling = teller(as_json=as_json)

    async def main() -> StreamEvent | None:
        async with Client(url, token=token) as client:
            told = client.follow({task: after}) if follow else client.resubscribe(task, after)
            return await _tell(told, telling)

    try:
        last = asyncio.run(main())
    finally:
        telling.pause()
    _leave(last)


def cancel(url: str, token: str | None, task: str, *, as_json: bool) -> None:
    """Cancel a task.

    Raises:
        A2AStreamingError: The agent refuses, or can't be reached.
    """

    async def main() -> Json:
        async with Client(url, token=token) as client:
            return await client.cancel(task)

    told = asyncio.run(main())
    typer.echo(orjson.dumps(told).decode() if as_json else f"{task} {told['status']['state']}")


async def _client(url: str, token: str | None) -> Client:
    return Client(url, token=token)


async def _tell(events: AsyncGenerator[StreamEvent], telling: Teller) -> StreamEvent | None:
    """Tell a story to its end, and return the last event that tells a state."""
    last: StreamEvent | None = None
    async with aclosing(events) as told:
        async for event in told:
            telling.tell(event)
            if event.state is not None:
                last = event
    return last


def _leave(last: StreamEvent | None) -> None:
    if last is not None and last.state in FAILED:
        raise typer.Exit(1)


def _ask(last: StreamEvent) -> str | Json | None:
    """Ask for what the agent asks; None if nobody answers.

    A form's questions are asked one by one. What is no answer to its only question is sent as it is: agents
    understand words as well.
    """
    questions = questions_of(said(last.data))
    try:
        if len(questions) <= 1:
            answer = _typed("" if not questions else questions[0].hint)
            if not answer or not questions:
                return answer
            try:
                return answer_message({questions[0].name: questions[0].read(answer)})
            except ValueError:
                return answer
        return answer_message(_filled(questions))
    except EOFError:
        typer.echo("", err=True)
        return None


def _filled(questions: list[Question]) -> Json:
    """Ask each of several questions until it is answered."""
    values: Json = {}
    for question in questions:
        while question.name not in values:
            typer.echo(question.title)
            for number, (_, label) in enumerate(question.choices, 1):
                typer.echo(f"  {number}. {label}")
            answer = _typed(question.hint, empty=not question.required)
            if not answer:
                break
            try:
                values[question.name] = question.read(answer)
            except ValueError as error:
                typer.echo(str(error), err=True)
    return values


def _typed(hint: str, *, empty: bool = False) -> str:
    """Return what somebody types.

    Args:
        hint: What an answer looks like.
        empty: Whether nothing is an answer, too.

    Raises:
        EOFError: They have left.
    """
    while True:
        answer = input(f"({hint}) > " if hint else "> ").strip()
        if answer or empty:
            return answer
