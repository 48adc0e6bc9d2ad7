"""The installation needs a hand."""

from __future__ import annotations

from pathlib import Path

from a2a_streaming.errors.base import A2AStreamingError


class SetupError(A2AStreamingError):
    """The installation needs a hand; the message says which."""


class StoreUnavailable(SetupError):
    """Redis can't be reached or started.

    Args:
        reason: One sentence that says why and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class DataDirInUse(SetupError):
    """Another process holds the data directory.

    Args:
        data_dir: The directory.
    """

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"Another `a2a-streaming up` is using the data directory {data_dir}. "
            "Stop it, or choose another directory with --data-dir."
        )
        self.data_dir = data_dir


class InvalidSetting(SetupError):
    """A setting is wrong.

    Args:
        detail: Which one, why, and what to set instead.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
