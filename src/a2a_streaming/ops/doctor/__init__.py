"""The doctor: what is wrong with an installation, from what it tells of itself. Pure."""

from __future__ import annotations

from a2a_streaming.ops.doctor.findings import Finding, Level
from a2a_streaming.ops.doctor.formation import of_formation
from a2a_streaming.ops.doctor.processes import of_clocks, of_keys, of_nodes, of_queues
from a2a_streaming.ops.doctor.redis import of_redis
from a2a_streaming.ops.doctor.settings import of_settings

__all__ = [
    "Finding",
    "Level",
    "of_clocks",
    "of_formation",
    "of_keys",
    "of_nodes",
    "of_queues",
    "of_redis",
    "of_settings",
]
