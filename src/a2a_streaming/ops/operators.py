"""Who may oversee everybody's tasks."""

from __future__ import annotations

from a2a_streaming.caller import ANYBODY, Caller, Role
from a2a_streaming.errors import Forbidden
from a2a_streaming.settings import Settings


def as_operator(caller: Caller, settings: Settings) -> Caller:
    """Return a caller as an operator: by role or, where nobody signs in, whoever is on this machine.

    Args:
        caller: Who asks, as the way in has found them.
        settings: Whether callers sign in.

    Raises:
        Forbidden: They are none.
    """
    if not settings.authenticates and caller == ANYBODY:
        return Caller("", Role.OPERATOR)
    if caller.role is not Role.OPERATOR or caller.actor or caller.task:
        raise Forbidden("Only operators see this: sign in with the role operator.")
    return caller
