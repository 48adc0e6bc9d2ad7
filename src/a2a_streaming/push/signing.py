"""Signing: what is pushed carries a JWT, whose keys are published as a JSON Web Key Set.

As the specification's section on the security of push notifications has it (1.0, section 13.2, and "Example
Asymmetric Key Flow" in its guide to streaming): the claims name issuer, audience, task and a time; the header names
the key. The body's digest stands in the token too, so that it speaks for the whole request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from a2a_streaming.backbone.signing_keys import SigningKeys, StoredKey
from a2a_streaming.errors import InvalidSetting, Unavailable
from a2a_streaming.settings import Settings

_Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----", re.DOTALL)
_FRESH = 600.0
"""Seconds after which the shared keys are read again: well before a new one signs."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs.

    Args:
        private: The private key.
        public: The public key, as a JSON Web Key (RFC 7517).
        begins: When it begins to sign, ms since 1970.
    """

    private: _Private
    public: Mapping[str, Any]
    begins: int = 0

    @property
    def kid(self) -> str:
        """Its id, which follows from the key (RFC 7638)."""
        return self.public["kid"]

    @property
    def algorithm(self) -> str:
        """How it signs."""
        return self.public["alg"]


def _signing_key(private: _Private, begins: int) -> SigningKey:
    public = private.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        told, algorithm = ECAlgorithm.to_jwk(public, as_dict=True), "ES256"
    else:
        told, algorithm = OKPAlgorithm.to_jwk(public, as_dict=True), "EdDSA"
    members = {key: told[key] for key in ("crv", "kty", "x", "y") if key in told}
    about = {"kid": _thumbprint(members), "alg": algorithm, "use": "sig"}
    return SigningKey(private, {**members, **about}, begins)


def _thumbprint(members: Mapping[str, Any]) -> str:
    said = json.dumps(dict(sorted(members.items())), separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(said.encode()).digest()).decode().rstrip("=")


def read_key(pem: str, begins: int = 0) -> SigningKey:
    """Return a key from its text.

    Args:
        pem: A private key in PEM, EC P-256 or Ed25519, without a password.
        begins: When it begins to sign, ms since 1970.

    Raises:
        ValueError: It is none.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise ValueError("the key has a password") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return _signing_key(key, begins)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _signing_key(key, begins)
    raise ValueError("the key is neither EC P-256 nor Ed25519")


def make_key() -> tuple[SigningKey, str]:
    """Return a new key, and its text."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _signing_key(private, 0), pem.decode()


class KeyRing:
    """The keys of this installation: configured ones, or such as are made and kept in Redis.

    Args:
        settings: Configured keys, the tokens' issuer and lifetime.
        stored: Where keys are kept.

    Raises:
        InvalidSetting: A configured key can't be read.
    """

    def __init__(self, settings: Settings, stored: SigningKeys) -> None:
        self._stored = stored
        self._issuer = settings.push_issuer or settings.public_url or "a2a-streaming"
        self._seconds = settings.push_token_seconds
        self._configured = _configured(settings)
        self._keys = self._configured
        self._read = float("-inf")
        self._ahead = 0.0  # of Redis' clock before ours, seconds

    async def read(self) -> None:
        """Read the keys, if it is time to; a first one is made, and an old one replaced.

        Raises:
            Unavailable: Redis is away, and none was read before.
        """
        if self._configured or time.monotonic() - self._read < _FRESH:
            return
        key, pem = make_key()
        try:
            now, found = await self._stored.offer(key.kid, pem)
        except Unavailable:
            if self._keys:
                return  # those that are known are good for longer
            raise
        self._keys = [_kept(one) for one in found]
        self._read = time.monotonic()
        self._ahead = now / 1000 - time.time()

    async def published(self) -> dict[str, Any]:
        """Return the public keys, as a JSON Web Key Set.

        Raises:
            Unavailable: Redis is away.
        """
        await self.read()
        return {"keys": [dict(key.public) for key in self._keys]}

    async def token(self, audience: str, body: bytes, claims: Mapping[str, str]) -> str:
        """Return a token for one request: good once, for a while, for one audience, with one body.

        Args:
            audience: For whom it is: the URL that is posted to.
            body: What is posted.
            claims: What else it says.

        Raises:
            Unavailable: Redis is away, and no key is known.
        """
        await self.read()
        key = self._signing()
        now = int(time.time())
        whole: dict[str, Any] = {
            **claims,
            "iss": self._issuer,
            "aud": audience,
            "iat": now,
            "exp": now + max(1, int(self._seconds)),
            "jti": secrets.token_urlsafe(16),
            "request_body_sha256": hashlib.sha256(body).hexdigest(),
        }
        header = {"kid": key.kid}
        return jwt.encode(whole, key.private, algorithm=key.algorithm, headers=header)

    def _signing(self) -> SigningKey:
        if self._configured:
            return self._configured[0]
        now = (time.time() + self._ahead) * 1000
        begun = [key for key in self._keys if key.begins <= now]
        return begun[-1] if begun else self._keys[0]


def _kept(stored: StoredKey) -> SigningKey:
    return read_key(stored.pem, stored.begins)


def _configured(settings: Settings) -> list[SigningKey]:
    if settings.push_signing_key is None:
        return []
    text = settings.push_signing_key.get_secret_value()
    try:
        # What has no beginning and end isn't left out: it is read as a key, and refused.
        return [read_key(pem) for pem in _PEM.findall(text) or [text]]
    except ValueError as error:
        raise InvalidSetting(
            "A2A_PUSH_SIGNING_KEY must be the text of private keys in PEM, EC P-256 or Ed25519, without"
            f" a password: {error}."
        ) from error
