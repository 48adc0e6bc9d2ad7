"""Says who a credential names: an API key, an issuer's JWT, or a token of our own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from a2a_streaming.auth import tokens
from a2a_streaming.auth.keys import PREFIX, is_key, read_key
from a2a_streaming.auth.oidc import Issuer
from a2a_streaming.auth.tokens import Ticket
from a2a_streaming.backbone.credentials import Credentials
from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import Forbidden, Unauthenticated
from a2a_streaming.settings import Settings

T = TypeVar("T")

KEYS_FRESH = 5.0
"""Seconds for which a process trusts what it knows of an API key: a revoked one is refused after that."""
_KEYS_KNOWN = 10_000
_SECRET_FRESH = 3600.0
"""Seconds after which the shared secret is read again, which also keeps it alive."""
_SECRET_PAUSE = 5.0
_LONGEST = 16 * 1024
"""The most characters of a credential: reading a longer one would hold up everybody else."""


class Authenticator:
    """Says who asks.

    Args:
        settings: Which credentials are accepted.
        credentials: API keys, and the secret for tokens.
    """

    def __init__(self, settings: Settings, credentials: Credentials) -> None:
        self._settings = settings
        self._credentials = credentials
        self._issuer = Issuer(settings) if settings.auth_issuer else None
        self._known: OrderedDict[tuple[str, str], tuple[float, Caller]] = OrderedDict()
        self._secret = b""
        self._secret_read = float("-inf")

    async def start(self) -> None:
        """Get ready to sign.

        Raises:
            Unavailable: Redis is away.
        """
        if self._settings.authenticates:
            await self._read_secret(_SECRET_FRESH)

    async def aclose(self) -> None:
        """Close the connection to the issuer."""
        if self._issuer is not None:
            await self._issuer.aclose()

    async def identify(self, credential: str) -> Caller:
        """Return whom a credential names.

        Args:
            credential: An API key or a token, as the client sent it.

        Raises:
            Unauthenticated: It isn't accepted.
            Unavailable: It can't be checked now.
        """
        _check_length(credential)
        if self._settings.auth_keys and credential.startswith(PREFIX):
            return await self._by_key(credential)
        kind = tokens.kind_of(credential)
        if kind in (tokens.ACT, tokens.LINK):
            return await self._by_token(credential, kind)
        if self._issuer is not None:
            return await self._issuer.identify(credential)
        raise Unauthenticated("The credential isn't one that is accepted here.")

    async def by_ticket(self, ticket: str) -> Caller:
        """Return whom a browser's ticket names, and for which task.

        Args:
            ticket: The ticket, as the client sent it.

        Raises:
            Unauthenticated: It isn't accepted.
            Unavailable: Redis is away.
        """
        _check_length(ticket)
        return await self._by_token(ticket, tokens.TICKET)

    async def open_ticket(self, ticket: str) -> Ticket:
        """Return what a browser's ticket opens, be it for one task or for several.

        Args:
            ticket: The ticket, as the client sent it.

        Raises:
            Unauthenticated: It isn't accepted.
            Unavailable: Redis is away.
        """
        _check_length(ticket)
        return await self._with_secret(partial(tokens.read_ticket, token=ticket))

    async def still_trusts(self, caller: Caller) -> bool:
        """Say whether what a caller came by is still good: its time isn't over, and the key isn't revoked.

        Args:
            caller: Who came.

        Raises:
            Unavailable: Redis is away.
        """
        if caller.until <= time.time():
            return False
        if not caller.key:
            return True
        kept = await self._credentials.get(caller.key)
        return kept is not None and (kept.owner, kept.role) == (caller.owner, caller.role.value)

    async def acting_token(self, actor: str, owner: str) -> str:
        """Return a token by which a service acts for a customer, for some minutes.

        Args:
            actor: The service.
            owner: The customer.

        Raises:
            Unavailable: Redis is away.
        """
        await self._read_secret(_SECRET_FRESH)
        seconds = self._settings.auth_service_seconds
        return tokens.acting_token(self._secret, actor=actor, owner=owner, seconds=seconds)

    async def ticket(self, caller: Caller, task: str) -> str:
        """Return a short-lived ticket by which a caller's browser reads one task.

        Args:
            caller: Who asks for it.
            task: The task, by the id that they know it by.

        Raises:
            Unavailable: Redis is away.
        """
        await self._read_secret(_SECRET_FRESH)
        seconds = self._settings.auth_ticket_seconds
        return tokens.ticket(self._secret, caller, task=task, seconds=seconds)

    async def page_ticket(
        self, caller: Caller, *, tasks: Collection[str], topics: Collection[str]
    ) -> str:
        """Return a short-lived ticket by which a page of a caller's reads several tasks and topics.

        Args:
            caller: Who asks for it.
            tasks: The tasks, by the ids that they know them by.
            topics: The topics, by their names.

        Raises:
            Unavailable: Redis is away.
        """
        await self._read_secret(_SECRET_FRESH)
        seconds = self._settings.auth_ticket_seconds
        return tokens.page_ticket(self._secret, caller, tasks=tasks, topics=topics, seconds=seconds)

    async def link(self, owner: str, task: str) -> str:
        """Return a token by which a customer goes on with one task elsewhere.

        Args:
            owner: The customer.
            task: The task, by the id that they know it by.

        Raises:
            Unavailable: Redis is away.
        """
        await self._read_secret(_SECRET_FRESH)
        return tokens.link(self._secret, owner, task=task, seconds=self._settings.auth_link_seconds)

    async def _by_key(self, credential: str) -> Caller:
        read = read_key(credential)
        if read is None:
            raise Unauthenticated("The API key isn't one: it looks like a2a_<id>_<secret>.")
        now = time.monotonic()
        found = self._known.get(read)
        if found is not None and found[0] > now:
            return found[1]
        key_id, digest = read
        kept = await self._credentials.get(key_id)
        if kept is None or not is_key(kept, digest):
            self._known.pop(read, None)
            raise Unauthenticated("The API key is unknown, revoked or expired.")
        caller = Caller(kept.owner, Role(kept.role), key=kept.id, until=kept.expires)
        until = now + min(KEYS_FRESH, kept.expires - time.time())
        self._known[read] = (until, caller)
        self._known.move_to_end(read)
        if len(self._known) > _KEYS_KNOWN:
            self._known.popitem(last=False)
        return caller

    async def _by_token(self, token: str, kind: str) -> Caller:
        return await self._with_secret(partial(tokens.read_token, token=token, kind=kind))

    async def _with_secret(self, read: Callable[[bytes], T]) -> T:
        """Read a token of ours by the secret as it is known or, if that fails, as it is now."""
        await self._read_secret(_SECRET_FRESH)
        try:
            return read(self._secret)
        except Unauthenticated:
            before = self._secret
            await self._read_secret(_SECRET_PAUSE)  # another process may have made a new one
            if self._secret == before:
                raise
        return read(self._secret)

    async def _read_secret(self, older_than: float) -> None:
        if self._settings.auth_secret is not None:
            self._secret = self._settings.auth_secret.get_secret_value().encode()
            return
        now = time.monotonic()
        if now - self._secret_read > older_than:
            self._secret = await self._credentials.secret()
            self._secret_read = now


def _check_length(credential: str) -> None:
    if len(credential) > _LONGEST:
        raise Unauthenticated(f"The credential is longer than {_LONGEST} characters.")


def check_service(caller: Caller) -> None:
    """Check that a caller is a service that signs in for itself.

    Raises:
        Forbidden: It isn't one.
    """
    if caller.role is not Role.SERVICE or caller.actor or caller.task:
        raise Forbidden(
            "Only a service acts for customers: sign in with a key whose role is service."
        )
