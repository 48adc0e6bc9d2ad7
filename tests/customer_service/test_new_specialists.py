"""Agents that no rule knows are found by their cards, and take nothing from the others."""

from __future__ import annotations

import pytest
from tools.intents import ROUTES

from a2a_streaming.customer_service.detection import OfflineDetector, Skill, Specialist

RETURNS = Specialist(
    "returns",
    "Takes back what customers bought.",
    (
        Skill(
            "start_return",
            "Return an item",
            "Registers a return and sends a label for the parcel.",
            ("return", "send back", "return label"),
            (
                "I want to return the jacket I bought",
                "How do I send an item back?",
                "Print me a return label",
            ),
        ),
        Skill(
            "return_status",
            "Status of a return",
            "Tells whether a returned parcel has arrived.",
            ("return status",),
            ("Has my return arrived?", "Did you get the shoes I sent back?"),
        ),
    ),
)
CLAIMS = Specialist(
    "claims",
    "Handles insurance claims.",
    (
        Skill(
            "file_claim",
            "File a claim",
            "Opens an insurance claim for damage, theft or delay.",
            ("insurance", "claim", "damage"),
            (
                "I want to file a claim for my broken suitcase",
                "My luggage was damaged, what does the insurance pay?",
                "Make an insurance claim",
            ),
        ),
        Skill(
            "claim_status",
            "Claim status",
            "Tells how far a claim has come.",
            ("claim status",),
            ("What is the status of my claim?",),
        ),
    ),
)
LOYALTY = Specialist(
    "loyalty",
    "Miles and status.",
    (
        Skill(
            "miles",
            "Miles balance",
            "Says how many miles a member has.",
            ("miles", "points", "frequent flyer"),
            ("How many miles do I have?", "When do my points expire?"),
        ),
    ),
)
PETS = Specialist("pets", skills=(Skill("pets_on_board", "Pets on board"),))
"""A card with next to nothing on it."""


@pytest.mark.parametrize(
    ("specialist", "text", "route"),
    [
        (RETURNS, "I'd like to send back the boots I ordered", "returns"),
        (RETURNS, "can I return an item that doesn't fit", "returns"),
        (RETURNS, "this sweater is too small, I want to return it", "returns"),
        (RETURNS, "I want to return my order", "returns"),
        (RETURNS, "has my return reached you yet", "returns"),
        (RETURNS, "print a return label please", "returns"),
        (RETURNS, "refund my flight", "billing"),
        (RETURNS, "I want a return flight to Berlin", "booking"),
        (RETURNS, "cancel my flight to Oslo", "booking"),
        (RETURNS, "what's my balance", "billing"),
        (RETURNS, "let me talk to a human", "human"),
        (RETURNS, "tell me a joke about sailors", None),
        (RETURNS, "who won the election", None),
        (CLAIMS, "my suitcase was stolen, I'd like to make a claim", "claims"),
        (CLAIMS, "does the insurance cover my broken phone", "claims"),
        (CLAIMS, "how is my claim going", "claims"),
        (CLAIMS, "I was charged twice in May", "billing"),
        (CLAIMS, "cancel my hotel", "booking"),
        (CLAIMS, "what is the best recipe for soup", None),
        (LOYALTY, "how many miles are on my account", "loyalty"),
        (LOYALTY, "when do my points run out", "loyalty"),
        (LOYALTY, "what is my account balance today", "billing"),
        (PETS, "may I bring my dog, it's a pet", "pets"),
        (PETS, "move my flight to Friday", "booking"),
    ],
)
async def test_a_card_alone_brings_its_messages_to_its_agent(
    specialist: Specialist, text: str, route: str | None
) -> None:
    reading = await OfflineDetector().detect(text, [*ROUTES, specialist])
    first = reading.intents[0]
    assert (first.route if first.confidence >= 0.5 else None) == route, first


async def test_the_intent_is_the_skill_that_is_meant() -> None:
    reading = await OfflineDetector().detect("what is the status of my claim", [*ROUTES, CLAIMS])
    assert reading.intents[0].intent == "claim_status"
    reading = await OfflineDetector().detect("I want to return a jacket", [*ROUTES, RETURNS])
    assert reading.intents[0].intent == "start_return"


async def test_without_its_card_there_is_no_such_route() -> None:
    reading = await OfflineDetector().detect("print a return label please", list(ROUTES))
    assert all(intent.route != "returns" for intent in reading.intents)


async def test_a_new_agent_stands_beside_the_others_in_one_message() -> None:
    reading = await OfflineDetector().detect(
        "print me a return label, and cancel my hotel in Rome", [*ROUTES, RETURNS]
    )
    assert [intent.route for intent in reading.intents] == ["returns", "booking"]
