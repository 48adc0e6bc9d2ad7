"""An OpenID Connect issuer for tests: real, on loopback, and as bad as a test wants it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from a2a_streaming.settings import Settings
from conftest import serving

AUDIENCE = "agents"
DISCOVERY = "/.well-known/openid-configuration"


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key, the same for a name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """A key, the same for a name."""
    return ec.generate_private_key(ec.SECP256R1())


def public(key: Any, **said: Any) -> dict[str, Any]:
    """A key as a JSON Web Key Set has it."""
    algorithm: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **said}


class FakeIssuer:
    """Publishes keys, and signs tokens with them."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: Any = [
            public(rsa_key("one"), kid="one", use="sig", alg="RS256"),
            public(ec_key("two"), kid="two", use="sig"),
        ]
        self.discovery: dict[str, Any] = {}
        """What the discovery document says in place of the truth."""
        self.documents: dict[str, bytes] = {}
        """Bodies that are told in place of a path's own."""
        self.redirects: dict[str, str] = {}
        self.away = False
        self.asked: list[str] = []
        """The paths that were asked for."""
        self.gate = asyncio.Event()
        """Answers wait for it."""
        self.gate.set()

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.asked.count("/keys")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = Request(scope).url.path
        self.asked.append(path)
        await self.gate.wait()
        await self._answer(path)(scope, receive, send)

    def _answer(self, path: str) -> Response:
        if self.away:
            return Response(status_code=503)
        if path in self.documents:
            return Response(self.documents[path])
        if path in self.redirects:
            return RedirectResponse(self.redirects[path])
        if path == DISCOVERY:
            told = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}
            return JSONResponse(told)
        return JSONResponse({"keys": self.keys})

    def settings(self, settings: Settings, **changed: Any) -> Settings:
        """Settings of a server that takes this issuer's tokens."""
        wanted = {"auth_issuer": self.url, "auth_audience": AUDIENCE, **changed}
        return settings.model_copy(update=wanted)

    def claims(self, **changed: Any) -> dict[str, Any]:
        """A token's claims; those that are None are left out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "mia", "iat": now, "exp": now + 300}
        return {name: said for name, said in {**usual, **changed}.items() if said is not None}

    def token(
        self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = "one", **changed: Any
    ) -> str:
        """A token, with some claims changed."""
        headers = {} if kid is None else {"kid": kid}
        payload = json.dumps(self.claims(**changed)).encode()
        signing = jwt.PyJWS()  # it signs also what makes no sense
        return signing.encode(payload, key or rsa_key("one"), algorithm, headers)


@asynccontextmanager
async def issuing() -> AsyncIterator[FakeIssuer]:
    """An issuer that is served."""
    issuer = FakeIssuer()
    async with serving(issuer, lifespan="off") as served:
        issuer.url = served.url
        try:
            yield issuer
        finally:
            issuer.gate.set()
