"""Who asks, in which role, and under which id their tasks are stored."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from a2a_streaming.errors import InvalidParams, Unauthenticated

_OWN = "~"
"""Stands in every stored id of an owner's task, and in no id that a client may choose."""


class Role(StrEnum):
    """What a caller may do."""

    CUSTOMER = "customer"
    """Their own tasks."""
    AGENT = "agent"
    """A person who answers customers: their own tasks, and those of their queue."""
    OPERATOR = "operator"
    """All tasks; what they do with others' is audited."""
    SERVICE = "service"
    """Its own tasks, and a customer's by a token that names them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Args:
        owner: What every task of theirs is stored under. Empty without authentication, where all tasks are
            everybody's.
        role: What they may do.
        actor: Who acts in the owner's place; empty if they do so themselves.
        task: The one task that is there for them, if they came by a ticket, to read it, or by a link.
        key: The API key that they came by, by its id; empty if by none.
        until: When what they came by ends, seconds since 1970.
    """

    owner: str = ""
    role: Role = Role.CUSTOMER
    actor: str = ""
    task: str = ""
    key: str = field(default="", compare=False)
    until: float = field(default=math.inf, compare=False)

    @property
    def sees_all(self) -> bool:
        """Whether other owners' tasks are there for them, too."""
        return self.role is Role.OPERATOR

    def may_see(self, owner: str) -> bool:
        """Say whether an owner's tasks are there for them.

        Args:
            owner: The owner.
        """
        return owner == self.owner or self.sees_all

    def stored_id(self, task_id: str) -> str:
        """Return the id under which a task of theirs is stored.

        An id that a client chose is unique for each owner. An id that this server made, or a stored one, as
        operators use them, is that already.

        Args:
            task_id: The task, by the id that they know it by.
        """
        if not self.owner or _OWN in task_id:
            return task_id
        digest = hashlib.blake2b(f"{self.owner}\n{task_id}".encode(), digest_size=10)
        return f"{task_id}{_OWN}{digest.hexdigest()}"

    def made_id(self, task_id: str) -> str:
        """Return an id that this server made as their tasks have it: it is stored under the same."""
        return f"task{_OWN}{task_id}" if self.owner else task_id

    def may_create(self, task_id: str) -> bool:
        """Say whether a client may have chosen an id for a new task: not if it could be another's stored one.

        Args:
            task_id: The id, as the client sent it.
        """
        return not self.owner or _OWN not in task_id


ANYBODY = Caller()
"""Who asks without authentication."""
DEMO_HEADER = "A2A-Demo-Customer"
"""Request header that names a demo customer, where there is no authentication."""
_DEMO_TOKEN = "demo."  # noqa: S105 - no secret
_DEMO_NAME = re.compile(r"[a-z0-9-]{1,64}")


def demo_customer(name: str) -> Caller:
    """Return the demo customer of a name, where there is no authentication: their tasks are theirs alone.

    Args:
        name: Their subject in the systems of record.

    Raises:
        InvalidParams: It can't be one.
    """
    if not _DEMO_NAME.fullmatch(name):
        raise InvalidParams(
            f"{DEMO_HEADER} must be 1 to 64 characters of a-z, 0-9 and -, not {name[:40]!r}."
        )
    return Caller(name)


def demo_token(owner: str) -> str | None:
    """Return what an agent sends to another one as its bearer token where there is no authentication.

    Args:
        owner: For whom; None is returned for who is no demo customer.
    """
    return f"{_DEMO_TOKEN}{owner}" if _DEMO_NAME.fullmatch(owner) else None


def read_demo_token(token: str) -> Caller | None:
    """Return the demo customer for whom an agent asks; None if the token isn't `demo_token`'s.

    Args:
        token: As it was sent.
    """
    name = token.removeprefix(_DEMO_TOKEN)
    return Caller(name) if name != token and _DEMO_NAME.fullmatch(name) else None


def owner_of(subject: str) -> str:
    """Return the owner that a subject is, in characters that fit into a key: another for each.

    Args:
        subject: As a token or an API key names them.

    Raises:
        Unauthenticated: It is empty: its tasks would be everybody's.
    """
    if not subject:
        raise Unauthenticated("Whoever signed in has no name.")
    # JSON can carry half a surrogate pair, which is no text, but another subject than any other.
    owner = quote(subject, safe="@:|+=~,!$'()*;/", errors="surrogatepass")
    if len(owner) <= 128:
        return owner
    # With a character that is quoted elsewhere, so that no subject is spelled like another's digest.
    return f"#{hashlib.blake2b(owner.encode(), digest_size=20).hexdigest()}"
