"""What is pushed is signed: receivers find the key, and know whom it is from, for whom, when, and that it is whole."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import jwt
import pytest
import redis.asyncio
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.routing import Route

from a2a_streaming import create_app
from a2a_streaming.errors import InvalidSetting
from a2a_streaming.push import ID_HEADER, JWT_HEADER, TOKEN_HEADER, KeyRing
from a2a_streaming.push.signing import make_key
from a2a_streaming.settings import Settings
from agents import Scripted, echo
from conftest import Served, serving
from receivers import receiving
from tasks import connected, until
from test_docs import example

WORD = "of the client"


@asynccontextmanager
async def echoing(settings: Settings, **changed: Any) -> AsyncIterator[Served]:
    """An agent that answers at once."""
    private = settings.model_copy(update={"push_private": True, **changed})
    async with serving(create_app(Scripted(echo), settings=private)) as served:
        yield served


async def send(http: httpx2.AsyncClient, served: Served, text: str, **config: Any) -> str:
    """Begin a task with a webhook; its id."""
    said = {"messageId": text, "role": "ROLE_USER", "parts": [{"text": text}]}
    wanted = {"returnImmediately": True, "taskPushNotificationConfig": config}
    params = {"message": said, "configuration": wanted}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
    return (await http.post(served.url, json=body)).json()["result"]["task"]["id"]


async def key_set(http: httpx2.AsyncClient, served: Served) -> dict[str, Any]:
    """The published keys, by their ids."""
    answer = await http.get(f"{served.url}/.well-known/jwks.json")
    assert "max-age" in answer.headers["cache-control"]
    return {key["kid"]: key for key in answer.json()["keys"]}


async def test_each_post_carries_a_token_that_the_published_key_verifies(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    issuer = "https://agents.example"
    async with echoing(settings, public_url=issuer) as served, receiving() as receiver:
        keys = await key_set(http, served)
        task = await send(http, served, "hello", url=receiver.url)
        await receiver.until_completed()
        seen: set[str] = set()
        for (_, headers, _), (_, body) in zip(receiver.taken, receiver.tried, strict=True):
            token = headers[JWT_HEADER.lower()]
            header = jwt.get_unverified_header(token)
            assert header["alg"] == "ES256"
            [key] = [jwt.PyJWK(keys[header["kid"]])]
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience=receiver.url,
                issuer=issuer,
                options={"require": ["iss", "aud", "iat", "exp", "jti"]},
            )
            assert claims["taskId"] == task
            assert claims["notificationId"] == headers[ID_HEADER.lower()]
            assert claims["request_body_sha256"] == hashlib.sha256(body).hexdigest()
            assert 0 < claims["exp"] - claims["iat"] <= 300
            seen.add(claims["jti"])
        assert len(seen) == len(receiver.taken)
        assert len(set(receiver.ids)) == len(receiver.ids)
        [key] = keys.values()
        assert "d" not in key


@pytest.mark.parametrize(
    ("authentication", "sent"),
    [
        ({"scheme": "Basic", "credentials": "dXNlcjp3b3Jk"}, "Basic dXNlcjp3b3Jk"),
        ({"scheme": "Bearer", "credentials": "hush"}, "Bearer hush"),
        ({"scheme": "Bearer"}, "Bearer {ours}"),
        (None, None),
    ],
    ids=["basic", "bearer", "ours", "none"],
)
async def test_a_clients_own_credentials_are_sent_as_it_says_and_ours_beside_them(
    settings: Settings,
    http: httpx2.AsyncClient,
    authentication: dict[str, str] | None,
    sent: str | None,
) -> None:
    async with echoing(settings) as served, receiving() as receiver:
        await send(
            http,
            served,
            "hello",
            url=receiver.url,
            token=WORD,
            **({"authentication": authentication} if authentication else {}),
        )
        await receiver.until(1)
        headers = receiver.taken[0][1]
        wanted = sent and sent.format(ours=headers[JWT_HEADER.lower()])
        assert headers.get("authorization") == wanted
        assert headers[TOKEN_HEADER.lower()] == WORD
        assert jwt.get_unverified_header(headers[JWT_HEADER.lower()])["kid"]


def ed25519_pem() -> tuple[ed25519.Ed25519PrivateKey, str]:
    """A key of an operator's own."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


