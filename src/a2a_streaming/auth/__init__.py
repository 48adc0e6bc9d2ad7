"""Authentication: API keys, JWTs of an OpenID Connect issuer, and tokens of our own."""

from __future__ import annotations

from a2a_streaming.auth.authenticator import Authenticator

__all__ = ["Authenticator"]
