"""`keys`: API keys are made, listed, rotated and revoked where the platform keeps its tasks."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

import typer

from a2a_streaming.auth.keys import make_key
from a2a_streaming.backbone.credentials import ApiKey, Credentials
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Role
from a2a_streaming.cli.stores import store_url
from a2a_streaming.errors import SetupError
from a2a_streaming.settings import load_settings

_DAY = 86_400
_COLUMNS = "{:<14}{:<10}{:<28}{:<12}{:<12}{}"


def create(subject: str, role: str, name: str, days: int) -> None:
    """Make a key, and show it."""
    if not subject.strip():
        raise typer.BadParameter("SUBJECT must not be empty.")
    _with_credentials(
        lambda kept: _make(kept, subject=subject, role=Role(role), name=name, days=days)
    )


def show() -> None:
    """List the keys."""

    async def lists(kept: Credentials) -> None:
        typer.echo(_COLUMNS.format("ID", "ROLE", "OWNER", "CREATED", "EXPIRES", "NAME"))
        for key in await kept.all():
            made, ends = (
                time.strftime("%Y-%m-%d", time.gmtime(at)) for at in (key.created, key.expires)
            )
            typer.echo(_COLUMNS.format(key.id, key.role, key.owner, made, ends, key.name).rstrip())

    _with_credentials(lists)


def rotate(key_id: str, days: int, grace_hours: int) -> None:
    """Make another key in a key's place.

    Raises:
        SetupError: There is no such key.
    """

    async def rotates(kept: Credentials) -> None:
        old = await kept.get(key_id)
        if old is None:
            raise _unknown(key_id)
        text, key = make_key(
            name=old.name, subject=old.owner, role=Role(old.role), seconds=days * _DAY
        )
        await kept.put(dataclasses.replace(key, owner=old.owner))
        ends = int(time.time()) + grace_hours * 3600
        if grace_hours == 0:
            await kept.remove(key_id)
        elif ends < old.expires:
            await kept.put(dataclasses.replace(old, expires=ends))
        typer.echo(text)
        typer.echo(
            f"Key {key.id} takes the place of {key_id}, which is good for {grace_hours} h.",
            err=True,
        )

    _with_credentials(rotates)


def revoke(key_id: str) -> None:
    """Revoke a key.

    Raises:
        SetupError: There is no such key.
    """

    async def revokes(kept: Credentials) -> None:
        if not await kept.remove(key_id):
            raise _unknown(key_id)
        typer.echo(f"Key {key_id} is revoked.")

    _with_credentials(revokes)


async def _make(kept: Credentials, *, subject: str, role: Role, name: str, days: int) -> None:
    text, key = make_key(name=name, subject=subject, role=role, seconds=days * _DAY)
    await kept.put(key)
    typer.echo(text)
    typer.echo(_told(key), err=True)


def _told(key: ApiKey) -> str:
    return (
        f"Key {key.id}: {key.role} {key.owner}. Keep the line above, it isn't shown again; "
        "send it as X-API-Key, or with --token. The server takes keys with A2A_AUTH_KEYS=true."
    )


def _unknown(key_id: str) -> SetupError:
    return SetupError(f"There is no API key {key_id!r}. See `a2a-streaming keys list`.")


def _with_credentials(do: Callable[[Credentials], Awaitable[None]]) -> None:
    async def main() -> None:
        settings = load_settings()
        async with store_url(settings) as url, RedisManager(url, settings) as manager:
            await do(manager.credentials)

    asyncio.run(main())
