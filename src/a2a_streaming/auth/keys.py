"""API keys: `a2a_<id>_<secret>`, of which only the secret's digest is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from a2a_streaming.backbone.credentials import ApiKey
from a2a_streaming.caller import Role, owner_of

PREFIX = "a2a_"
_KEY = re.compile(r"a2a_([0-9a-f]{12})_([A-Za-z0-9-]{43})")


def make_key(*, name: str, subject: str, role: Role, seconds: int) -> tuple[str, ApiKey]:
    """Make an API key.

    Args:
        name: What it is for.
        subject: Who signs in with it.
        role: What they may do.
        seconds: For how long it is good.

    Returns:
        The key, which is to be told once, and what is to be kept of it.
    """
    key_id = secrets.token_hex(6)
    # 256 random bits: a digest that is quick to make is as good as a slow one.
    secret = secrets.token_urlsafe(32).replace("_", "-")
    now = int(time.time())
    kept = ApiKey(
        id=key_id,
        digest=_digest(secret),
        name=name,
        owner=owner_of(subject),
        role=role.value,
        created=now,
        expires=now + seconds,
    )
    return f"{PREFIX}{key_id}_{secret}", kept


def read_key(text: str) -> tuple[str, str] | None:
    """Return an API key's id and its secret's digest; None if it isn't one by its looks.

    Args:
        text: As the client sent it.
    """
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], _digest(found[2]))


def is_key(kept: ApiKey, digest: str) -> bool:
    """Say whether a secret's digest is a kept key's.

    Args:
        kept: What was kept of the key.
        digest: As `read_key` returned it.
    """
    return hmac.compare_digest(kept.digest, digest)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
