"""Tokens that this installation signs itself: a service acting for a customer, tickets for browsers, links to a task.

JWTs under a secret that all processes share (RFC 7519; `act` as in RFC 8693, section 4.1).
"""

from __future__ import annotations

import time
from typing import Any

import jwt

from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import Unauthenticated

_ISSUER = "a2a-streaming"
_ALGORITHM = "HS256"
ACT, TICKET, LINK = "act+jwt", "ticket+jwt", "link+jwt"
"""Kinds of tokens."""


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


def ticket(secret: bytes, caller: Caller, *, task: str, seconds: float) -> str:
    """Return a ticket by which a caller's browser reads one task.

    Args:
        secret: What it is signed with.
        caller: Whose ticket it is.
        task: The task, by the id that they know it by.
        seconds: For how long it is good.
    """
    return _sign(
        secret, TICKET, {"sub": caller.owner, "role": caller.role.value, "task": task}, seconds
    )


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
    """Return whom a token of ours names.

    Args:
        secret: What it is to be signed with.
        token: The token.
        kind: What kind of token it is to be: `ACT`, `TICKET` or `LINK`.

    Raises:
        Unauthenticated: It isn't ours, or its time is over.
    """
    try:
        told: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            audience=kind,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        if kind == ACT:
            return Caller(told["sub"], Role.SERVICE, actor=told["act"]["sub"])
        role = Role.CUSTOMER if kind == LINK else Role(told["role"])
        return Caller(told["sub"], role, task=told["task"])
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("The token's time is over. Get a new one.") from error
    except (jwt.InvalidTokenError, LookupError, TypeError, ValueError) as error:
        raise Unauthenticated("The token isn't one of this installation's.") from error


def _sign(secret: bytes, kind: str, claims: dict[str, Any], seconds: float) -> str:
    now = time.time()
    whole = {**claims, "iss": _ISSUER, "aud": kind, "iat": int(now), "exp": int(now + seconds) + 1}
    return jwt.encode(whole, secret, algorithm=_ALGORITHM, headers={"typ": kind})
