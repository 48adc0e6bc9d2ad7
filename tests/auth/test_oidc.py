"""JWTs of an issuer: which are believed, which keys prove them, and what an issuer can't do to us."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm
from starlette.applications import Starlette

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.auth import tokens
from a2a_streaming.auth.oidc import Issuer, read_keys
from a2a_streaming.caller import Caller, Role, owner_of
from a2a_streaming.errors import Unauthenticated, Unavailable
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from conftest import Served, serving
from issuers import DISCOVERY, FakeIssuer, ec_key, issuing, public, rsa_key

MINUTE = 60


class Clock:
    """Time that goes by when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Echo(Agent):
    """Says what it was told."""

    card = agent_card("echo")

    async def run(self, run: Run) -> None:
        await run.complete(run.text)


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    async with issuing() as issuer:
        yield issuer


@asynccontextmanager
async def checks(
    issuer: FakeIssuer, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Issuer]:
    """What checks an issuer's tokens."""
    checking = Issuer(issuer.settings(Settings(), **settings), clock=clock or Clock())
    try:
        yield checking
    finally:
        await checking.aclose()


@asynccontextmanager
async def echoing(settings: Settings) -> AsyncIterator[tuple[Served, Node]]:
    app: Starlette = create_app(Echo(), settings=settings)
    async with serving(app) as served:
        yield served, app.state.node


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def ask(
    http: httpx2.AsyncClient, url: str, token: str, method: str = "ListTasks", **params: Any
) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    return await http.post(url, json=body, headers=bearer(token))


async def refused(checking: Issuer, token: str, case: Any = None) -> None:
    """The token isn't believed."""
    try:
        caller = await checking.identify(token)
    except Unauthenticated:
        return
    raise AssertionError(f"{caller} by {token[:200]}, which has {case!r}")


