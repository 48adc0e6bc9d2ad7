"""Agent cards: cached, extended, signed."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import httpx2
import jwt
import pytest
from a2a.client import (
    A2ACardResolver,
    AuthInterceptor,
    ClientCallContext,
    ClientConfig,
    ClientFactory,
    CredentialService,
)
from a2a.types import (
    AgentCard,
    GetExtendedAgentCardRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    TaskState,
)
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import SecretStr

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from conftest import Served, serving
from keyholders import key_for

CARD = "/.well-known/agent-card.json"


SKILL = {"id": "talk", "name": "Talk", "description": "Talks", "tags": ["talk"]}


class Plain(Agent):
    """Says nothing of note."""

    card = agent_card("plain", skills=[SKILL])

    async def run(self, run: Run) -> None:
        await run.complete("well")


class Richer(Plain):
    """Has more to tell to those who have signed in."""

    extended_card = agent_card("plain", description="What only customers may know")


class Promising(Plain):
    """Promises an extended card that it hasn't."""

    card = agent_card("plain")


Promising.card.capabilities.extended_agent_card = True


async def test_a_card_that_a_client_has_already_isnt_sent_again(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with serving(create_app(Plain(), settings=settings)) as served:
        first = await http.get(served.url + CARD)
        assert "max-age=" in first.headers["cache-control"]
        for known in (
            {"if-none-match": first.headers["etag"]},
            {"if-none-match": f'"other", W/{first.headers["etag"]}'},
            {"if-modified-since": first.headers["last-modified"]},
        ):
            again = await http.get(served.url + CARD, headers=known)
            assert again.status_code == 304
            assert not again.content
            assert again.headers["etag"] == first.headers["etag"]
        for unknown in (
            {"if-none-match": '"other"'},
            {"if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"if-modified-since": "nonsense"},
        ):
            assert (await http.get(served.url + CARD, headers=unknown)).status_code == 200


async def test_who_speaks_one_oh_by_its_own_word_is_told_nothing_of_other_versions(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with serving(create_app(Richer(), settings=settings)) as served:
        url = served.url + CARD
        asked_for = [
            await http.get(url, headers={"A2A-Version": "1.0"}),
            await http.get(url, headers={"A2A-Version": "1.0.1"}),
            await http.get(f"{url}?A2A-Version=1.0"),
        ]
        for response in asked_for:
            told = response.json()
            card = ParseDict(told, AgentCard())  # which refuses what 1.0 doesn't know
            assert MessageToDict(card) == told
            assert response.headers["vary"] == "A2A-Version"
        for version in ("", "0.3", "0.1", "1.7", "x"):
            response = await http.get(url, headers={"A2A-Version": version})
            told = response.json()
            assert told["url"] == f"{served.url}/"
            assert (told["protocolVersion"], told["preferredTransport"]) == ("0.3.0", "JSONRPC")
            assert told["supportedInterfaces"] == asked_for[0].json()["supportedInterfaces"]
            assert response.headers["etag"] != asked_for[0].headers["etag"]


async def test_another_card_has_another_tag(settings: Settings, http: httpx2.AsyncClient) -> None:
    tags: set[str] = set()
    for card in (agent_card("plain"), agent_card("plain", description="Other words")):
        async with serving(create_app(Plain(), card=card, settings=settings)) as served:
            tags.add((await http.get(served.url + CARD)).headers["etag"])
    assert len(tags) == 2


async def asked(http: httpx2.AsyncClient, served: Served, method: str) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
    return (await http.post(served.url, json=body)).json()


async def test_an_extended_card_is_announced_and_told_over_every_transport(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with serving(create_app(Richer(), settings=settings)) as served:
        public = (await http.get(served.url + CARD)).json()
        assert public["capabilities"]["extendedAgentCard"]
        assert public["supportsAuthenticatedExtendedCard"]
        v1 = await asked(http, served, "GetExtendedAgentCard")
        v03 = await asked(http, served, "agent/getAuthenticatedExtendedCard")
        v1_rest = await http.get(
            f"{served.url}/v1/extendedAgentCard", headers={"A2A-Version": "1.0"}
        )
        v03_rest = await http.get(f"{served.url}/v1/card")
        for told in (v1["result"], v03["result"], v1_rest.json(), v03_rest.json()):
            assert told["description"] == "What only customers may know"
        assert v1["result"]["supportedInterfaces"] == public["supportedInterfaces"]


@pytest.mark.parametrize(("agent", "code"), [(Plain, -32004), (Promising, -32007)])
async def test_where_there_is_no_extended_card_the_error_says_why(
    settings: Settings, http: httpx2.AsyncClient, agent: type[Agent], code: int
) -> None:
    async with serving(create_app(agent(), settings=settings)) as served:
        answer = await asked(http, served, "GetExtendedAgentCard")
        assert answer["error"]["code"] == code


def verify_as_told(told: dict[str, Any], key: ec.EllipticCurvePrivateKey) -> None:
    """Verify a card as one does who knows JSON alone (specification 1.0, section 8.4.3)."""
    [signature] = told.pop("signatures")
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    payload = base64.urlsafe_b64encode(canonical.encode()).rstrip(b"=").decode()
    token = f"{signature['protected']}.{payload}.{signature['signature']}"
    jwt.PyJWS().decode(token, key.public_key(), algorithms=["ES256"])


async def test_a_signed_card_verifies_and_a_changed_one_doesnt(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = settings.model_copy(
        update={"card_signing_key": SecretStr(pem), "card_signing_kid": "k1"}
    )
    verify = create_signature_verifier(lambda *_: public, ["ES256"])
    async with serving(create_app(Richer(), settings=signing)) as served:
        response = await http.get(served.url + CARD)
        card = ParseDict(response.json(), AgentCard(), ignore_unknown_fields=True)
        verify(card)
        [signature] = response.json()["signatures"]
        header = jwt.get_unverified_header(f"{signature['protected']}..")
        assert (header["kid"], header["alg"]) == ("k1", "ES256")
        extended = (await asked(http, served, "GetExtendedAgentCard"))["result"]
        verify(ParseDict(extended, AgentCard(), ignore_unknown_fields=True))
        known = {"if-none-match": response.headers["etag"]}
        assert (await http.get(served.url + CARD, headers=known)).status_code == 304
        pure = await http.get(served.url + CARD, headers={"A2A-Version": "1.0"})
        verify_as_told(pure.json(), key)
        card.description = "Send your money to me"
        with pytest.raises(InvalidSignaturesError):
            verify(card)


async def test_the_official_client_reads_a_signed_card_that_says_how_to_sign_in(
    settings: Settings,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    wanted = {
        "auth_keys": True,
        "auth_issuer": "https://issuer.example/",
        "auth_audience": "plain",
        "card_signing_key": SecretStr(pem),
    }
    app = create_app(Richer(), settings=settings.model_copy(update=wanted))
    verify = create_signature_verifier(lambda *_: public, ["ES256"])
    async with serving(app) as served, httpx.AsyncClient(timeout=20) as plain:
        resolver = A2ACardResolver(plain, served.url)
        card = await resolver.get_agent_card(signature_verifier=verify)
        assert [sorted(one.schemes) for one in card.security_requirements] == [
            ["apiKey"],
            ["openIdConnect"],
        ]
        told = card.security_schemes["apiKey"].api_key_security_scheme
        assert (told.location, told.name) == ("header", "X-API-Key")
        issuer = card.security_schemes["openIdConnect"].open_id_connect_security_scheme
        discovery = "https://issuer.example/.well-known/openid-configuration"
        assert issuer.open_id_connect_url == discovery
        # The client signs in by what it has read.
        mia = await key_for(app.state.node, "mia")
        config = ClientConfig(httpx_client=plain, streaming=True)
        interceptor = AuthInterceptor(Known(mia))
        client = ClientFactory(config).create(card, interceptors=[interceptor])
        said = Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text="hello")])
        events = [one async for one in client.send_message(SendMessageRequest(message=said))]
        assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
        extended = await client.get_extended_agent_card(
            GetExtendedAgentCardRequest(), signature_verifier=verify
        )
        assert extended.description == "What only customers may know"


class Known(CredentialService):
    """Has an API key."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def get_credentials(
        self,
        security_scheme_name: str,
        context: ClientCallContext | None,  # noqa: ARG002 - the base names it
    ) -> str | None:
        return self._key if security_scheme_name == "apiKey" else None
