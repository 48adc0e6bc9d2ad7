"""Agents that do what a test says, in processes of which some die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import redis.asyncio

from a2a_streaming import Agent, Run, agent_card
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import ANYBODY
from a2a_streaming.event import Event, text_part
from a2a_streaming.node import Node, Role
from a2a_streaming.sending import Sent
from a2a_streaming.service import TaskService
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, State
from chaos.proxy import Proxy
from tasks import is_whole, lapse, log_of, meta_of, until

Script: TypeAlias = Callable[[Run], Awaitable[None]]


class Scripted(Agent):
    """Does what a test says.

    Args:
        script: What it does in a turn.
        cleaning: What it does when it is told to clean up.
    """

    card = agent_card("scripted")

    def __init__(self, script: Script, cleaning: Script | None = None) -> None:
        self._script = script
        self._cleaning = cleaning

    async def run(self, run: Run) -> None:
        await self._script(run)

    async def cancel(self, run: Run) -> None:
        if self._cleaning is not None:
            await self._cleaning(run)


class Patient(Agent):
    """Answers, or waits until it is told to."""

    card = agent_card("patient")

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def run(self, run: Run) -> None:
        await run.working("Thinking")
        if run.text == "wait":
            await self.gate.wait()
        await run.complete("Done")


@dataclass
class Desk:
    """A node, as its customers see it."""

    node: Node
    raw: redis.asyncio.Redis

    @property
    def service(self) -> TaskService:
        return self.node.service("scripted")

    @property
    def manager(self) -> RedisManager:
        return self.node.manager

    async def send(self, text: str = "hello", *, task: str = "t1") -> Sent:
        return await self.service.send(
            [text_part(text)], caller=ANYBODY, task_id=task, context=None, dialect="0.1"
        )

    async def get(self, task: str = "t1") -> Json:
        return await self.service.get(task, caller=ANYBODY)

    async def cancel(self, task: str = "t1") -> Json:
        return await self.service.cancel(task, caller=ANYBODY)

    async def until(self, *states: State, task: str = "t1") -> Json:
        """Wait until a task is in one of these states."""

        async def is_there() -> Json | None:
            found = await self.get(task)
            return found if found["status"]["state"] in states else None

        return await until(is_there) or {}

    async def until_said(self, text: str, task: str = "t1") -> None:
        """Wait until the log has these words."""

        async def is_said() -> bool:
            return text in [told for _, told in await self.story(task)]

        await until(is_said)

    async def until_done(self) -> None:
        """Wait until no task has anything left to do."""

        async def is_quiet() -> bool:
            keys = self.manager.keys
            open_ = await self.raw.zcard(keys.index("open", "scripted"))
            return open_ == 0 == await self.raw.xlen(keys.work("scripted"))

        await until(is_quiet)

    async def story(self, task: str = "t1") -> list[tuple[State | None, str | None]]:
        """The statuses and words of a task's log."""
        return [(event.state, words(event)) for event in await log_of(self.manager, task)]

    async def take_over(self, task: str = "t1") -> None:
        """Let the time pass in which a dead process's lease and hint fall to others."""
        await lapse(self.raw, self.manager, task)
        work = self.manager.keys.work("scripted")
        entries: Any = await self.raw.xrange(work)
        for item, fields in entries:
            if fields[b"t"] == task.encode():
                await self.raw.xdel(work, item)
        await self.manager.work("scripted").hint(task)

    async def has_ended_once(self, task: str = "t1") -> None:
        """The task has ended once, and nobody holds its lease."""
        log = await log_of(self.manager, task)
        ends = [event for event in log if event.state is not None and event.state.terminal]
        assert ends == log[-1:]
        await is_whole(self.manager, task)
        meta = await meta_of(self.raw, self.manager, task)
        assert "holder" not in meta

    async def is_settled(self, task: str = "t1") -> None:
        """The task has ended once, and no task has anything left to do."""
        await self.until_done()
        await self.has_ended_once(task)

    async def is_cleaned_up(self, task: str = "t1") -> None:
        """The task has ended once, and its agent has cleaned up or was asked often enough."""

        async def is_clean() -> bool:
            return "cleanup" not in await meta_of(self.raw, self.manager, task)

        await until(is_clean)
        await self.is_settled(task)