async def away(checking: Issuer, token: str, case: Any = None) -> None:
    """The token can't be checked."""
    try:
        caller = await checking.identify(token)
    except Unavailable:
        return
    raise AssertionError(f"{caller} in spite of {case!r}")


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(header: Any, claims: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token by hand, as no library would make it."""
    said = f"{encoded(header)}.{encoded(claims)}"
    return f"{said}.{encoded(sign(said.encode()))}"


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda said: hmac.digest(secret, said, hashlib.sha256)


# Tokens


async def test_a_token_of_each_allowed_algorithm_names_its_subject(issuer: FakeIssuer) -> None:
    async with checks(issuer) as checking:
        for token in (
            issuer.token(sub="mia"),
            issuer.token(sub="mia", key=ec_key("two"), algorithm="ES256", kid="two"),
            issuer.token(sub="mia", aud=["others", "agents"]),
            issuer.token(sub="mia", exp=int(time.time()) - 5),  # clocks differ
            issuer.token(sub="mia", nbf=int(time.time()) + 5),
        ):
            assert await checking.identify(token) == Caller("mia")
    assert issuer.asked == [DISCOVERY, "/keys"]


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://elsewhere.example"},
    *({"aud": aud} for aud in ("others", ["a", "b"], [], "", 7, [7], ["agents", 7], {})),
    *({"exp": exp} for exp in (int(time.time()) - MINUTE, "soon", [], float("inf"), True)),
    *({"nbf": nbf} for nbf in (int(time.time()) + 60 * MINUTE, "soon", [], float("nan"))),
    {"iat": int(time.time()) + 60 * MINUTE},
    *({"sub": sub} for sub in ("", 7, True, ["mia"], {"mia": 1})),
    *({name: None} for name in ("exp", "sub", "aud", "iss")),
    *({"iss": iss} for iss in (7, [], ["https://elsewhere.example"])),
]


async def test_a_token_that_says_the_wrong_things_is_refused(issuer: FakeIssuer) -> None:
    async with checks(issuer) as checking:
        for changed in WRONG_CLAIMS:
            await refused(checking, issuer.token(**changed), changed)
        # An issuer's name is compared as it is, with the slash at its end.
        await refused(checking, issuer.token(iss=f"{issuer.url}/"))


async def test_a_token_that_the_issuer_didnt_sign_is_refused(issuer: FakeIssuer) -> None:
    pem = rsa_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = issuer.claims()
    good = issuer.token()
    head, _, signature = good.split(".")
    async with checks(issuer) as checking:
        for token in (
            issuer.token(key=rsa_key("other")),
            f"{head}.{encoded(issuer.claims(sub='boss'))}.{signature}",
            good.rpartition(".")[0] + ".",
            good.rpartition(".")[0],
            *(forged({"alg": alg, "kid": "one"}, claims) for alg in ("none", "None", "", None, [])),
            forged({"kid": "one"}, claims),
            # The key that everybody knows, as if it were a secret.
            forged({"alg": "HS256", "kid": "one"}, claims, hs256(pem)),
            forged({"alg": "HS256", "kid": "one", "typ": "act+jwt"}, claims, hs256(pem)),
            forged({"alg": "RS256", "kid": "one"}, claims, hs256(pem)),
            # The right key, with an algorithm that isn't on the list, or isn't that key's.
            issuer.token(algorithm="RS512"),
            issuer.token(algorithm="PS256"),
            issuer.token(kid="two"),
            issuer.token(key=ec_key("two"), algorithm="ES256", kid="one"),
        ):
            await refused(checking, token)
        assert await checking.identify(good) == Caller("mia")


GARBAGE = {
    "one word": "nonsense",
    "dots": "...",
    "more dots": "." * 5000,
    "three words": "a.b.c",
    "three words and a dot": "a.b.c.d",
    "no JSON": f"{encoded(b'{')}.{encoded(b'{}')}.{encoded(b'')}",
    "no text": f"{encoded(bytes([255, 254]))}.{encoded({})}.",
    "no object": forged([], {}),
    "a number": forged(7, {}),
    "a list of claims": forged({"alg": "RS256", "kid": "one"}, []),
    "an odd kid": forged({"alg": "RS256", "kid": {"a": 1}}, {}),
    "half a surrogate pair": forged({"alg": "RS256", "kid": "one", "crit": ["\ud800"]}, {}),
    "half a kid": forged({"alg": "RS256", "kid": "\ud800"}, {}),
    "a deep header": forged(b"[" * 5000, {}),
    "a deep object": forged(b'{"a":' * 2000, {}),
    "a detached payload": forged({"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]}, {}),
    "a long number": forged(b'{"alg": ' + b"1" * 6000 + b"}", {}),
    "100 kB": forged({"alg": "RS256", "kid": "one", "x": "y" * 75_000}, {}),
    "a megabyte": "x" * 1_000_000,
    "an odd type": forged({"alg": "RS256", "typ": ["act+jwt"]}, {}),
    "accents": "é.é.é",
}


async def test_garbage_is_refused_and_told_how_to_sign_in(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    wanted = issuer.settings(settings, auth_keys=True, limit_sign_ins="10000/minute")
    async with echoing(wanted) as (served, _):
        for name, token in GARBAGE.items():
            for kind in (token, f"a2a_{token}"):
                headers = [(b"authorization", f"Bearer {kind}".encode())]
                answer = await http.post(served.url, json=LIST, headers=headers)
                assert answer.status_code == 401, name
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["error"]["code"] == -31401
                assert answer.json()["id"] == 7
                if len(kind) > 50_000:
                    continue  # no client puts that into a URL
                asking = {"ticket": kind, "id": "t1"}
                ticket = await http.get(f"{served.url}/tasks/resubscribe", params=asking)
                assert ticket.status_code == 401, name
    assert issuer.fetches <= 1


LIST = {"jsonrpc": "2.0", "id": 7, "method": "ListTasks", "params": {}}


# Keys


async def test_a_key_that_isnt_known_makes_one_fetch_a_pause(issuer: FakeIssuer) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        await checking.identify(issuer.token())
        for second in range(1, 60):
            clock.now = second
            for attempt in range(3):
                await refused(checking, issuer.token(kid=f"{second}-{attempt}"))
        assert issuer.fetches <= 6
        assert await checking.identify(issuer.token()) == Caller("mia")


async def test_a_key_that_is_really_new_is_known_within_a_pause_whatever_others_send(
    issuer: FakeIssuer,
) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        await checking.identify(issuer.token())
        clock.now = 100
        await refused(checking, issuer.token(kid="nonsense"))  # somebody makes us look
        issuer.keys = [public(rsa_key("three"), kid="three")]
        clock.now = 111
        new = issuer.token(key=rsa_key("three"), kid="three")
        assert await checking.identify(new) == Caller("mia")
        await refused(checking, issuer.token())  # what the issuer took back is gone


async def test_a_key_that_was_taken_back_is_refused_after_some_minutes(issuer: FakeIssuer) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        await checking.identify(issuer.token())
        issuer.keys = []
        clock.now = 299
        assert await checking.identify(issuer.token()) == Caller("mia")
        clock.now = 301
        await refused(checking, issuer.token())


async def test_keys_serve_on_while_the_issuer_is_away(issuer: FakeIssuer) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        await checking.identify(issuer.token())
        issuer.away = True
        for second in (400, 402, 404):
            clock.now = second
            assert await checking.identify(issuer.token()) == Caller("mia")
        assert issuer.asked.count(DISCOVERY) == 2  # it isn't asked for each token
        issuer.away = False
        clock.now = 800
        assert await checking.identify(issuer.token()) == Caller("mia")
        assert issuer.fetches == 2


async def test_an_issuer_that_is_away_from_the_start_is_waited_for(issuer: FakeIssuer) -> None:
    clock = Clock()
    issuer.away = True
    async with checks(issuer, clock) as checking:
        for _ in range(3):
            await away(checking, issuer.token())
        assert issuer.asked == [DISCOVERY]
        issuer.away = False
        clock.now = 3
        assert await checking.identify(issuer.token()) == Caller("mia")


async def test_without_an_issuer_clients_are_told_to_come_back(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with issuing() as gone:
        wanted = gone.settings(settings)
        token = gone.token()
    async with echoing(wanted) as (served, _):
        answer = await ask(http, served.url, token)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        rest = await http.get(f"{served.url}/v1/tasks", headers=bearer(token))
        assert rest.status_code == 503
        assert int(rest.headers["retry-after"]) > 0
        # What could be nobody's token needs no issuer to be refused.
        assert (await ask(http, served.url, "nonsense")).status_code == 401


@pytest.mark.parametrize("known", [False, True])
async def test_many_who_ask_a_slow_issuer_at_once_make_one_fetch(
    issuer: FakeIssuer, known: bool
) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        if known:
            await checking.identify(issuer.token())
            clock.now = 1000
        issuer.gate.clear()
        asking = [asyncio.create_task(checking.identify(issuer.token())) for _ in range(50)]
        leaving = asyncio.create_task(checking.identify(issuer.token()))
        async with asyncio.timeout(10):
            while len(issuer.asked) < (3 if known else 1):
                await asyncio.sleep(0.001)
        leaving.cancel()  # and takes nothing from the others
        issuer.gate.set()
        assert set(await asyncio.gather(*asking)) == {Caller("mia")}
        assert issuer.fetches == 1 + known


async def test_many_who_ask_an_issuer_that_is_away_dont_wait_for_each_other(
    issuer: FakeIssuer,
) -> None:
    issuer.away = True
    issuer.gate.clear()
    async with checks(issuer) as checking:
        asking = [asyncio.create_task(checking.identify(issuer.token())) for _ in range(50)]
        async with asyncio.timeout(10):
            while not issuer.asked:
                await asyncio.sleep(0.001)
        issuer.gate.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(one) for one in found} == {Unavailable}
        assert issuer.asked == [DISCOVERY]


NO_DOCUMENTS = [
    *(b"", b"null", b"[]", b'"keys"', b"7", b"{}", b"<html>", b'{"keys": {}}', b"\xff"),
    *(b'{"keys": null}', b'{"keys": 7}', b"[" * 3000),
    b'{"keys": [' + b" " * 2_000_000 + b"]}",
]


@pytest.mark.parametrize("path", ["/keys", DISCOVERY])
async def test_documents_that_are_none_change_nothing(issuer: FakeIssuer, path: str) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        for body in NO_DOCUMENTS:
            issuer.documents[path] = body
            clock.now += 10
            await away(checking, issuer.token(), body[:20])
        issuer.documents.clear()
        clock.now += 10
        assert await checking.identify(issuer.token()) == Caller("mia")
        for body in NO_DOCUMENTS:
            issuer.documents[path] = body
            clock.now += 1000
            assert await checking.identify(issuer.token()) == Caller("mia"), body[:20]


LIES: list[dict[str, Any]] = [
    {"issuer": "https://elsewhere.example"},
    {"issuer": None},
    *({"jwks_uri": uri} for uri in (None, "", 7, [], "nonsense", "http://[", "ftp://x/y")),
    *({"jwks_uri": uri} for uri in ("file:///etc/passwd", "http://127.0.0.1:1/keys")),
]


async def test_a_discovery_document_that_lies_isnt_believed(issuer: FakeIssuer) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        for lie in LIES:
            issuer.discovery = lie
            clock.now += 10
            await away(checking, issuer.token(), lie)
    assert len(issuer.asked) == len(LIES)
    assert issuer.fetches == 0


async def test_a_redirect_to_other_keys_isnt_followed(issuer: FakeIssuer) -> None:
    async with issuing() as other, checks(issuer) as checking:
        issuer.redirects["/keys"] = f"{other.url}/keys"
        await away(checking, issuer.token())
        assert other.asked == []


async def test_an_address_for_the_keys_takes_the_place_of_discovery(issuer: FakeIssuer) -> None:
    async with checks(issuer, auth_jwks_url=f"{issuer.url}/keys") as checking:
        assert await checking.identify(issuer.token()) == Caller("mia")
    assert issuer.asked == ["/keys"]


async def test_a_token_without_a_key_id_fits_the_only_key_of_its_algorithm(
    issuer: FakeIssuer,
) -> None:
    async with checks(issuer) as checking:
        assert await checking.identify(issuer.token(kid=None)) == Caller("mia")
        ecs = issuer.token(key=ec_key("two"), algorithm="ES256", kid=None)
        assert await checking.identify(ecs) == Caller("mia")
    issuer.keys = [public(rsa_key("one")), public(rsa_key("three"))]
    async with checks(issuer) as checking:
        await refused(checking, issuer.token(kid=None))


def private(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    """A private key that doesn't say that it is for signing alone."""
    return {**RSAAlgorithm.to_jwk(key, as_dict=True), "key_ops": ["verify"]}


def oct_key(secret: bytes) -> dict[str, Any]:
    return HMACAlgorithm.to_jwk(secret, as_dict=True)


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
SECRET = b"known to everybody who reads the key set"
ODD_KEYS: dict[str, Any] = {
    "no object": [7, None, "key", []],
    "an unknown type": [{"kty": "LATTICE", "kid": "one", "x": "y"}],
    "no type": [{"kid": "one"}],
    "an odd type": [{"kty": ["RSA"], "kid": "one"}],
    "no numbers": [{"kty": "RSA", "kid": "one"}],
    "odd numbers": [{"kty": "RSA", "kid": "one", "n": 7, "e": {}}],
    "no base64": [{"kty": "RSA", "kid": "one", "n": "é", "e": "!"}],
    "tiny numbers": [{"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}],
    "an odd curve": [{"kty": "EC", "kid": "one", "crv": "P-1", "x": "AQAB", "y": "AQAB"}],
    "no point": [{"kty": "EC", "kid": "one", "crv": "P-256", "x": "AQAB", "y": "AQAB"}],
    "an odd id": [public(rsa_key("one"), kid=7)],
    "for encryption": [public(rsa_key("one"), kid="one", use="enc")],
    "for signing alone": [public(rsa_key("one"), kid="one", key_ops=["sign"])],
    "for another algorithm": [public(rsa_key("one"), kid="one", alg="RS512")],
    "known to everybody": [{**private(rsa_key("one")), "kid": "one"}],
    "a secret": [{**oct_key(SECRET), "kid": "one"}],
    "a secret in disguise": [{**oct_key(SECRET), "kid": "one", "alg": "RS256"}],
    "too short": [public(SHORT, kid="s")],
    "another curve": [public(ec.generate_private_key(ec.SECP384R1()), kid="p384")],
}


async def test_keys_that_prove_nothing_may_stand_beside_good_ones(issuer: FakeIssuer) -> None:
    clock = Clock()
    async with checks(issuer, clock) as checking:
        for name, keys in ODD_KEYS.items():
            clock.now += 1000
            issuer.keys = [*keys, public(rsa_key("good"), kid="good")]
            good = issuer.token(key=rsa_key("good"), kid="good")
            assert await checking.identify(good) == Caller("mia"), name
            await refused(checking, issuer.token(), name)
            for kid in ("one", "s", "p384", 7):
                for alg in ("RS256", "ES256", "HS256"):
                    token = forged({"alg": alg, "kid": kid}, issuer.claims(), hs256(SECRET))
                    await refused(checking, token, name)


async def test_a_key_that_names_no_algorithm_serves_each_that_it_is_made_for(
    issuer: FakeIssuer,
) -> None:
    issuer.keys = [public(rsa_key("one"), kid="one"), public(ec_key("two"), kid="one")]
    async with checks(issuer, auth_algorithms=["RS256", "RS512", "PS256", "ES256"]) as checking:
        for algorithm in ("RS256", "RS512", "PS256"):
            assert await checking.identify(issuer.token(algorithm=algorithm)) == Caller("mia")
        same = issuer.token(key=ec_key("two"), algorithm="ES256", kid="one")
        assert await checking.identify(same) == Caller("mia")


# Roles and owners


ROLES: list[tuple[Any, Role]] = [
    ("operator", Role.OPERATOR),
    (["agent"], Role.AGENT),
    (["agent", "operator"], Role.OPERATOR),
    (["nothing", "service", 7, None, {}, ["operator"]], Role.SERVICE),
    *((odd, Role.CUSTOMER) for odd in (None, [], "", "Operator", "operators", 7, True, 1.5)),
    *((odd, Role.CUSTOMER) for odd in ({"operator": True}, [["operator"]], "customer", {})),
]


async def test_the_claim_names_roles_and_the_strongest_counts(issuer: FakeIssuer) -> None:
    async with checks(issuer, auth_roles_claim="our_roles") as checking:
        for said, role in ROLES:
            assert await checking.identify(issuer.token(our_roles=said)) == Caller("mia", role), (
                said
            )


ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=60)


@given(st.lists(ANY_TEXT | ANY_TEXT.map(lambda text: text * 60), unique=True, max_size=20))
def test_each_subject_is_another_owner(subjects: list[str]) -> None:
    owners = [owner_of(subject) for subject in subjects]
    assert len(set(owners)) == len(subjects)
    assert all(owner.isascii() and 0 < len(owner) <= 384 for owner in owners)
    assert not any(set(owner) & set("{} \n\0*?[]\\") - {"*"} for owner in owners)
    # Who may choose a subject doesn't choose one that is stored as another's.
    assert not {owner_of(owner) for owner in owners if owner not in subjects} & set(owners)


async def test_subjects_with_odd_characters_have_tasks_of_their_own(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    subjects = [
        *(
            "a b",
            "a%20b",
            "a/b",
            "a|b",
            "{a}",
            "{b}",
            "a\nb",
            "a\0b",
            "ä",
            "😀",
            "\ud800",
            "~",
            "*",
        ),
        *("x" * 300, "x" * 301, owner_of("x" * 300)),
    ]
    async with echoing(issuer.settings(settings)) as (served, _):
        found: list[tuple[str, str]] = []
        for subject in subjects:
            token = issuer.token(sub=subject)
            said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
            sent = (await ask(http, served.url, token, "SendMessage", message=said)).json()
            found.append((token, sent["result"]["task"]["id"]))
        assert len({task for _, task in found}) == len(subjects)
        for token, task in found:
            own = (await ask(http, served.url, token, "GetTask", id=task)).json()
            assert own["result"]["status"]["state"] == "TASK_STATE_COMPLETED"
            listed = (await ask(http, served.url, token, "ListTasks")).json()
            assert [one["id"] for one in listed["result"]["tasks"]] == [task]
        for (token, _), (_, task) in zip(found, found[1:] + found[:1], strict=True):
            others = (await ask(http, served.url, token, "GetTask", id=task)).json()
            assert others["error"]["code"] == -32001


# Beside tokens of our own


async def test_the_card_says_where_to_sign_in(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with echoing(issuer.settings(settings)) as (served, _):
        card = (await http.get(f"{served.url}/.well-known/agent-card.json")).json()
        url = card["securitySchemes"]["openIdConnect"]["openIdConnectUrl"]
        assert card["securitySchemes"]["openIdConnect"]["type"] == "openIdConnect"
        assert card["security"] == [{"openIdConnect": []}]
        assert list(card["securitySchemes"]) == ["openIdConnect"]
        assert (await http.get(url)).json()["issuer"] == issuer.url


async def test_each_token_of_ours_is_good_for_one_thing_alone(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with echoing(issuer.settings(settings)) as (served, node):
        mia = issuer.token()
        said = {"role": "user", "parts": [{"type": "text", "text": "hello"}]}
        sent = await ask(http, served.url, mia, "tasks/send", id="t1", message=said)
        assert sent.json()["result"]["status"]["state"] == "completed"
        ticket = await node.authenticator.ticket(Caller("mia"), "t1")
        acting = await node.authenticator.acting_token("router", "mia")

        async def event_source(**query: str) -> int:
            query["id"] = "t1"
            url = f"{served.url}/tasks/resubscribe"
            async with http.stream("GET", url, params=query) as answer:
                return answer.status_code

        assert await event_source(ticket=ticket) == 200
        assert (await ask(http, served.url, acting)).status_code == 200
        assert (await ask(http, served.url, mia)).status_code == 200
        for refused in (acting, mia, "", "nonsense"):
            assert await event_source(ticket=refused) == 401
        assert (await ask(http, served.url, ticket)).status_code == 401
        assert await event_source(access_token=mia) == 401


async def test_tokens_that_look_like_ours_but_arent_are_refused(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    secret = b"another installation's secret, or a guess"
    async with echoing(issuer.settings(settings)) as (served, _):
        acting = tokens.acting_token(secret, actor="router", owner="mia", seconds=60)
        ticket = tokens.ticket(secret, Caller("mia"), task="t1", seconds=60)
        headers = {"typ": tokens.ACT, "alg": "none"}
        ours = {"iss": "a2a-streaming", "aud": tokens.ACT, "sub": "mia", "act": {"sub": "x"}}
        unsigned = forged(headers, {**ours, "exp": int(time.time()) + 60})
        for token in (acting, ticket, unsigned):
            assert (await ask(http, served.url, token)).status_code == 401
            query = {"id": "t1", "ticket": token}
            answer = await http.get(f"{served.url}/tasks/resubscribe", params=query)
            assert answer.status_code == 401


async def test_a_service_acts_for_a_customer_whose_subject_is_odd(
    issuer: FakeIssuer, settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with echoing(issuer.settings(settings)) as (served, _):
        service = issuer.token(sub="router", roles=["service"])
        url = f"{served.url}/auth/token"
        for customer, wanted in (("a {b} ä", 200), ("", 400), (7, 400), (None, 400)):
            told = await http.post(url, json={"customer": customer}, headers=bearer(service))
            assert told.status_code == wanted
        given = await http.post(url, json={"customer": "a {b} ä"}, headers=bearer(service))
        acting = given.json()["token"]
        said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
        sent = (await ask(http, served.url, acting, "SendMessage", message=said)).json()
        customer = issuer.token(sub="a {b} ä")
        task = sent["result"]["task"]["id"]
        got = (await ask(http, served.url, customer, "GetTask", id=task)).json()
        assert got["result"]["id"] == task


@hypothesis_settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "key_ops", "k"]),
        st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "AQAB", "one"])
        | st.text(max_size=6)
        | st.integers()
        | st.none()
        | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_whatever_stands_among_the_keys_the_good_one_serves(odd: dict[str, Any]) -> None:
    good = public(rsa_key("good"), kid="good")
    found = read_keys({"keys": [odd, good]}, ["RS256", "ES256", "EdDSA"])
    assert ("good", "RS256") in [(key.kid, key.algorithm) for key in found]
