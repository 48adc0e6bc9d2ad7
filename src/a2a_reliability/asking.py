"""What the agent under test is asked to do, and how a run is bounded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from a2a_reliability.connection import Server
from a2a_reliability.dialects import textual
from a2a_reliability.events import Json


@dataclass(frozen=True, slots=True)
class Order:
    """What the agent is asked.

    By default it is one that ticks: on `tick 20 0.1 64` it emits an artifact in 20 chunks, 0.1 seconds apart,
    each `tick <n>;` padded to 64 bytes, and completes. Any other agent can be asked by a message of the user's
    own; then what depends on numbers isn't judged.

    Args:
        chunks: How many ticks.
        pause: Seconds between two.
        message: The user's own message (its JSON in the version's form), or None.
    """

    chunks: int = 20
    pause: float = 0.1
    message: Json | None = None

    @property
    def ticks(self) -> bool:
        """Whether the agent ticks."""
        return self.message is None

    def params(self, version: str, *, chunks: int, pause: float, size: int = 16) -> Json:
        """Return what is sent."""
        words = f"tick {chunks} {pause:g} {size}"
        said = textual(words, version) if self.message is None else self.message
        return {"message": {**said, "messageId": f"kit-{uuid.uuid4().hex}"}}


@dataclass(frozen=True, slots=True)
class Crash:
    """How the server is killed and started.

    Args:
        kill: Kills it.
        start: Starts it anew; returns when it was called, not when the server is up.
        bound: Seconds in which the server must be back, and in which its task must have ended then.
    """

    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    bound: float = 30


@dataclass(frozen=True, slots=True)
class Kit:
    """What a scenario works with.

    Args:
        server: The server under test.
        order: What its agent is asked.
        others: The same agent at other addresses.
        crash: How it is killed; None if it may not be.
        idle: Seconds of silence in which signs of life are looked for; 0 for not at all.
        herd: How many come at once.
        random: Draws where connections are cut.
    """

    server: Server
    order: Order = field(default_factory=Order)
    others: tuple[Server, ...] = ()
    crash: Crash | None = None
    idle: float = 0
    herd: int = 100
    random: Random = field(default_factory=lambda: Random(1))

    @property
    def version(self) -> str:
        """The version that is spoken."""
        return self.server.dialect.version


async def run_command(command: str, *, wait: bool) -> None:
    """Run a command of the user's own in a shell.

    Args:
        command: The command.
        wait: Whether to wait for its end; a server that is started stays.
    """
    process = await asyncio.create_subprocess_shell(command, start_new_session=True)
    if wait:
        await process.wait()
