"""What customers ask of the Booking Agent that it can't do; pure."""

from __future__ import annotations

import re

CANNOT = {
    "bags": "add or change baggage",
    "seats": "choose or change seats",
    "class": "upgrade a booking to another class",
    "names": "change names or travellers",
    "meals": "order meals",
    "assistance": "arrange special assistance",
    "pets": "book pets",
    "length": "change how long a stay is or how many guests it is for",
    "times": "change the time of day",
    "places": "change where a booking is to",
    "extras": "add insurance, lounges or transfers",
    "others": "book anything but flights and hotels",
}
"""What it can't do, as it says it."""

_DO = (
    r"\b(?:add|put|chang\w*|choos\w+|pick|select|upgrad\w*|swap|correct|fix|updat\w*|modif\w*|edit|amend|bring|order|"
    r"get|buy|includ\w*|need|want|like|take|carry|reserve|book|request|extend|shorten|remove|switch|rent|hire)\b"
    r"(?:\W+(?!flights?\b|hotels?\b|rooms?\b|bookings?\b|trips?\b|stays?\b)[\w']+){0,4}?\W+"
)
"""To do something with a thing that stands right behind: of "book a flight with a bag" it is the flight."""
_THINGS = {
    "bags": r"(?:bags?|baggage|luggage|suitcases?)",
    "seats": r"(?:seats?|legroom)",
    "names": r"(?:names?|surname|spelling|passengers?|travell?ers?|companion)",
    "meals": r"(?:meals?|breakfast|dinner|lunch)",
    "assistance": r"(?:wheelchairs?|assistance)",
    "pets": r"(?:pets?|dogs?|cats?)",
    "length": r"(?:nights?|guests?|adults?|children)",
    "times": r"(?:time|departure|hour)",
    "places": r"(?:destinations?|routes?|airports?)",
    "extras": r"(?:insurance|lounges?|transfers?|shuttles?|taxis?|parking|wifi)",
    "others": r"(?:cars?|vans?|trains?|bus|buses|cruises?|tables?|restaurants?|tours?)",
}
_PATTERNS = {
    "class": re.compile(r"\bupgrad\w*\b|\bto (?:business|first|premium)\b", re.IGNORECASE),
    "length": re.compile(
        r"\b(?:extend|shorten|prolong)\b.*\b(?:stay|hotel|booking|room)\b", re.IGNORECASE
    ),
    **{
        f"{name} behind": re.compile(rf"{_DO}{things}\b", re.IGNORECASE)
        for name, things in _THINGS.items()
    },
}
_FREE = re.compile(
    r"\b(?:cancel\w*|call off|scrap|refund\w*|check(?:ing)?[- ]?in)\b", re.IGNORECASE
)
_NIGHTS = re.compile(r"\bfor\b[\w\s]{0,12}\bnights?\b", re.IGNORECASE)


def beyond(text: str) -> str | None:
    """Return which of the things that can't be done a text asks for; None if it asks for none.

    Args:
        text: What the customer says.
    """
    if _FREE.search(text):
        return None
    said = _NIGHTS.sub(" ", text)
    for name, pattern in _PATTERNS.items():
        if pattern.search(said):
            return name.partition(" ")[0]
    return None
