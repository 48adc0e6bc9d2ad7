"""Agent cards as this process serves them: with their addresses, extended, and signed if there is a key."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from a2a.types import (
    AgentCard,
    APIKeySecurityScheme,
    OpenIdConnectSecurityScheme,
    SecurityScheme,
)
from a2a.utils.signing import create_agent_card_signer

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import served_card

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

KEY_HEADER = "X-API-Key"
"""The header in which API keys are sent."""


def public_card(node: Node, agent: str, base: str) -> AgentCard:
    """Return an agent's card as everybody sees it.

    Args:
        node: The process's node.
        agent: The agent's name.
        base: The agent's address.
    """
    return signed(node.settings)(unsigned_card(node, agent, base))


def extended_card(node: Node, agent: str, base: str) -> AgentCard | None:
    """Return an agent's extended card; None if it has none."""
    card = _extended(node, agent)
    return signed(node.settings)(unsigned_card(node, agent, base, card)) if card else None


def unsigned_card(node: Node, agent: str, base: str, card: AgentCard | None = None) -> AgentCard:
    """Return a card as it is served, without a signature: arguments as for `public_card`; `card` if not its own."""
    return served_card(
        card or node.cards[agent],
        base,
        extended=_extended(node, agent) is not None,
        grpc=node.grpc_address,
        tenant=agent,
        push=node.settings.push,
        schemes=_schemes(node.settings),
    )


def _schemes(settings: Settings) -> dict[str, SecurityScheme]:
    """Return how clients may sign in (specification 1.0, section 4.5)."""
    schemes: dict[str, SecurityScheme] = {}
    if settings.auth_keys:
        key = APIKeySecurityScheme(
            location="header", name=KEY_HEADER, description="An API key; as a bearer token, too."
        )
        schemes["apiKey"] = SecurityScheme(api_key_security_scheme=key)
    if settings.auth_issuer:
        issuer = OpenIdConnectSecurityScheme(
            open_id_connect_url=f"{settings.auth_issuer.rstrip('/')}/.well-known/openid-configuration",
            description=f"A JWT for {settings.auth_audience}, as Authorization: Bearer.",
        )
        schemes["openIdConnect"] = SecurityScheme(open_id_connect_security_scheme=issuer)
    return schemes


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
