"""The archive: ended tasks in files or in a bucket, where they are found by their id and by their owner.

    tasks/<d>/<digest of the id>.jsonl         a task's story: lines that form a chain
    owners/<digest of the owner>/<the same>    a marker: whose it is
    expires/<day>/<the same>                   a marker: until when it is kept

So nothing is ever looked for among all tasks. All is written such that it may be written again.
"""

from __future__ import annotations

from a2a_streaming.archive.shelves import Archive, open_archive
from a2a_streaming.archive.story import Story, lines_of, read_story

__all__ = ["Archive", "Story", "lines_of", "open_archive", "read_story"]
