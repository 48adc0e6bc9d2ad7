"""Relaying a specialist's stream into the customer's task, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from a2a_streaming import Run
from a2a_streaming.customer_service.delegation.child import (
    KEY,
    Delegation,
    Outcome,
    Place,
    mark_of,
)
from a2a_streaming.customer_service.delegation.events import ChildEvent
from a2a_streaming.event import artifact_event
from a2a_streaming.task import HANDOVER, INTERNAL, Json, State


@dataclass(slots=True)
class Relay:
    """Relays one child's turn.

    Args:
        run: The customer's run.
        child: The child; its id is filled in when the specialist has told it.
        message: The id of the message that it was sent in this turn, under which its place is stored.
        greeting: What the customer is told when the specialist has taken the message; empty for nothing.
        place: How far an earlier attempt came; None if it didn't begin.
        noted: What else the customer's task is to keep.
    """

    run: Run
    child: Delegation
    message: str
    greeting: str = ""
    place: Place | None = None
    noted: Json = field(default_factory=dict[str, Any])

    async def until_over(self, events: AsyncGenerator[ChildEvent]) -> Outcome:
        """Relay events as they come, until the child's turn ends.

        With each event that is relayed its position is stored, so that a second attempt goes on behind it.
        A task that comes anew, after a reset, takes the place of all that was told before: its artifacts are
        relayed, and what was said before isn't said again.

        Args:
            events: The child's stream; it is closed.

        Raises:
            RemoteError: The specialist refuses.
            AgentUnreachable: Something other than an agent answers there.
            StreamLost: The stream was cut and couldn't be taken up in time.
        """
        mark = self.place.mark if self.place and self.place.mark else self.child.asked
        async with aclosing(events):
            async for event in events:
                if event.kind == "message":  # an agent that answers with a message alone
                    text, parts = _split(event.data)
                    return Outcome(State.COMPLETED, text, parts)
                if not self.child.task:
                    await self._begin(event)
                if event.kind == "artifact":
                    await self._artifact(event.data, event.position, mark)
                elif (outcome := await self._status(event, mark)) is not None:
                    return outcome
                else:
                    mark = mark_of(event.data["status"])
        raise AssertionError("a child's stream ends with the child's turn")

    async def _begin(self, event: ChildEvent) -> None:
        """Note which child it is, and tell the customer who works for them."""
        self.child = self.child.with_task(event.task_id)
        if self.greeting:
            place = Place(self.child.task, event.position, self.child.asked)
            await self.run.working(
                self.greeting, metadata=self.metadata, bookmark=place.bookmark(self.message)
            )

    @property
    def metadata(self) -> Json:
        """What the customer's task keeps of the delegation."""
        return {**self.noted, "agent": self.child.agent, KEY: self.child.to_json()}

    async def _status(self, event: ChildEvent, before: str) -> Outcome | None:
        """Relay a status, or a task as it is now; return the outcome if the turn ends with it."""
        status: Json = event.data["status"]
        state, mark = State(status["state"]), mark_of(status)
        whole = event.kind == "task" and (event.anew or state.terminal)
        if whole:
            for artifact in event.data.get("artifacts", ()):
                await self._artifact({"artifact": artifact}, "", before, whole=True)
        text, parts = _split(_said(status))
        known = mark != "" and mark == before
        if state.terminal or (state.interrupted and not known and (event.kind != "task" or whole)):
            told: Json = event.data.get("metadata", {})
            handover = told.get(HANDOVER)
            person = cast("Json", handover) if isinstance(handover, dict) else {}
            return Outcome(state, text, parts, event.position, mark, person, _answered(told))
        if (text or parts) and not known and (event.kind != "task" or whole):
            place = Place(self.child.task, event.position, mark).bookmark(self.message)
            step: object = event.data.get("metadata", {}).get("step")
            metadata = self.metadata | ({"step": step} if isinstance(step, str) else {})
            await self.run.working(text, *parts, metadata=metadata, bookmark=place)
        return None

    async def _artifact(
        self, update: Json, position: str, mark: str, *, whole: bool = False
    ) -> None:
        """Relay an artifact, or a chunk of one.

        Its id follows from the child's, so that a second attempt's takes the place of the first's, and a
        child that begins an artifact anew does so here too.
        """
        artifact: Json = update["artifact"]
        seed = f"{self.child.task}\n{artifact['artifactId']}".encode()
        told: Json = artifact | {
            "artifactId": hashlib.blake2b(seed, digest_size=8).hexdigest(),
            "parts": artifact.get("parts", []),
        }
        if "metadata" in told:
            told["metadata"] = {k: v for k, v in told["metadata"].items() if k != INTERNAL}
        run, last = self.run, bool(update.get("lastChunk"))
        await run.emit(
            artifact_event(
                run.task_id,
                run.context_id,
                told,
                index=run.index_of(told["artifactId"]),
                append=bool(update.get("append")),
                last_chunk=None if whole else last,
            ),
            wait=last,  # else more follows: what comes together goes together
            bookmark=Place(self.child.task, position, mark).bookmark(self.message),
        )


def _answered(metadata: Json) -> Json:
    """Return what a specialist says of who has answered: Claude, or its rules, and why."""
    who = ("answeredBy", "reason")
    return {key: metadata[key] for key in who if isinstance(metadata.get(key), str)}


def _said(status: Json) -> Json:
    said: Json = status.get("message") or {}
    return said if said.get("role") == "ROLE_AGENT" else {}


def _split(said: Json) -> tuple[str, list[Json]]:
    """Return a message's text, and its other parts."""
    parts: list[Json] = said.get("parts", [])
    texts = [part["text"] for part in parts if "text" in part]
    return "\n".join(texts), [part for part in parts if "text" not in part]
