"""JWTs of an OpenID Connect issuer, checked against its published keys.

RFC 7519 and RFC 8725 (algorithms from a list of ours, each key for the algorithms that it is made for, issuer
and audience checked), RFC 7517 for the keys, OpenID Connect Discovery 1.0 for where they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import jwt
import orjson

from a2a_streaming.caller import Caller, Role, owner_of
from a2a_streaming.errors import Unauthenticated, Unavailable
from a2a_streaming.settings import Settings
from a2a_streaming.singleflight import SingleFlight
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_LEEWAY = 30
"""Seconds by which clocks may differ."""
_FRESH = 300.0
"""Seconds after which the issuer's keys are fetched anew."""
_PAUSE = 10.0
"""The fewest seconds between two fetches, whatever keys tokens name."""
_RETRY = 2.0
"""The same while no key is known, because the issuer was away from the start."""
_TIMEOUT = 5.0
"""Seconds that the issuer may take in all."""
_LARGEST = 1024 * 1024
"""The most bytes that the issuer's documents may have."""
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""What reading a document raises that isn't what it should be."""


@dataclass(frozen=True, slots=True)
class _Key:
    """One of the issuer's keys, for one algorithm.

    Args:
        kid: Its id, if it has one.
        algorithm: The algorithm.
        verifies: The key itself.
    """

    kid: str | None
    algorithm: str
    verifies: jwt.PyJWK


class Issuer:
    """Checks one issuer's tokens.

    Args:
        settings: Issuer, audience, algorithms, and the claim that names roles.
        clock: Seconds that never go back.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = settings.auth_issuer
        self._audience = settings.auth_audience
        self._algorithms = settings.auth_algorithms
        self._roles = settings.auth_roles_claim
        self._jwks_url = settings.auth_jwks_url
        self._clock = clock
        self._client: httpx2.AsyncClient | None = None
        self._keys: list[_Key] | None = None
        self._tried = float("-inf")
        self._fetches = SingleFlight[str, None]()

    async def aclose(self) -> None:
        """Close the connection."""
        self._fetches.cancel()
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
        except jwt.PyJWTError as error:  # whose words may repeat what the client sent
            raise Unauthenticated("The token is no JWT that can be read.") from error
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise Unauthenticated(f"The token must be signed with {' or '.join(self._algorithms)}.")
        key = await self._key(header.get("kid"), algorithm)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token's time is over. Sign in again.") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"The token isn't accepted: {error}.") from error
        return Caller(
            owner_of(claims["sub"]), self._role(claims), until=float(claims["exp"]) + _LEEWAY
        )

    def _role(self, claims: dict[str, Any]) -> Role:
        """Return the strongest role that the token names, in a string or a list; customer if it names none."""
        said: Any = claims.get(self._roles)
        named: list[Any] = cast("list[Any]", said) if isinstance(said, list) else [said]
        for role in (Role.OPERATOR, Role.SERVICE, Role.AGENT):
            if role.value in named:
                return role
        return Role.CUSTOMER

    async def _key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """Return the key that signed a token, fetched anew if it isn't known, or has been for long."""
        key = self._find(kid, algorithm)
        wait = _FRESH if key is not None else _RETRY if self._keys is None else _PAUSE
        if self._clock() - self._tried > wait:
            await self._fetches.ask("keys", self._fetch)
            key = self._find(kid, algorithm)
        if self._keys is None:
            raise Unavailable("The issuer's keys can't be had for the moment; try again.")
        if key is None:
            raise Unauthenticated("The token is signed with a key that its issuer doesn't publish.")
        return key

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key of an id; for a token that names none, the only one of its algorithm."""
        fitting = [
            key.verifies
            for key in self._keys or ()
            if key.algorithm == algorithm and kid in (None, key.kid)
        ]
        return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None

    async def _fetch(self) -> None:
        """Fetch the issuer's keys; if that fails, those that are known serve on."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                url = self._jwks_url or await self._discover()
                self._keys = read_keys(await self._get(url), self._algorithms)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, *_UNREADABLE) as error:
            _log.warning("can't fetch the issuer's keys", issuer=self._issuer, reason=repr(error))
        finally:
            self._tried = self._clock()

    async def _discover(self) -> str:
        base = self._issuer.rstrip("/")
        told = await self._get(f"{base}/.well-known/openid-configuration")
        if told["issuer"] != self._issuer:  # OpenID Connect Discovery 1.0, section 4.3
            raise ValueError(f"the discovery document names another issuer, {told['issuer']!r}")
        return str(told["jwks_uri"])

    async def _get(self, url: str) -> Any:
        if self._client is None:  # it reads certificates
            self._client = await asyncio.to_thread(httpx2.AsyncClient, timeout=_TIMEOUT)
        body = bytearray()
        async with self._client.stream("GET", url) as response:
            response.raise_for_status()  # a redirect, too: it could lead to somebody else's keys
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST:
                    raise ValueError(f"{url} has more than {_LARGEST} bytes")
        return orjson.loads(body)


def read_keys(told: Any, algorithms: Sequence[str]) -> list[_Key]:
    """Return the keys of a JSON Web Key Set by which signatures of some algorithms are checked.

    Others may stand beside them, for other purposes, or of types that aren't known here. One that isn't public
    proves nothing: whoever reads the set could sign with it.

    Args:
        told: The set.
        algorithms: The algorithms, all asymmetric.

    Raises:
        ValueError: It is no such set.
    """
    match told:
        case {"keys": [*listed]}:
            found = [
                _read_key(cast("dict[str, Any]", one), algorithm)
                for one in listed
                if isinstance(one, dict)
                for algorithm in algorithms
            ]
            return [key for key in found if key is not None]
        case _:
            raise ValueError("what the issuer publishes is no JSON Web Key Set")


def _read_key(told: dict[str, Any], algorithm: str) -> _Key | None:
    kid, operations = told.get("kid"), told.get("key_ops", ["verify"])
    if (
        not isinstance(kid, str | None)
        or told.get("use", "sig") != "sig"
        or told.get("alg", algorithm) != algorithm
        or (isinstance(operations, list) and "verify" not in operations)
        or told.keys() & {"d", "k"}
    ):
        return None
    try:
        key = jwt.PyJWK(told, algorithm)
        key.Algorithm.prepare_key(key.key)  # which looks at the curve
    except (jwt.PyJWTError, *_UNREADABLE):
        return None
    if key.Algorithm.check_key_length(key.key) is not None:
        return None  # too short to trust
    return _Key(kid, algorithm, key)
