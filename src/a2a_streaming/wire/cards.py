"""Agent cards: made from a few words, served as each version of A2A expects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    AgentSkill,
    SecurityScheme,
    StringList,
)
from google.protobuf.json_format import MessageToDict, ParseDict

RESUME = "urn:a2a-streaming:resume:v1"
"""The extension by which streams are resumed; `docs/resume.md` describes it to clients' authors."""

_INTERFACES = (
    ("/rpc/1.0", "JSONRPC", "1.0"),
    ("/v1", "HTTP+JSON", "1.0"),
    ("/rpc/0.3", "JSONRPC", "0.3"),
    ("", "HTTP+JSON", "0.3"),  # whose clients add /v1 themselves
    ("/rpc/0.1", "JSONRPC", "0.1"),
)
"""Paths, transports and versions, the preferred one first."""


def agent_card(
    name: str,
    *,
    description: str = "",
    skills: Sequence[AgentSkill | Mapping[str, Any]] = (),
    version: str = "1.0.0",
) -> AgentCard:
    """Make an agent's card.

    Args:
        name: The agent's name in addresses and keys, as in `billing`; the card shows `Billing Agent`.
        description: What it does, for people and for agents that route to it.
        skills: What it can do, each an `AgentSkill` or its JSON object with `id`, `name`,
            `description`, `tags` and `examples`; routing reads them.
        version: The agent's own version.

    Returns:
        A card (specification 1.0, section 4.4.1) without addresses; the server that serves it adds its own.
    """
    title = name.replace("-", " ").title()
    return AgentCard(
        name=f"{title} Agent",
        description=description or f"The {title} Agent.",
        version=version,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain", "application/json"],
        default_output_modes=["text/plain", "application/json"],
        skills=[
            skill if isinstance(skill, AgentSkill) else ParseDict(dict(skill), AgentSkill())
            for skill in skills
        ],
    )


def served_card(
    card: AgentCard,
    base_url: str,
    *,
    extended: bool = False,
    grpc: str = "",
    tenant: str = "",
    push: bool = False,
    schemes: Mapping[str, SecurityScheme] = MappingProxyType({}),
) -> AgentCard:
    """Return a card with the addresses under which its agent is served.

    Args:
        card: The agent's card.
        base_url: The agent's address, without a slash at its end.
        extended: Whether there is more to tell to those who have signed in.
        grpc: Where gRPC is served; empty if it isn't.
        tenant: The agent's name among those that gRPC serves there.
        push: Whether events can be pushed to webhooks.
        schemes: How clients may sign in, each by itself enough; none without authentication.
    """
    served = AgentCard()
    served.CopyFrom(card)
    del served.supported_interfaces[:]
    served.supported_interfaces.extend(
        AgentInterface(url=f"{base_url}{path}", protocol_binding=binding, protocol_version=version)
        for path, binding, version in _INTERFACES
    )
    if grpc:
        served.supported_interfaces.extend(
            AgentInterface(
                url=grpc, protocol_binding="GRPC", protocol_version=version, tenant=tenant
            )
            for version in ("1.0", "0.3")
        )
    served.capabilities.streaming = True
    # Said also where it is false, as 0.3 expects it: what is signed is what is told.
    served.capabilities.push_notifications = push
    if extended:
        served.capabilities.extended_agent_card = True
    for name, scheme in schemes.items():
        served.security_schemes[name].CopyFrom(scheme)
        served.security_requirements.add().schemes[name].CopyFrom(StringList())
    if not any(extension.uri == RESUME for extension in served.capabilities.extensions):
        served.capabilities.extensions.append(
            AgentExtension(
                uri=RESUME,
                description="Each event has a position; streams go on after the one in Last-Event-ID.",
            )
        )
    return served


def v1_card_json(served: AgentCard) -> dict[str, Any]:
    """Return a card's JSON as 1.0 has it, and nothing else.

    Args:
        served: The card, as `served_card` makes it.
    """
    body: dict[str, Any] = MessageToDict(served)
    body.setdefault("skills", [])
    return body


def card_json(served: AgentCard, base_url: str) -> dict[str, Any]:
    """Return a card's JSON: a superset of what the versions ask for.

    1.0's `supportedInterfaces`, the preferred one first, stand beside 0.3's and the first dialect's
    `url`, under which every version is answered.

    Args:
        served: The card, as `served_card` makes it.
        base_url: The agent's address, without a slash at its end.
    """
    body = v1_card_json(served)
    body["url"] = f"{base_url}/"
    body["protocolVersion"] = "0.3.0"
    body["preferredTransport"] = "JSONRPC"
    body["supportsAuthenticatedExtendedCard"] = served.capabilities.extended_agent_card
    body["capabilities"] = {
        "stateTransitionHistory": True,
        **body.get("capabilities", {}),
    }
    if "securitySchemes" in body:
        schemes: dict[str, Any] = body["securitySchemes"]
        body["securitySchemes"] = {name: _flat(scheme) | scheme for name, scheme in schemes.items()}
        wanted: list[Any] = body.get("securityRequirements", [])
        body["security"] = [
            {name: scopes.get("list", []) for name, scopes in one.get("schemes", {}).items()}
            for one in wanted
        ]
        body["authentication"] = {"schemes": sorted(schemes)}
    return body


_TYPES = {
    "apiKeySecurityScheme": "apiKey",
    "httpAuthSecurityScheme": "http",
    "oauth2SecurityScheme": "oauth2",
    "openIdConnectSecurityScheme": "openIdConnect",
    "mtlsSecurityScheme": "mutualTLS",
}


def _flat(scheme: Mapping[str, Any]) -> dict[str, Any]:
    """Return a security scheme as 0.3 has it: with its type beside its fields."""
    [(kind, told)] = scheme.items()
    fields = {"in" if key == "location" else key: value for key, value in told.items()}
    return {"type": _TYPES[kind], **fields}
