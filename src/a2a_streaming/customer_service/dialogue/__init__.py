"""Conversations of specialists with customers: words are read apart from what is done with them."""

from __future__ import annotations

from a2a_streaming.customer_service.dialogue.agent import SpecialistAgent
from a2a_streaming.customer_service.dialogue.beyond import BEYOND, Beyond
from a2a_streaming.customer_service.dialogue.choosing import choose, likeliest
from a2a_streaming.customer_service.dialogue.earlier import Earlier
from a2a_streaming.customer_service.dialogue.flow import Flow, Slots
from a2a_streaming.customer_service.dialogue.talk import Talk
from a2a_streaming.customer_service.dialogue.wish import (
    AMONG,
    CONFIRM,
    Choice,
    Pending,
    Reader,
    Wish,
)

__all__ = [
    "AMONG",
    "BEYOND",
    "CONFIRM",
    "Beyond",
    "Choice",
    "Earlier",
    "Flow",
    "Pending",
    "Reader",
    "Slots",
    "SpecialistAgent",
    "Talk",
    "Wish",
    "choose",
    "likeliest",
]
