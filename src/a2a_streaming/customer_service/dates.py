"""Dates as customers write them, read without a model; pure.

Numbers between dots or slashes are day first. A day without a year is the next such day; a weekday is
the next such day, and `next Tuesday` the Tuesday of next week. What is read is said back before
anything is done with it.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]  # fmt: skip
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]  # fmt: skip

_MONTH = "|".join(f"{month}|{month[:3]}" for month in _MONTHS) + "|sept"
_DAY = "|".join(_DAYS) + "|tues?|wed|thu(?:rs)?|fri"  # not those that are words of their own
_NUMBER = r"\d{1,2}|an?|" + "|".join(_NUMBERS[1:])
_ORDINAL = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(\d{4}))?"

_DATES = re.compile(
    rf"""
      \b(?P<iso>(\d{{4}})-(\d{{1,2}})-(\d{{1,2}}))\b
    | \b(?P<numeric>(\d{{1,2}})[./](\d{{1,2}})(?:[./](\d{{4}}))?)(?![\d])
    | \b(?P<day_month>{_ORDINAL}\s+(?:of\s+)?({_MONTH})\b\.?{_YEAR})
    | \b(?P<month_day>({_MONTH})\b\.?\s+(?:the\s+)?{_ORDINAL}\b{_YEAR})
    | \b(?P<after_tomorrow>day\s+after\s+tomorrow)\b
    | \b(?P<word>today|tomorrow)\b
    | \b(?P<in>in\s+({_NUMBER})\s+(day|week)s?)\b
    | \b(?P<weekday>(?:(next|this|coming)\s+)?({_DAY}))\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SHIFT = re.compile(
    rf"\b(?:by\s+)?({_NUMBER})\s+(day|week)s?\s+(later|earlier|sooner|forward|back|after|before)\b",
    re.IGNORECASE,
)
_EARLIER = frozenset({"earlier", "sooner", "forward", "before"})


def find_dates(text: str, today: date) -> list[date]:
    """Return the dates that a text names, in order; what looks like one and is none is left out.

    Args:
        text: The text.
        today: The day from which to count.
    """
    found = (_read(match, today) for match in _DATES.finditer(text))
    return [day for day in found if day is not None]


def find_shift(text: str) -> timedelta | None:
    """Return by how much a text asks to move something, as in `two days later`; None if it doesn't."""
    match = _SHIFT.search(text)
    if match is None:
        return None
    days = _number(match[1]) * (7 if match[2].lower() == "week" else 1)
    return timedelta(-days if match[3].lower() in _EARLIER else days)


def say(day: date) -> str:
    """Return a date in words that can't be misread: `Thursday, 4 March 2027`."""
    return f"{_DAYS[day.weekday()].title()}, {day.day} {_MONTHS[day.month - 1].title()} {day.year}"


def _read(match: re.Match[str], today: date) -> date | None:
    kind = match.lastgroup
    got = [group for group in match.groups() if group is not None][1:]
    match kind:
        case "iso":
            return _make(int(got[0]), int(got[1]), int(got[2]))
        case "numeric":
            return _next(int(got[0]), int(got[1]), got[2] if len(got) > 2 else None, today)
        case "day_month":
            return _next(int(got[0]), _month(got[1]), got[2] if len(got) > 2 else None, today)
        case "month_day":
            return _next(int(got[1]), _month(got[0]), got[2] if len(got) > 2 else None, today)
        case "after_tomorrow":
            return today + timedelta(2)
        case "word":
            return today + timedelta(match[0].lower() == "tomorrow")
        case "in":
            return today + timedelta(_number(got[0]) * (7 if got[1].lower() == "week" else 1))
        case _:
            return _weekday(got[-1], next_week=got[0].lower() == "next", today=today)


def _weekday(name: str, *, next_week: bool, today: date) -> date:
    wanted = next(n for n, day in enumerate(_DAYS) if day.startswith(name.lower()[:3]))
    if next_week:
        return today + timedelta(7 - today.weekday() + wanted)
    return today + timedelta((wanted - today.weekday() - 1) % 7 + 1)


def _next(day: int, month: int, year: str | None, today: date) -> date | None:
    if year is not None:
        return _make(int(year), month, day)
    for ahead in range(5):  # 29 February may be four years away
        made = _make(today.year + ahead, month, day)
        if made is not None and made >= today:
            return made
    return None


def _make(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month(name: str) -> int:
    return next(
        n for n, month in enumerate(_MONTHS, 1) if month.startswith(name.lower().rstrip(".")[:3])
    )


def _number(text: str) -> int:
    text = text.lower()
    if text.isdigit():
        return int(text)
    return 1 if text in ("a", "an") else _NUMBERS.index(text)
