"""Agent cards over HTTP: with their addresses, signed if there is a key, and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Any

import orjson
from a2a.types import AgentCard
from a2a.utils.signing import create_agent_card_signer
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import card_json, served_card

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_MAX_AGE = 300
"""Seconds that a card may be kept: one that has changed is seen everywhere after that."""


class CardEndpoint:
    """Serves an agent's card (specification 1.0, sections 8.4 and 8.6).

    Args:
        node: The process's node.
        agent: The agent's name.
    """

    def __init__(self, node: Node, agent: str) -> None:
        self._node = node
        self._agent = agent
        self._since = int(time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the card, or with 304 if the client has it already."""
        request = Request(scope)
        base = base_url(request, self._node.settings)
        body = orjson.dumps(card_json(public_card(self._node, self._agent, base), base))
        # The signature is another each time: what the card says makes the tag.
        said = _served(self._node, self._agent, base)
        digest = hashlib.blake2b(said.SerializeToString(deterministic=True), digest_size=12)
        tag = f'"{digest.hexdigest()}"'
        headers = {
            "cache-control": f"public, max-age={_MAX_AGE}",
            "etag": tag,
            "last-modified": formatdate(self._since, usegmt=True),
        }
        if self._has_it(request, tag):
            response = Response(status_code=304, headers=headers)
        else:
            response = Response(body, headers=headers, media_type="application/json")
        await response(scope, receive, send)

    def _has_it(self, request: Request, tag: str) -> bool:
        if known := request.headers.get("if-none-match"):
            tags = [one.strip().removeprefix("W/") for one in known.split(",")]
            return tag in tags or "*" in tags
        if since := request.headers.get("if-modified-since"):
            try:
                return parsedate_to_datetime(since).timestamp() >= self._since
            except ValueError:
                return False  # what can't be read is ignored (RFC 9110, section 13.1.3)
        return False


def public_card(node: Node, agent: str, base: str) -> AgentCard:
    """Return an agent's card as everybody sees it.

    Args:
        node: The process's node.
        agent: The agent's name.
        base: The agent's address.
    """
    return signed(node.settings)(_served(node, agent, base))


def extended_card(node: Node, agent: str, base: str) -> AgentCard | None:
    """Return an agent's extended card; None if it has none."""
    card = _extended(node, agent)
    return signed(node.settings)(_served(node, agent, base, card)) if card else None


def _served(node: Node, agent: str, base: str, card: AgentCard | None = None) -> AgentCard:
    return served_card(
        card or node.cards[agent],
        base,
        extended=_extended(node, agent) is not None,
        grpc=node.grpc_address,
        tenant=agent,
        push=node.settings.push,
    )


def _extended(node: Node, agent: str) -> AgentCard | None:
    return next(one.extended_card for one in node.agents if one.name == agent)


def signed(settings: Settings) -> Callable[[AgentCard], AgentCard]:
    """Return what signs cards.

    Raises:
        InvalidSetting: The key can't be read.
    """
    if settings.card_signing_key is None:
        return _unsigned
    key = settings.card_signing_key.get_secret_value()
    return _signer(key, settings.card_signing_kid, settings.card_signing_jku)


def _unsigned(card: AgentCard) -> AgentCard:
    return card


@lru_cache(maxsize=4)
def _signer(pem: str, kid: str, jku: str) -> Callable[[AgentCard], AgentCard]:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow, and few sign
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key: PrivateKeyTypes = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidSetting(
            "A2A_CARD_SIGNING_KEY must be the text of a private key in PEM, without a password."
        ) from error
    algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    header: Any = {"kid": kid, "alg": algorithm, "typ": "JOSE", **({"jku": jku} if jku else {})}
    return create_agent_card_signer(pem, header)


def base_url(request: Request, settings: Settings) -> str:
    """Return the address under which clients reach an agent, without a slash at its end.

    Args:
        request: A request to it.
        settings: `public_url` takes the place of scheme and host.
    """
    path = str(request.scope.get("root_path", ""))
    if settings.public_url:
        return f"{settings.public_url.rstrip('/')}{path}"
    return f"{request.url.scheme}://{request.url.netloc}{path}"
