"""Executors of a2a-sdk as agents: they run unchanged, and their events go into the log."""

from __future__ import annotations

from a2a_streaming.executors.agent import ExecutorAgent, as_agent

__all__ = ["ExecutorAgent", "as_agent"]
