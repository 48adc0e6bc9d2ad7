"""Archived tasks as operators see them, in the same table as those in Redis."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from a2a_streaming.archive import Archive, Story
from a2a_streaming.backbone.census import Row
from a2a_streaming.errors import InvalidParams, UnsupportedOperation
from a2a_streaming.ops.tasks import Wanted, row_told
from a2a_streaming.task import Json

_LOOKED_AT = 500
"""The most stories that are read for a page, where a filter leaves most of them out."""
_TOKEN = re.compile(r"[0-9a-f@/-]{1,160}")


class ArchivedTable:
    """Reads it.

    Args:
        archive: The archive; None if there is none.
    """

    def __init__(self, archive: Archive | None) -> None:
        self._archive = archive

    async def table(self, wanted: Wanted, *, size: int, token: str) -> Json:
        """Return a page of the table: of one owner, or of all by the day on which they leave the archive, the next first.

        Args:
            wanted: Which tasks; their last change is their end.
            size: The most tasks of the page; it may have fewer, and yet there are more.
            token: Where it begins, as the page before said; empty for the first.

        Raises:
            InvalidParams: The token is none.
            UnsupportedOperation: There is no archive, or something is asked that ended tasks don't have.
            Unavailable: The archive is away.
        """
        if self._archive is None:
            raise UnsupportedOperation(
                "There is no archive: A2A_ARCHIVE_URL says where one is. Leave archived out for what Redis has."
            )
        if wanted.silent is not None:
            raise UnsupportedOperation("Archived tasks have ended; none of them is silent.")
        if token and (not _TOKEN.fullmatch(token) or ".." in token):
            raise InvalidParams("token is what the page before told as its next.")
        now = time.time_ns() // 1_000_000
        since, until = wanted.between(now)
        found: list[Row] = []
        looked_at = 0
        while len(found) < size and looked_at < _LOOKED_AT:
            count = size - len(found)
            stories, token = await self._archive.page(wanted.owner, after=token, count=count)
            looked_at += count
            found += [
                row
                for row in map(_row, stories)
                if (since is None or row.changed >= since)
                and (until is None or row.changed <= until)
                and wanted.match(row, now)
            ]
            if not token:
                break
        return {"tasks": [row_told(row, 0) for row in found], "next": token or None}


def story_told(story: Story) -> Json:
    """Return all that is known of an archived task, as `Tasks.one` tells it of one in Redis.

    Args:
        story: Its story.
    """
    return {
        "task": {**story.task, "id": story.id},
        "meta": {
            "owner": story.owner,
            "agent": story.agent,
            "context": story.context,
            "dialect": story.dialect,
            "created": story.created,
            "state": story.state.label,
            "position": str(story.position),
            "snapshot": str(story.position),
            "epochs": [],
            "attempts": 0,
            "lease": None,
            "inbox": 0,
            "flags": ["archived"],
            "escalation": None,
        },
        "watchers": [],
        "children": [],
        "parent": None,
        "steps": [],
    }


def _row(story: Story) -> Row:
    """Return a story as a row of the table; its last change is its end."""
    told: str = story.task["status"].get("timestamp", "")
    ended = int(datetime.fromisoformat(told).timestamp() * 1000) if told else story.created or 0
    return Row(
        id=story.id,
        changed=ended,
        owner=story.owner,
        agent=story.agent,
        context=story.context,
        state=story.state,
        events=story.position.offset,
        attempts=0,
        created=story.created,
        text=_first_words(story.task),
    )


def _first_words(task: Json) -> str:
    history: list[Json] = task.get("history", [])
    parts: list[Any] = history[0].get("parts", []) if history else []
    return " ".join(part["text"] for part in parts if "text" in part)
