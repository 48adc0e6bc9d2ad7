"""The policy: which limits tasks have, what is done when one is exceeded, and when that is to wait.

It stands in a TOML file that `A2A_SLA` names; `docs/sla.md` tells what may stand in it.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.settings import Settings
from a2a_streaming.sla.quiet import Quiet

Priority: TypeAlias = Literal["urgent", "high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("urgent", "high", "normal", "low")
Measure: TypeAlias = Literal["first-event", "total", "human", "submitted", "working", "input-required", "auth-required"]  # fmt: skip
"""What is measured: from acceptance to the first event of a run, to the end; the wait for a person; a stay in a state."""
Does: TypeAlias = Literal["notify", "escalate", "cancel", "retry"]
SIGNED_WITH = "whsec_"
"""How a secret begins that is base64, as Standard Webhooks write it."""
_SECRET_BYTES = 24
_WITH_PEOPLE = frozenset({"escalate", "retry"})
"""What is pointless for a task that waits for a person already."""


def _seconds(value: Any) -> Any:
    return dict.fromkeys(PRIORITIES, value) if isinstance(value, int | float) else value


class Limit(BaseModel):
    """One limit, and what is done when a task exceeds it.

    Each stay in a state, and each wait for a person, is measured for itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, pattern=r"^[^\s@](?:[^@\n]*[^\s@])?$")
    measure: Measure
    agents: tuple[str, ...] = ("*",)
    seconds: Annotated[
        Mapping[Priority, Annotated[float, Field(gt=0, le=31_536_000)]], BeforeValidator(_seconds)
    ] = {}
    """By priority; empty for a wait for a person whose end the queue says."""
    actions: tuple[Does, ...] = ("notify",)
    repeats: int = Field(default=0, ge=0, le=1000)
    repeat_seconds: float = Field(default=300.0, ge=1, le=31_536_000)
    always: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.seconds and self.measure != "human":
            raise ValueError("seconds must be a number, or one for each of some of urgent, high, normal and low")  # fmt: skip
        if self.measure == "human" and (pointless := _WITH_PEOPLE & set(self.actions)):
            raise ValueError(
                f"actions can't have {' or '.join(sorted(pointless))}: the task waits for a person already"
            )
        if self.measure in ("input-required", "auth-required") and "retry" in self.actions:
            raise ValueError("actions can't have retry: nothing works on a task that waits for its customer")  # fmt: skip
        if len({"escalate", "cancel", "retry"} & set(self.actions)) > 1:
            raise ValueError("actions can have one of escalate, cancel and retry: make a second limit for another")  # fmt: skip
        return self

    def applies_to(self, agent: str) -> bool:
        """Say whether an agent's tasks have it."""
        return "*" in self.agents or agent in self.agents

    def ms(self, priority: Priority) -> int | None:
        """Return how long it allows, ms; None if it doesn't say so: tasks of that priority don't have it."""
        seconds = self.seconds.get(priority)
        return None if seconds is None else round(seconds * 1000)

    @property
    def least_ms(self) -> int:
        """How long it allows the most urgent, ms."""
        return round(min(self.seconds.values()) * 1000)


