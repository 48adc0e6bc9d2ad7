"""Pages of logs that were just read: who comes back in a crowd, or twice, is told them without asking Redis."""

from __future__ import annotations

from collections import OrderedDict

from a2a_streaming.position import Position
from a2a_streaming.replay import Page


class Pages:
    """The pages that were used last, bounded in bytes.

    Args:
        max_bytes: The most that the events of all pages may weigh. What streams made of them comes on top, at
            most about as much for each dialect in use.
    """

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._pages: OrderedDict[tuple[str, Position | None], tuple[Page, int]] = OrderedDict()
        self._by_task: dict[str, set[Position | None]] = {}
        self._bytes = 0

    def get(self, task_id: str, after: Position | None) -> Page | None:
        """Return the page that follows on a position; None if it isn't here.

        Args:
            task_id: The task.
            after: The position; None for the log's start.
        """
        found = self._pages.get((task_id, after))
        if found is None:
            return None
        self._pages.move_to_end((task_id, after))
        return found[0]

    def put(self, task_id: str, after: Position | None, page: Page) -> None:
        """Keep a page; those that weren't used for longest make room."""
        self._drop(task_id, after)
        size = sum(len(event.data) for event in page)
        self._pages[task_id, after] = page, size
        self._by_task.setdefault(task_id, set()).add(after)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(*next(iter(self._pages)))

    def forget(self, task_id: str) -> None:
        """Drop a task's pages: its log may be another now, or nobody reads it any more."""
        for after in list(self._by_task.get(task_id, ())):
            self._drop(task_id, after)

    def _drop(self, task_id: str, after: Position | None) -> None:
        found = self._pages.pop((task_id, after), None)
        if found is None:
            return
        self._bytes -= found[1]
        of_task = self._by_task[task_id]
        of_task.discard(after)
        if not of_task:
            del self._by_task[task_id]
