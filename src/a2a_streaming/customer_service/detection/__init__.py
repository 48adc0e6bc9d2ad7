"""Intent detection: one interface, by Claude or offline."""

from __future__ import annotations

from a2a_streaming.customer_service.detection.offline import OfflineDetector
from a2a_streaming.customer_service.detection.reading import (
    HUMAN,
    OUT_OF_SCOPE,
    SMALLTALK,
    SPEAK_TO_HUMAN,
    Detector,
    Intent,
    Reading,
    Skill,
    Specialist,
)

__all__ = [
    "HUMAN",
    "OUT_OF_SCOPE",
    "SMALLTALK",
    "SPEAK_TO_HUMAN",
    "Detector",
    "Intent",
    "OfflineDetector",
    "Reading",
    "Skill",
    "Specialist",
]