class Hook(BaseModel):
    """Where alerts are sent to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: AnyHttpUrl

    @field_validator("url")
    @classmethod
    def _bare(cls, value: AnyHttpUrl) -> AnyHttpUrl:
        if value.username or value.password:
            raise ValueError("must not carry a user or password: messages are signed")
        return value


class Policy(BaseModel):
    """All limits, and what they have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook: Hook | None = None
    quiet: Quiet = Quiet()
    limits: tuple[Limit, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [limit.name for limit in self.limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"limits need different names; more than one is called {twice[0]!r}")
        return self

    def of(self, agent: str) -> tuple[Limit, ...]:
        """Return the limits of an agent's tasks that their states tell: all but those of waits for a person."""
        return tuple(
            limit for limit in self.limits if limit.measure != "human" and limit.applies_to(agent)
        )

    @property
    def by_priority(self) -> bool:
        """Whether any limit of a task's own depends on its priority."""
        return any(
            len(set(limit.seconds.values())) > 1 or len(limit.seconds) < len(PRIORITIES)
            for limit in self.limits
            if limit.measure != "human"
        )

    def waits(self, otherwise: Mapping[str, float]) -> dict[str, float]:
        """Return after how many seconds somebody who waits for a person is first looked at, by priority.

        Args:
            otherwise: Where no limit says it.
        """
        told = dict(otherwise)
        for priority in PRIORITIES:
            waits = [limit.seconds for limit in self.limits if limit.measure == "human"]
            found = [seconds[priority] for seconds in waits if priority in seconds]
            if any(not seconds for seconds in waits):
                found.append(otherwise[priority])
            if found:
                told[priority] = min(found)
        return told


DEFAULT = Policy(limits=(Limit(name="waits for a person", measure="human"),))
"""Without a file: who waits for a person for longer than the queue allows is raised."""


def priority_of(told: Any) -> Priority:
    """Return a priority as whoever writes a task's metadata tells it; what is none of ours is normal."""
    return told if told in PRIORITIES else "normal"


def load_policy(settings: Settings) -> Policy:
    """Read the policy that the settings name. Without one, nothing but overdue tickets is raised.

    Args:
        settings: `sla`, and `sla_secret` with which webhooks are signed.

    Raises:
        InvalidSetting: It can't be read, or says what can't be; the message says where.
    """
    if not settings.sla:
        return DEFAULT
    path = Path(settings.sla)
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidSetting(f"A2A_SLA names {path}, which can't be read ({error.strerror}).") from error  # fmt: skip
    except ValueError as error:  # no TOML, or no UTF-8
        raise InvalidSetting(f"A2A_SLA names {path}, which is no TOML: {error}.") from error
    try:
        policy = Policy.model_validate(told)
    except ValidationError as error:
        wrong = "; ".join(f"{_place(item['loc'], told)}: {_said(item['msg'])}" for item in error.errors())  # fmt: skip
        raise InvalidSetting(f"A2A_SLA names {path}, which is wrong. {wrong}.") from error
    if policy.webhook is not None:
        secret_of(settings)
    if not any(limit.measure == "human" for limit in policy.limits):
        policy = policy.model_copy(update={"limits": (*policy.limits, *DEFAULT.limits)})
    return policy


def secret_of(settings: Settings) -> bytes:
    """Return what webhooks are signed with.

    Args:
        settings: `sla_secret`: 24 bytes or more, or `whsec_` and their base64.

    Raises:
        InvalidSetting: There is none, or it is too short.
    """
    told = settings.sla_secret.get_secret_value() if settings.sla_secret is not None else ""
    secret = told.encode()
    if told.startswith(SIGNED_WITH):
        try:
            secret = base64.b64decode(told.removeprefix(SIGNED_WITH), validate=True)
        except binascii.Error as error:
            raise InvalidSetting("A2A_SLA_SECRET begins with whsec_, and isn't base64 after that.") from error  # fmt: skip
    if len(secret) < _SECRET_BYTES:
        raise InvalidSetting(
            f"A2A_SLA names a file with a webhook, so A2A_SLA_SECRET needs {_SECRET_BYTES} bytes or more, for "
            "example of `openssl rand -hex 32`: alerts are signed with it."
        )
    return secret


def _place(loc: tuple[int | str, ...], told: Any) -> str:
    """Return where something stands in the file: a limit by its name, if it has one."""
    said = ""
    for part in loc:
        if isinstance(part, int):
            listed = cast("list[Any]", told) if isinstance(told, list) else []
            told = listed[part] if part < len(listed) else None
            name = cast("dict[str, Any]", told).get("name") if isinstance(told, dict) else None
            said += f"[{name!r}]" if isinstance(name, str) else f"[{part}]"
        else:
            told = cast("dict[str, Any]", told).get(part) if isinstance(told, dict) else None
            said += f".{part}" if said else part
    return said or "the file"


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
