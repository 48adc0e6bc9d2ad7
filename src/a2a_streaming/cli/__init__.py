"""The command line: `a2a-streaming`, also `python -m a2a_streaming`."""

from a2a_streaming.cli.main import main

__all__ = ["main"]
