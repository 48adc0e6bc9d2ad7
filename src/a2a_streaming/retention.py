"""Retention: for how long ended tasks are kept, by their state, their agent and their owner; pure, but for reading the file.

[[rule]]                       # the first that fits a task holds for it
states = ["failed"]            # what is left out fits all
agents = ["billing"]
owners = ["vip-*"]             # with * and ? as in file names
redis_days = 2                 # in Redis, with its history; left out: A2A_HISTORY_TTL and A2A_SNAPSHOT_TTL hold
archive_days = 3650            # in the archive; 0: it isn't archived; left out: A2A_ARCHIVE_DAYS holds
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.settings import Settings
from a2a_streaming.task import TERMINAL, State

_LABELS = {state.label for state in TERMINAL}
Days = Annotated[float, Field(ge=0, le=36_525)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    states: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    redis_days: Days | None = None
    archive_days: Days | None = None

    @field_validator("states")
    @classmethod
    def _are_ends(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := set(value) - _LABELS:
            raise ValueError(
                f"{', '.join(sorted(wrong))}: no task ends so; choose of {', '.join(sorted(_LABELS))}"
            )
        return value

    def fits(self, state: str, agent: str, owner: str) -> bool:
        return (
            (not self.states or state in self.states)
            and (not self.agents or agent in self.agents)
            and (not self.owners or any(fnmatchcase(owner, one) for one in self.owners))
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: tuple[_Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """For how long a task is kept.

    Args:
        redis_seconds: In Redis, after its end; None for as long as the settings say.
        archive_days: In the archive; 0 if it isn't archived.
    """

    redis_seconds: float | None
    archive_days: float


class Retention:
    """Says it.

    Args:
        rules: The rules, the first that fits first.
        archive_days: What holds without one.
    """

    def __init__(self, rules: Sequence[_Rule] = (), *, archive_days: float = 0.0) -> None:
        self._rules = tuple(rules)
        self._archive_days = archive_days

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return what the settings say.

        Args:
            settings: The settings.

        Raises:
            InvalidSetting: The file can't be read, or isn't one.
        """
        days = settings.archive_days if settings.archive_url else 0.0
        if not settings.retention:
            return cls(archive_days=days)
        try:
            told = tomllib.loads(Path(settings.retention).read_text(encoding="utf-8"))
            rules = _File.model_validate(told).rule
        except (OSError, ValueError, ValidationError) as error:
            raise InvalidSetting(
                f"A2A_RETENTION names {settings.retention}, which can't be used: {error}. "
                "docs/audit.md says what such a file looks like."
            ) from error
        if not settings.archive_url and any(rule.archive_days for rule in rules):
            raise InvalidSetting(
                "A2A_RETENTION names a file whose rules keep tasks in an archive, and there is none: "
                "set A2A_ARCHIVE_URL."
            )
        return cls(rules, archive_days=days)

    def of(self, state: State, agent: str, owner: str) -> Kept:
        """Return for how long a task is kept.

        Args:
            state: How it ended.
            agent: Whose it was to do.
            owner: Whose it is.
        """
        for rule in self._rules:
            if rule.fits(state.label, agent, owner):
                days = self._archive_days if rule.archive_days is None else rule.archive_days
                seconds = None if rule.redis_days is None else rule.redis_days * 86_400
                return Kept(seconds, days)
        return Kept(None, self._archive_days)
