"""A task's story as a file: what it was, as it was in the end, and each event of its log; pure.

Lines of JSON that form a chain, as `a2a_streaming.chain` has it. The first says whose task it is (`task`), the second
how it ended (`snapshot`); then there is one for each event (`event`), as it was stored, and the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from a2a_streaming.chain import Chain, verify
from a2a_streaming.position import Position
from a2a_streaming.task import Json, State

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Story:
    """All that there is of an ended task.

    Args:
        id: Its stored id.
        owner: Whose it is.
        agent: Whose it was to do.
        context: Its context.
        dialect: The dialect it was born in.
        state: How it ended.
        created: When it was accepted, ms since 1970; None if that isn't known.
        task: The task in the end (A2A 1.0 JSON), as its owner knows it.
        position: Where its log ended.
        events: The log, as far as it was still there: each event's position and JSON.
    """

    id: str
    owner: str
    agent: str
    context: str
    dialect: str
    state: State
    created: int | None
    task: Json
    position: Position
    events: Sequence[tuple[Position, bytes]] = ()


def lines_of(story: Story, chain: Chain, **about: Any) -> Iterator[bytes]:
    """Return the file's lines, without the end.

    Args:
        story: The story.
        chain: The chain that they are part of.
        about: What the first line tells beside.
    """
    header = {
        "kind": "task",
        "format": FORMAT,
        "id": story.id,
        "owner": story.owner,
        "agent": story.agent,
        "context": story.context,
        "dialect": story.dialect,
        "state": story.state.value,
        "created": story.created,
        **about,
    }
    yield chain.line(orjson.dumps(header))
    snapshot = {"kind": "snapshot", "position": str(story.position), "task": story.task}
    yield chain.line(orjson.dumps(snapshot))
    for position, data in story.events:
        yield chain.line(event_entry(position, data))


def event_entry(position: Position, data: bytes) -> bytes:
    """Return what a line says of an event.

    Args:
        position: Where it stands.
        data: Its JSON, as it is stored.
    """
    return b'{"kind":"event","position":"%b","event":%b}' % (str(position).encode(), data)


def file_of(story: Story, **about: Any) -> tuple[bytes, str]:
    """Return a whole file, and its head; arguments as for `lines_of`."""
    chain = Chain()
    lines = [*lines_of(story, chain, **about), chain.end()]
    return b"".join(lines), chain.head


def read_story(file: bytes) -> tuple[Story, Json]:
    """Read a file.

    Returns:
        The story, and its first line's entry.

    Raises:
        ChainBroken: It was changed or cut off.
    """
    entries = verify(file.splitlines(keepends=True)).entries
    header, snapshot = entries[0], entries[1]
    story = Story(
        id=header["id"],
        owner=header["owner"],
        agent=header["agent"],
        context=header["context"],
        dialect=header["dialect"],
        state=State(header["state"]),
        created=header["created"],
        task=snapshot["task"],
        position=Position.parse(snapshot["position"]),
        events=[
            (Position.parse(one["position"]), orjson.dumps(one["event"])) for one in entries[2:]
        ],
    )
    return story, header
