"""What a second attempt at a turn begins with: the task without what no finished step has produced.

A run notes in its events which turn they belong to, and which step produced them (in the metadata, under
`task.INTERNAL`). When the process dies, what it said and sent is in the task; the next attempt says and
sends it again, but for what a finished step has produced. So it begins with events that take the rest
away: no half artifact stays beside its repetition, and nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from a2a_streaming.event import FORMAT_VERSION, artifact_event, task_event, timestamp
from a2a_streaming.task import INTERNAL, Json, State, artifact_index


def noted(event: Json, *, turn: str, step: str | None) -> Json:
    """Note in an event what it comes from; the event that is handed in stays as it is.

    Args:
        event: A StreamResponse (A2A 1.0 JSON).
        turn: The id of the message whose turn it belongs to.
        step: The step that produces it; None outside of any.
    """
    match event:
        case {"artifactUpdate": update} if not update.get("append"):
            notes = {"turn": turn} if step is None else {"turn": turn, "step": step}
            return {"artifactUpdate": _with(update, notes)}
        case {"statusUpdate": {"status": {"message": said} as status} as update} if step:
            status = {**status, "message": _with(said, {"step": step})}
            return {"statusUpdate": {**update, "status": status}}
        case _:
            return event


def begin_again(task: Json, turn: str, finished: Container[str]) -> list[Json]:
    """Return the events with which a second attempt at a turn begins.

    Args:
        task: The task as the attempt before left it (A2A 1.0 JSON); stays as it is.
        turn: The id of the message whose turn it is.
        finished: The steps that are finished.

    Returns:
        For each artifact that goes, one that empties it (for dialects in which no event tells the whole
        task); then a `task` event, the task without all that goes.
    """
    said = task["status"].get("message")
    history: list[Json] = [*task.get("history", ()), *([said] if said else ())]
    place = next((n for n, one in enumerate(history) if one["messageId"] == turn), len(history))
    artifacts: list[Json] = task.get("artifacts", [])
    kept = [
        one
        for one in artifacts
        if _turn(one) != turn or _step(one) in finished or f"a {one['artifactId']}" in finished
    ]
    dropped = [one for one in artifacts if one not in kept]
    begun: Json = {
        **task,
        "status": {"state": State.WORKING.value, "timestamp": timestamp()},
        "history": history[: place + 1]
        + [
            one
            for one in history[place + 1 :]
            if one["role"] == "ROLE_USER" or _step(one) in finished
        ],
    }
    if "artifacts" in task:
        begun["artifacts"] = kept
    begun["metadata"] = {**task.get("metadata", {}), INTERNAL: {"v": FORMAT_VERSION}}
    return [*(_emptied(task, artifact) for artifact in dropped), task_event(begun)]


def _emptied(task: Json, artifact: Json) -> Json:
    bare = {key: artifact[key] for key in ("artifactId", "name") if key in artifact}
    index = artifact_index(artifact)
    event = artifact_event(
        task["id"], task["contextId"], {**bare, "parts": []}, index=index, last_chunk=False
    )
    event["artifactUpdate"]["append"] = False
    return event


def _turn(artifact: Json) -> str:
    return _notes(artifact).get("turn", "")


def _step(thing: Json) -> str:
    return _notes(thing).get("step", "")


def _notes(thing: Json) -> dict[str, Any]:
    return thing.get("metadata", {}).get(INTERNAL, {})


def _with(thing: Json, notes: Json) -> Json:
    """Return a copy of an event's part with notes in its metadata."""
    metadata = thing.get("metadata", {})
    return {**thing, "metadata": {**metadata, INTERNAL: {**metadata.get(INTERNAL, {}), **notes}}}
