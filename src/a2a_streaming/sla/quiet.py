"""Quiet hours: when nobody is to be raised, and when that ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_JUMPS = 64
"""From one quiet time right into the next, at most: 7 days of a few each."""


def _zone(value: Any) -> Any:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value)
    except Exception as error:  # of what kind depends on what is wrong with the name
        raise ValueError(f"{value!r} is no time zone that is known here, such as Europe/Berlin") from error  # fmt: skip


def _minutes(value: Any) -> Any:
    hours, colon, minutes = value.partition(":") if isinstance(value, str) else ("", "", "")
    well = colon and len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal()
    told = int(hours) * 60 + int(minutes) if well else -1
    if not 0 <= told <= 24 * 60 or int(minutes) > 59:
        raise ValueError(f"{value!r} is no time of day from 00:00 to 24:00")
    return told


Minutes = Annotated[int, BeforeValidator(_minutes)]
"""A time of day, minutes since midnight; read of `HH:MM`."""


class Hours(BaseModel):
    """A time of day that is quiet on some days of the week.

    Where it ends before it begins, it ends on the next day. Without hours the whole day is quiet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: tuple[Day, ...] = _DAYS
    begins: Minutes = Field(default=0, alias="from")
    ends: Minutes = Field(default=24 * 60, alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begins == self.ends:
            raise ValueError("from and to are the same time: leave both out for a whole day")
        return self

    def on(self, day: date, zone: ZoneInfo) -> tuple[int, int] | None:
        """Return when it begins and ends on a day, ms since 1970; None if that day isn't quiet.

        Args:
            day: The day on which it begins.
            zone: The time zone.
        """
        if _DAYS[day.weekday()] not in self.days:
            return None
        over = 24 * 60 if self.ends < self.begins else 0
        return _ms(day, self.begins, zone), _ms(day, self.ends + over, zone)


class Quiet(BaseModel):
    """When nobody is to be raised."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = Field(
        default_factory=lambda: ZoneInfo("UTC")
    )
    hours: tuple[Hours, ...] = ()

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self._after(0) is None:
            raise ValueError("hours leave no time that isn't quiet")
        return self

    def after(self, at: int) -> int:
        """Return a time itself or, if it is quiet then, when that ends.

        Args:
            at: The time, ms since 1970.
        """
        found = self._after(at)
        return at if found is None else found  # it was checked that quiet times end

    def _after(self, at: int) -> int | None:
        for _ in range(_MOST_JUMPS):
            ends = [end for begin, end in self._near(at) if begin <= at < end]
            if not ends:
                return at
            at = max(ends)
        return None

    def _near(self, at: int) -> Iterator[tuple[int, int]]:
        today = datetime.fromtimestamp(at / 1000, self.zone).date()
        for hours in self.hours:
            for day in (today - timedelta(days=1), today):
                found = hours.on(day, self.zone)
                if found is not None:
                    yield found


def _ms(day: date, minutes: int, zone: ZoneInfo) -> int:
    """Return a time of day as the clocks on the wall show it, ms since 1970."""
    days, rest = divmod(minutes, 24 * 60)
    wall = datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), tzinfo=zone)
    return int(wall.timestamp() * 1000)