@dataclass
class Mortal(Desk):
    """A node that may die."""

    proxy: Proxy

    async def crash(self) -> None:
        """Die: from this moment on nothing that the process does gets to Redis, no goodbye either."""
        self.proxy.target = "/nowhere"
        self.proxy.cut()
        for task in (dying := self._tasks()):
            task.cancel()
        self.node._workers.clear()  # so that they don't drain
        await asyncio.wait(dying, timeout=0.2)  # an agent may not let itself be stopped

    def _tasks(self) -> set[asyncio.Task[Any]]:
        """What the workers are doing."""
        names, dying = set[str](), set[asyncio.Task[Any]]()
        for worker in self.node._workers:
            dying |= {*worker._loops, *worker._jobs}
            names |= {f"{kind} {task}" for task in worker._running for kind in _KINDS}
        return dying | {task for task in asyncio.all_tasks() if task.get_name() in names}


_KINDS = ("run", "clean up", "write")
"""What else a worker does for a task, in tasks of these names; only one process does it at a time."""


@asynccontextmanager
async def working(
    settings: Settings,
    raw: redis.asyncio.Redis,
    script: Script | Agent,
    cleaning: Script | None = None,
    *,
    role: Role = "all",
    **changed: Any,
) -> AsyncIterator[Desk]:
    """A node with an agent."""
    agent = script if isinstance(script, Agent) else Scripted(script, cleaning)
    node = Node([agent], settings.model_copy(update=changed), role=role)
    await node.start()
    try:
        yield Desk(node, raw)
    finally:
        await node.aclose()


@asynccontextmanager
async def mortal(
    settings: Settings,
    raw: redis.asyncio.Redis,
    script: Script | Agent,
    cleaning: Script | None = None,
    **changed: Any,
) -> AsyncIterator[Mortal]:
    """A node with an agent, whose way to Redis can be cut."""
    if not settings.redis_url.startswith("unix://"):
        pytest.skip("needs a store of one server")
    async with Proxy(settings.redis_url.removeprefix("unix://")) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        async with working(
            settings, raw, script, cleaning, redis_url=url, role="worker", **changed
        ) as desk:
            yield Mortal(desk.node, raw, proxy)


@asynccontextmanager
async def after_a_crash(
    settings: Settings, raw: redis.asyncio.Redis, script: Script, **changed: Any
) -> AsyncIterator[Desk]:
    """A task whose first attempt has died, where its agent said "ready"; another process goes on."""
    async with working(settings, raw, never, role="front") as desk:
        await desk.send()
        async with mortal(settings, raw, script) as first:
            await desk.until_said("ready")
            await first.crash()
        await is_whole(desk.manager)
        await desk.take_over()
        async with working(settings, raw, script, role="worker", **changed):
            yield desk


async def dies(run: Run) -> None:
    """Get to where a first attempt is to die; later ones go on."""
    if run.attempt == 1:
        await run.working("ready")
        await hangs(run)


def words(event: Event) -> str | None:
    """The words of an event's message."""
    return text_of(event.message) if event.message else None


def last_words(task: Json) -> str:
    """What a task says last."""
    return text_of(task["status"]["message"])


def artifacts_of(task: Json) -> dict[str, str]:
    """A task's artifacts: their names and texts."""
    return {artifact["name"]: text_of(artifact) for artifact in task.get("artifacts", ())}


def text_of(told: Json) -> str:
    """A message's or an artifact's text."""
    return "".join(part.get("text", "") for part in told["parts"])


def messages_of(task: Json) -> Iterator[str]:
    """All that was said in a task, in order."""
    status = task["status"]
    for said in [*task.get("history", ()), *([status["message"]] if "message" in status else ())]:
        yield text_of(said)


async def true(value: Any) -> Any:
    """A value, for `until`."""
    return value


async def echo(run: Run) -> None:
    await run.complete(f"You said {run.text}")


async def never(run: Run) -> None:
    raise AssertionError("this agent is never run")


async def hangs(run: Run) -> None:
    await asyncio.Event().wait()


async def raises(run: Run) -> None:
    raise LookupError("the secret password is 1234")


@dataclass
class Notes:
    """What a test's agents note, and for which others wait."""

    lines: list[str] = field(default_factory=list[str])

    def note(self, line: str) -> str:
        self.lines.append(line)
        return line

    async def until(self, line: str) -> None:
        """Wait for a line."""
        await until(lambda: true(line in self.lines))


def stubborn(began: asyncio.Event, let_go: asyncio.Event) -> Script:
    """An agent that doesn't stop when it is told to, until it is let go."""

    async def doesnt_stop(run: Run) -> None:
        began.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    return doesnt_stop
