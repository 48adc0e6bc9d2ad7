"""All conversations on all databases with all readers, each once unharmed and then killed at random points.

    python -m chaos.conversations --seed 1 --kills 6

Every play is judged as in `make test`: what the customer is told, the log, and what the systems of record hold
afterwards. Exit code 1 if anything is otherwise than the conversation's file says.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from chaos.fleet import run
from chaos.stores import StoreProcess
from conversations.playing import Kill, Playing
from conversations.script import CONVERSATIONS, Conversation
from conversations.stage import Database, Reader, Stage
from customer_service.records.databases import Filled, postgresql, program


@dataclass(frozen=True)
class Play:
    """One play of the matrix.

    Args:
        conversation: The conversation.
        database: What the systems of record are in.
        reader: Who reads and words.
        kill: Where the platform is killed; None to let it live.
    """

    conversation: Conversation
    database: Database
    reader: Reader
    kill: Kill | None

    def __str__(self) -> str:
        return f"{self.conversation.name} on {self.database}, {self.reader}, {self.kill}"


@dataclass
class Report:
    """What a run did and found."""

    plays: Counter[str] = field(default_factory=Counter[str])
    killed: Counter[str] = field(default_factory=Counter[str])
    inside: Counter[str] = field(default_factory=Counter[str])
    again: Counter[str] = field(default_factory=Counter[str])
    events: Counter[str] = field(default_factory=Counter[str])
    faults: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    broken: Counter[str] = field(default_factory=Counter[str])

    def note(self, play: Play, playing: Playing) -> None:
        """Note how a play went."""
        name = play.conversation.name
        self.plays[name] += 1
        self.killed[name] += play.kill is not None
        self.inside[name] += playing.killed_inside
        self.events[name] += playing.frames
        self.again[name] += playing.begun_again
        if playing.faults:
            self.faults[str(play)] = playing.faults
            self.broken[name] += 1

    def table(self) -> str:
        """The figures, in Markdown."""
        counts = (self.plays, self.killed, self.inside, self.again, self.events, self.broken)
        rows = [(name, *(count[name] for count in counts)) for name in self.plays]
        total = ("in all", *(count.total() for count in counts))
        head = (
            "conversation",
            "plays",
            "with a kill",
            "inside a turn",
            "turns begun again",
            "events",
            "faults",
        )
        lines = [head, ("---",) * len(head), *sorted(rows), total]
        return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def matrix(seed: int, kills: int, databases: Sequence[Database], only: str = "") -> list[Play]:
    """Return all plays of a run.

    Args:
        seed: Draws where platforms are killed.
        kills: How many points a conversation is killed at, on each database with each reader.
        databases: The databases.
        only: The conversation to play; empty for all.
    """
    chance = random.Random(seed)
    plays: list[Play] = []
    for name, database, reader in itertools.product(CONVERSATIONS, databases, get_args(Reader)):
        conversation = CONVERSATIONS[name]
        points = [Kill.draw(conversation, chance) for _ in range(kills)]
        if only in ("", name):
            plays += [Play(conversation, database, reader, kill) for kill in (None, *points)]
    return plays


async def conversation_run(plays: list[Play], *, at_once: int) -> Report:
    """Play them all.

    Args:
        plays: The plays.
        at_once: How many at the same time.
    """
    report = Report()
    queue = iter(plays)
    with (
        tempfile.TemporaryDirectory(prefix="a2a-conversations-") as made,
        ExitStack() as servers,
    ):
        databases: set[Database] = {play.database for play in plays}
        server = servers.enter_context(postgresql()) if "postgresql" in databases else ""
        directory = Path(made)
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(StoreProcess(directory / "redis"))
            filled = Filled(directory)
            stage = Stage(filled, f"unix://{store.socket}", lambda: server)

            async def take() -> None:
                for play in queue:
                    place = directory / f"play{report.plays.total()}-{id(play)}"
                    place.mkdir()
                    playing = await stage.play(
                        play.conversation, play.database, play.reader, place, play.kill
                    )
                    report.note(play, playing)
                    if playing.faults:
                        print(f"{play}\n  " + "\n  ".join(playing.faults))
                        print((place / "log").read_text()[-4000:])

            await stage.prepare(directory, databases)
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(take())
    return report


def main() -> int:
    """Print what was found; exit with 1 if something broke."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kills", type=int, default=6, help="points to kill each at, on each")
    options.add_argument("--only", default="", choices=["", *CONVERSATIONS])
    options.add_argument("--at-once", type=int, default=4)
    asked = options.parse_args()
    began = time.monotonic()
    databases: Sequence[Database] = get_args(Database)
    if program("postgres") is None:
        databases = ("sqlite",)
        print("There is no PostgreSQL on this machine: this is half of the matrix.")
    plays = matrix(asked.seed, asked.kills, databases, asked.only)
    report = run(conversation_run(plays, at_once=asked.at_once))
    print(report.table())
    print(f"\nseconds: {time.monotonic() - began:.0f}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
