"""JWTs of an OpenID Connect issuer, checked against its published keys.

RFC 7519 and RFC 8725 (algorithms from a list of ours, issuer and audience checked), OpenID Connect
Discovery 1.0 for where the keys are.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import jwt
import orjson

from a2a_streaming.caller import Caller, Role, owner_of
from a2a_streaming.errors import Unauthenticated, Unavailable
from a2a_streaming.settings import Settings
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_LEEWAY = 30
"""Seconds by which clocks may differ."""
_FRESH = 300.0
"""Seconds after which the issuer's keys are fetched anew."""
_PAUSE = 10.0
"""The fewest seconds between two fetches, whatever keys tokens name."""
_TIMEOUT = 5.0


class Issuer:
    """Checks one issuer's tokens.

    Args:
        settings: Issuer, audience, algorithms, and the claim that names roles.
    """

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._algorithms = settings.auth_algorithms
        self._roles = settings.auth_roles_claim
        self._jwks_url = settings.auth_jwks_url
        self._client: httpx2.AsyncClient | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()

    async def identify(self, token: str) -> Caller:
        """Return whom a token names.

        Args:
            token: The JWT.

        Raises:
            Unauthenticated: It isn't this issuer's, isn't for us, or its time is over.
            Unavailable: The issuer's keys can't be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._algorithms:
                raise Unauthenticated(
                    f"The token must be signed with {' or '.join(self._algorithms)}."
                )
            key = await self._key(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token's time is over. Sign in again.") from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(f"The token isn't accepted: {error}.") from error
        return Caller(owner_of(claims["sub"]), self._role(claims))

    def _role(self, claims: dict[str, Any]) -> Role:
        """Return the strongest role that the token names; customer if it names none."""
        said = claims.get(self._roles, [])
        named = {said} if isinstance(said, str) else set(map(str, said or ()))
        for role in (Role.OPERATOR, Role.SERVICE, Role.AGENT):
            if role.value in named:
                return role
        return Role.CUSTOMER

    async def _key(self, kid: Any) -> jwt.PyJWK:
        loop = asyncio.get_running_loop()
        age = loop.time() - self._fetched
        if age > _FRESH or (self._find(kid) is None and age > _PAUSE):
            async with self._fetching:
                if loop.time() - self._fetched > min(age, _PAUSE):
                    await self._fetch()
        key = self._find(kid)
        if key is None:
            raise Unauthenticated("The token is signed with a key that its issuer doesn't publish.")
        return key

    def _find(self, kid: Any) -> jwt.PyJWK | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(str(kid))

    async def _fetch(self) -> None:
        """Fetch the issuer's keys; if that fails, those that are known serve on."""
        try:
            url = self._jwks_url or await self._discover()
            told = await self._get(url)
            found = jwt.PyJWKSet.from_dict(told).keys
            self._keys = {str(key.key_id): key for key in found}
        except (httpx2.HTTPError, ValueError, LookupError, TypeError, jwt.PyJWTError) as error:
            _log.warning("can't fetch the issuer's keys", issuer=self._issuer, reason=repr(error))
            if not self._keys:
                raise Unavailable(
                    "The issuer's keys can't be had for the moment; try again."
                ) from error
        self._fetched = asyncio.get_running_loop().time()

    async def _discover(self) -> str:
        base = self._issuer.rstrip("/")
        told = await self._get(f"{base}/.well-known/openid-configuration")
        if told["issuer"] != self._issuer:  # OpenID Connect Discovery 1.0, section 4.3
            raise ValueError(f"the discovery document names another issuer, {told['issuer']!r}")
        return str(told["jwks_uri"])

    async def _get(self, url: str) -> Any:
        if self._client is None:  # it reads certificates
            self._client = await asyncio.to_thread(httpx2.AsyncClient, timeout=_TIMEOUT)
        response = await self._client.get(url)
        response.raise_for_status()
        return orjson.loads(response.content)
