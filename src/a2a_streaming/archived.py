"""Archived tasks as their callers find them: after Redis has forgotten them, with the same owners."""

from __future__ import annotations

from a2a_streaming.archive import Archive, Story
from a2a_streaming.backbone.audit import Audit
from a2a_streaming.caller import Caller


class ArchivedTasks:
    """Finds them.

    Args:
        archive: The archive; None if there is none, so that nothing is found.
        audit: Where it is noted that somebody looks at another owner's.
        agent: Whose tasks they must be; None for any agent's.
    """

    def __init__(self, archive: Archive | None, audit: Audit, *, agent: str | None) -> None:
        self._archive = archive
        self._audit = audit
        self._agent = agent

    async def find(self, task_id: str, caller: Caller, does: str) -> Story | None:
        """Return a task's story; None if there is none that is there for the caller.

        Args:
            task_id: The task, by the id that the caller knows it by.
            caller: Who asks.
            does: What they do with it, for the audit; empty if they aren't told anything of it yet.

        Raises:
            Unavailable: The archive or Redis is away.
        """
        if self._archive is None or caller.task not in ("", task_id):
            return None
        story = await self._archive.find(caller.stored_id(task_id))
        if (
            story is None
            or self._agent not in (None, story.agent)
            or not caller.may_see(story.owner)
        ):
            return None
        if does and story.owner != caller.owner:
            await self._audit.note(caller, does, story.id, story.owner)
        return story
