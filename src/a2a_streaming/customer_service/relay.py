"""Relaying a specialist's stream into the customer's task, translated from the first dialect."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from a2a_streaming import Run
from a2a_streaming.client import StreamEvent
from a2a_streaming.event import artifact_event, text_part
from a2a_streaming.task import Json

KEY = "delegate"
"""Where a delegation stands in the task's metadata."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A child task at a specialist's.

    Args:
        agent: The specialist.
        task: The child's id.
        after: The position of the question that waits for the customer; empty while none does.
        asked: When it was asked, as the child says it.
        rest: The specialists whose turn comes afterwards.
    """

    agent: str
    task: str
    after: str = ""
    asked: str = ""
    rest: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """Return it as the task's metadata keep it."""
        told: Json = {"agent": self.agent, "task": self.task}
        if self.after:
            told |= {"after": self.after, "asked": self.asked}
        if self.rest:
            told["rest"] = list(self.rest)
        return told

    @classmethod
    def from_json(cls, value: Any) -> Delegation | None:
        """Read it back; None if it is none. A client may have written it: check the task's id."""
        match value:
            case {"agent": str(agent), "task": str(task), **others}:
                after, asked, rest = (others.get(key) for key in ("after", "asked", "rest"))
                return cls(
                    agent,
                    task,
                    after if isinstance(after, str) else "",
                    asked if isinstance(asked, str) else "",
                    tuple(str(name) for name in rest) if isinstance(rest, list) else (),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
                )
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child's turn ended.

    Args:
        state: The child's state (first dialect).
        text: What it said last.
        parts: What else it said, A2A 1.0 parts.
        position: The last event's position.
        at: The last event's time, as the child says it.
    """

    state: str
    text: str = ""
    parts: list[Json] = field(default_factory=list[Json])
    position: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a child's story was relayed in this turn; stored with each event that was.

    Args:
        position: The last event that was; empty while none was.
        at: Its time, as the child says it.
        ended: Whether the child's part in the turn is over.
    """

    position: str = ""
    at: str = ""
    ended: bool = False

    @classmethod
    def of(cls, run: Run, child: str) -> Place | None:
        """Return how far an earlier attempt came; None if it didn't begin."""
        stored = run.bookmark(_name(child))
        return None if stored is None else cls(**stored)

    def bookmark(self, child: str) -> tuple[str, Any]:
        """Return it as a run stores it."""
        return _name(child), asdict(self)


def _name(child: str) -> str:
    return f"relay {child}"


async def relay(
    run: Run, delegation: Delegation, events: AsyncGenerator[StreamEvent]
) -> Outcome | None:
    """Relay a child's events, as they come, until its turn ends.

    With each event that is relayed its position is stored, so that a second attempt goes on behind it.

    After a reset the artifacts of its task take the place of those that were relayed, and what was said
    before isn't said again.

    Args:
        run: The customer's run.
        delegation: The child.
        events: The child's stream.

    Returns:
        How the turn ended; None if the stream ended without a word about that.

    Raises:
        RemoteError: The specialist refuses.
        AgentUnreachable: Something other than an agent answers there.
        StreamLost: The stream was cut and couldn't be taken up in time.
    """
    metadata = {"agent": delegation.agent, KEY: delegation.to_json()}
    place = Place.of(run, delegation.task)
    latest = place.at if place and place.at else delegation.asked
    async with aclosing(events):
        async for event in events:
            if event.kind == "artifact":
                here = Place(event.position, latest)
                await _relay_artifact(run, delegation, event.data["artifact"], here)
                continue
            if event.kind not in ("status", "reset"):
                continue
            status = event.data["status"]
            at = str(status.get("timestamp", ""))
            known = at != "" and at == latest
            text, parts = _split_status(status)
            if event.reset is not None:
                for artifact in event.reset.task.get("artifacts", ()):
                    await _relay_artifact(run, delegation, artifact, Place(at=latest))
            if event.final or _waits_anew(event, known=known):
                return Outcome(status["state"], text, parts, event.position, at)
            if (text or parts) and not (event.reset is not None and known):
                here = Place(event.position, at).bookmark(delegation.task)
                await run.working(text, *parts, metadata=metadata, bookmark=here)
            latest = at
    return None


def _waits_anew(event: StreamEvent, *, known: bool) -> bool:
    """Say whether a reset's task waits for the customer, with a question they haven't answered yet."""
    return event.reset is not None and event.state == "input-required" and not known


async def _relay_artifact(run: Run, delegation: Delegation, artifact: Json, here: Place) -> None:
    """Relay an artifact, or a chunk of one.

    Its id follows from the child's, so that a second attempt's takes the place of the first's, and a
    child that begins an artifact anew does so here too.
    """
    seed = f"{delegation.task}\n{artifact.get('index', 0)}".encode()
    told: Json = {
        "artifactId": hashlib.blake2b(seed, digest_size=8).hexdigest(),
        "parts": [read_part(part) for part in artifact["parts"]],
    }
    for key in ("name", "description", "metadata"):
        if artifact.get(key):
            told[key] = artifact[key]
    last = artifact.get("lastChunk")
    await run.emit(
        artifact_event(
            run.task_id,
            run.context_id,
            told,
            index=run.index_of(told["artifactId"]),
            append=bool(artifact.get("append")),
            last_chunk=last if isinstance(last, bool) else None,
        ),
        wait=last is not False,  # more follows: what comes together goes together
        bookmark=here.bookmark(delegation.task),
    )


def _split_status(status: Json) -> tuple[str, list[Json]]:
    said: Json = status.get("message") or {}
    return _split(said if said.get("role") == "agent" else {})


def _split(message: Json) -> tuple[str, list[Json]]:
    """Return a message's text, and its other parts."""
    parts = [read_part(part) for part in message.get("parts", ())]
    texts = [part["text"] for part in parts if "text" in part]
    return "\n".join(texts), [part for part in parts if "text" not in part]


def read_part(part: Json) -> Json:
    """Read a part of the first dialect; return it as A2A 1.0 has it."""
    match part:
        case {"text": str(text)}:
            read = text_part(text)
        case {"data": data}:
            read: Json = {"data": data, "mediaType": "application/json"}
        case {"file": {"bytes": str(content), **named}}:
            read = {"raw": content, **_named(named)}
        case {"file": {"uri": str(address), **named}}:
            read = {"url": address, **_named(named)}
        case _:
            read = text_part("")
    if part.get("metadata"):
        read["metadata"] = part["metadata"]
    return read


def tell_part(part: Json) -> Json:
    """Tell a part of A2A 1.0 in the first dialect."""
    match part:
        case {"text": str(text)}:
            told: Json = {"type": "text", "text": text}
        case {"data": data}:
            told = {"type": "data", "data": data if isinstance(data, dict) else {"value": data}}
        case _:
            content = {"bytes": part["raw"]} if "raw" in part else {"uri": part.get("url", "")}
            names = {"name": part.get("filename"), "mimeType": part.get("mediaType")}
            told = {"type": "file", "file": content | {k: v for k, v in names.items() if v}}
    if part.get("metadata"):
        told["metadata"] = part["metadata"]
    return told


def _named(file: Json) -> Json:
    names = {"filename": file.get("name"), "mediaType": file.get("mimeType")}
    return {key: value for key, value in names.items() if value}
