"""A2A task streams that outlive processes and connections, with Redis in the middle.

The public names are loaded when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from a2a_streaming.version import VERSION

if TYPE_CHECKING:
    from a2a_streaming.agent import Agent
    from a2a_streaming.backbone.manager import RedisManager
    from a2a_streaming.http.app import create_app
    from a2a_streaming.run import Run
    from a2a_streaming.session import StreamSession
    from a2a_streaming.settings import Settings
    from a2a_streaming.wire.cards import agent_card

__all__ = [
    "Agent",
    "RedisManager",
    "Run",
    "Settings",
    "StreamSession",
    "agent_card",
    "create_app",
]

__version__ = VERSION

_HOMES = {
    "Agent": "a2a_streaming.agent",
    "RedisManager": "a2a_streaming.backbone.manager",
    "Run": "a2a_streaming.run",
    "Settings": "a2a_streaming.settings",
    "StreamSession": "a2a_streaming.session",
    "agent_card": "a2a_streaming.wire.cards",
    "create_app": "a2a_streaming.http.app",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
