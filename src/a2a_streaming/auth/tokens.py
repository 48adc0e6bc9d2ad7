"""Tokens that this installation signs itself: a service acting for a customer, tickets for browsers, links to a task.

JWTs under a secret that all processes share (RFC 7519; `act` as in RFC 8693, section 4.1).
"""

from __future__ import annotations

import base64
import hashlib
import math
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import jwt

from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import Unauthenticated

_ISSUER = "a2a-streaming"
_ALGORITHM = "HS256"
ACT, TICKET, LINK = "act+jwt", "ticket+jwt", "link+jwt"
"""Kinds of tokens."""
_DIGEST = 8
"""Bytes of a task's digest in a ticket."""


def kind_of(token: str) -> str | None:
    """Return what kind of token of ours it says it is; None if it doesn't.

    Args:
        token: A JWT, unverified.
    """
    try:
        kind = jwt.get_unverified_header(token).get("typ")
    except jwt.InvalidTokenError:
        return None
    return kind if kind in (ACT, TICKET, LINK) else None


def acting_token(secret: bytes, *, actor: str, owner: str, seconds: float) -> str:
    """Return a token by which a service acts for a customer.

    Args:
        secret: What it is signed with.
        actor: The service.
        owner: The customer.
        seconds: For how long it is good.
    """
    return _sign(secret, ACT, {"sub": owner, "act": {"sub": actor}}, seconds)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a browser's ticket opens.

    Args:
        caller: Whose ticket it is.
        tasks: Digests of the tasks that it is for.
        topics: The topics that it is for.
    """

    caller: Caller
    tasks: frozenset[bytes] = frozenset()
    topics: frozenset[str] = frozenset()

    def is_for(self, tasks: Iterable[str], topics: Iterable[str]) -> bool:
        """Say whether it is for all of these.

        Args:
            tasks: Tasks, by the ids that its caller knows them by.
            topics: Topics, by their names.
        """
        return self.topics.issuperset(topics) and self.tasks.issuperset(map(_digest, tasks))


def ticket(secret: bytes, caller: Caller, *, task: str, seconds: float) -> str:
    """Return a ticket by which a caller's browser reads one task.

    Args:
        secret: What it is signed with.
        caller: Whose ticket it is.
        task: The task, by the id that they know it by.
        seconds: For how long it is good.
    """
    return _sign(secret, TICKET, {**_holder(caller), "task": task}, seconds)


def page_ticket(
    secret: bytes,
    caller: Caller,
    *,
    tasks: Collection[str],
    topics: Collection[str],
    seconds: float,
) -> str:
    """Return a ticket by which a page of a caller's reads several tasks and topics on one stream.

    Args:
        secret: What it is signed with.
        caller: Whose ticket it is.
        tasks: The tasks, by the ids that they know them by.
        topics: The topics, by their names.
        seconds: For how long it is good.
    """
    # Digests, for two hundred ids of full length would be more than an address may have. A task that happens
    # to have the same one must still be its caller's own.
    digests = base64.urlsafe_b64encode(b"".join(map(_digest, tasks))).decode()
    claims = {**_holder(caller), "tasks": digests, "topics": list(topics)}
    return _sign(secret, TICKET, claims, seconds)


def _holder(caller: Caller) -> dict[str, Any]:
    """Return who holds a ticket, and by what they came: with that the ticket's streams end."""
    ends = {"until": caller.until} if math.isfinite(caller.until) else {}
    return {"sub": caller.owner, "role": caller.role.value, "key": caller.key, **ends}


def _digest(task: str) -> bytes:
    return hashlib.blake2b(task.encode(errors="surrogatepass"), digest_size=_DIGEST).digest()


def link(secret: bytes, owner: str, *, task: str, seconds: float) -> str:
    """Return a token by which one task's customer goes on with it elsewhere: on it alone.

    Args:
        secret: What it is signed with.
        owner: Whose task it is.
        task: The task, by the id that they know it by.
        seconds: For how long it is good.
    """
    return _sign(secret, LINK, {"sub": owner, "task": task}, seconds)


def read_token(secret: bytes, token: str, kind: str) -> Caller:
    """Return whom a token of ours names, and for which task.

    Args:
        secret: What it is to be signed with.
        token: The token.
        kind: What kind of token it is to be: `ACT`, `TICKET` or `LINK`.

    Raises:
        Unauthenticated: It isn't ours, or its time is over.
    """
    told = _verified(secret, token, kind)
    try:
        if kind == ACT:
            actor = told["act"]["sub"]
            return Caller(told["sub"], Role.SERVICE, actor=actor, until=told["exp"])
        if kind == LINK:
            return Caller(told["sub"], Role.CUSTOMER, task=told["task"], until=told["exp"])
        return _read_holder(told, task=told["task"])
    except (LookupError, TypeError, ValueError) as error:
        raise Unauthenticated(_NOT_OURS) from error


def read_ticket(secret: bytes, token: str) -> Ticket:
    """Return what a browser's ticket opens, be it for one task or for several.

    Args:
        secret: What it is to be signed with.
        token: The ticket.

    Raises:
        Unauthenticated: It isn't ours, or its time is over.
    """
    told = _verified(secret, token, TICKET)
    try:
        if "task" in told:
            task = told["task"]
            return Ticket(_read_holder(told, task=task), frozenset([_digest(task)]))
        digests = base64.urlsafe_b64decode(told["tasks"])
        tasks = (digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST))
        return Ticket(_read_holder(told), frozenset(tasks), frozenset(told["topics"]))
    except (LookupError, TypeError, ValueError) as error:
        raise Unauthenticated(_NOT_OURS) from error


_NOT_OURS = "The token isn't one of this installation's."


def _read_holder(told: dict[str, Any], *, task: str = "") -> Caller:
    until = float(told.get("until", math.inf))
    return Caller(told["sub"], Role(told["role"]), task=task, key=told["key"], until=until)


def _verified(secret: bytes, token: str, kind: str) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            audience=kind,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("The token's time is over. Get a new one.") from error
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(_NOT_OURS) from error


def _sign(secret: bytes, kind: str, claims: dict[str, Any], seconds: float) -> str:
    now = time.time()
    whole = {**claims, "iss": _ISSUER, "aud": kind, "iat": int(now), "exp": int(now + seconds) + 1}
    return jwt.encode(whole, secret, algorithm=_ALGORITHM, headers={"typ": kind})
