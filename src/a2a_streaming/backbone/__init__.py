"""Redis, as the rest of the package sees it: one front door, `RedisManager`."""

from a2a_streaming.backbone.manager import RedisManager

__all__ = ["RedisManager"]