async def test_an_operators_first_key_signs_and_all_are_published(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    _, new = ed25519_pem()
    _, old = make_key()
    changed = Settings(push_signing_key=f"{new}\n{old}")  # pyright: ignore[reportArgumentType]
    key = changed.push_signing_key
    async with (
        echoing(settings, push_signing_key=key) as served,
        receiving() as receiver,
    ):
        keys = await key_set(http, served)
        assert [one["alg"] for one in keys.values()] == ["EdDSA", "ES256"]
        await send(http, served, "hello", url=receiver.url)
        await receiver.until(1)
        token = receiver.taken[0][1][JWT_HEADER.lower()]
        signing = keys[jwt.get_unverified_header(token)["kid"]]
        assert signing["alg"] == "EdDSA"
        jwt.decode(token, jwt.PyJWK(signing), algorithms=["EdDSA"], audience=receiver.url)
    assert not await raw.exists("auth:push-keys")


@pytest.mark.parametrize("wrong", ["nonsense", "-----BEGIN PRIVATE KEY-----\n-----END X-----"])
async def test_a_key_that_cant_be_read_is_named(settings: Settings, wrong: str) -> None:
    changed = settings.model_copy(
        update={"push_signing_key": Settings(push_signing_key=wrong).push_signing_key}  # pyright: ignore[reportArgumentType]
    )
    async with connected(settings) as manager:
        with pytest.raises(InvalidSetting, match="A2A_PUSH_SIGNING_KEY"):
            KeyRing(changed, manager.signing_keys)


async def test_processes_share_a_key_which_is_replaced_in_time_and_published_before_and_after(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings) as manager, connected(settings) as other:
        rings = [KeyRing(settings, one.signing_keys) for one in (manager, other)]

        async def kid(ring: KeyRing) -> str:
            return jwt.get_unverified_header(await ring.token("aud", b"{}", {}))["kid"]

        async def ids() -> list[str]:
            ring = KeyRing(settings, manager.signing_keys)
            return [key["kid"] for key in (await ring.published())["keys"]]

        [first] = {await kid(ring) for ring in rings}
        assert await ids() == [first]

        async def age(days: float) -> None:
            """Let all keys have begun so much earlier."""
            kept: Any = await raw.hgetall("auth:push-keys")
            for name, value in kept.items():
                begins, _, pem = value.decode().partition(" ")
                older = int(begins) - int(days * 86_400_000)
                await raw.hset("auth:push-keys", name, f"{older} {pem}")

        await age(settings.push_key_days)
        assert len(await ids()) == 2  # it is published
        fresh = KeyRing(settings, manager.signing_keys)
        assert await kid(fresh) == first  # and doesn't sign yet
        await age(0.5)
        fresh = KeyRing(settings, manager.signing_keys)
        second = await kid(fresh)
        assert second != first
        assert await ids() == [first, second]  # what the old one has signed is still verified
        await age(1)
        assert await ids() == [second]


async def test_the_receiver_in_the_documentation_takes_what_is_genuine_once_and_nothing_else(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    shown = example("docs/webhooks.md", "receiver")["Receiver"]
    async with echoing(settings, push_retry_first_seconds=0.01) as served:
        keys = f"{served.url}/.well-known/jwks.json"
        receiver = shown(keys=keys, issuer="a2a-streaming", token=WORD)
        app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
        async with receiving() as spy, serving(app) as hook:
            receiver.url = f"{hook.url}/hook"
            task = await send(http, served, "hello", url=receiver.url, token=WORD)
            receiver.tasks.add(task)

            async def has_all() -> bool:
                return any("completed" in json.dumps(one).lower() for one in receiver.events)

            await until(has_all)
            count = len(receiver.events)
            await send(http, served, "another", url=spy.url, token=WORD)
            await spy.until_completed()
            [(_, headers, _), *_], [(_, body), *_] = spy.taken, spy.tried
            forged, _ = make_key()
            claims: dict[str, Any] = {
                "iss": "a2a-streaming",
                "aud": receiver.url,
                "iat": int(time.time()),
                "exp": int(time.time()) + 60,
                "jti": "1",
                "taskId": task,
                "notificationId": "1",
                "request_body_sha256": hashlib.sha256(body).hexdigest(),
            }
            kid = jwt.get_unverified_header(headers[JWT_HEADER.lower()])["kid"]
            by_others = jwt.encode(claims, forged.private, "ES256", headers={"kid": kid})
            token = {TOKEN_HEADER: WORD}
            genuine = headers[JWT_HEADER.lower()]
            for wrong in (
                {},
                {JWT_HEADER: "nonsense", **token},
                {JWT_HEADER: by_others, **token},
                {JWT_HEADER: genuine, **token},  # which is for another one
            ):
                answer = await http.post(receiver.url, content=body, headers=wrong)
                assert answer.status_code == 401
            assert len(receiver.events) == count
            # Genuine, and come again; then with another body, and with another client's token.
            again = receiver.last
            for changed, status in (({}, 204), ({"body": b"{}"}, 401), ({"token": "x"}, 401)):
                sent = {**again[0], TOKEN_HEADER.lower(): changed.get("token", WORD)}
                content = changed.get("body", again[1])
                sent.pop("content-length", None)
                answer = await http.post(receiver.url, content=content, headers=sent)
                assert answer.status_code == status
            assert len(receiver.events) == count
