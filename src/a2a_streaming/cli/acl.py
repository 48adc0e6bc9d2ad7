"""`acl`: Redis users with the rights that each role needs, for Redis' aclfile or redis-cli."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import typer

from a2a_streaming.backbone.rights import ROLES, Role, user
from a2a_streaming.errors import SetupError
from a2a_streaming.settings import load_settings


def acl(
    role: str | None, name: str | None, password_file: Path | None, *, old: bool, commands: bool
) -> None:
    """Write users, a line each.

    Args:
        role: Whose rights; None for every role's.
        name: The user's name; None for `a2a-<role>`.
        password_file: Holds the user's password, of which the digest alone is written; None for a place to fill.
        old: Whether the server is older than Redis 7.0.
        commands: Whether to write commands for redis-cli; else lines of an aclfile.

    Raises:
        SetupError: The password can't be read, or the name or key prefix can't stand in a rule.
    """
    if role is None and (name is not None or password_file is not None):
        raise typer.BadParameter("--name and --password-file are one role's: name it with --role.")
    password = _password(password_file) if password_file is not None else None
    prefix = load_settings().key_prefix
    for one in ROLES if role is None else (cast("Role", role),):
        line = user(one, name or f"a2a-{one}", password=password, prefix=prefix, apart=not old)
        if commands:
            # In quotes where redis-cli takes them: its own way to split a line.
            words = [f'"{word}"' if " " in word else word for word in _words(line)]
            line = " ".join(["ACL SETUSER", *words[1:]])
        typer.echo(line)


def _password(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The password can't be read from {file} ({error}).") from error
    if not password:
        raise SetupError(f"{file} is empty; it must hold the user's password.")
    return password


def _words(line: str) -> list[str]:
    """Return a line's words; what stands in brackets is one."""
    words: list[str] = []
    for word in line.split(" "):
        if words and words[-1].startswith("(") and not words[-1].endswith(")"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words
