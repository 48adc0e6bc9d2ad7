"""Where a post goes, and where it doesn't: addresses, redirects, names and certificates, endless answers."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.push import KeyRing, Notification, Outcome, Sender
from a2a_streaming.settings import Settings
from conftest import serving
from receivers import receiving
from tasks import connected

Names = dict[str, list[str]]


@pytest.fixture
async def manager(settings: Settings) -> AsyncIterator[RedisManager]:
    async with connected(settings) as manager:
        yield manager


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Names that resolve to addresses of the test's: to the first of them, then to the next ones."""
    known: Names = {}
    real: Callable[..., Any] = socket.getaddrinfo

    def resolve(host: str, port: int, *args: Any, **more: Any) -> Any:
        addresses = known.get(host)
        if addresses is None:
            return real(host, port, *args, **more)
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@asynccontextmanager
async def sending(
    manager: RedisManager, *, trusted: ssl.SSLContext | None = None, **changed: Any
) -> AsyncIterator[Callable[[str], Any]]:
    """Post to a URL."""
    settings = manager.settings.model_copy(update={"push_private": True, **changed})
    sender = Sender(settings, KeyRing(settings, manager.signing_keys), trusted=trusted)
    await sender.start()

    async def send(url: str) -> Outcome:
        return await sender.send(Notification("id", url, b"{}"))

    try:
        yield send
    finally:
        await sender.aclose()


async def test_a_name_that_comes_to_lie_on_this_machine_isnt_posted_to(
    manager: RedisManager, names: Names
) -> None:
    async with receiving() as receiver, sending(manager, push_private=False) as send:
        url = receiver.url.replace("127.0.0.1", "rebinding.test")
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"):
            names["rebinding.test"] = [address]
            assert "isn't on the public internet" in (await send(url)).reason
        assert receiver.tried == []


async def test_the_address_that_was_checked_is_the_one_that_is_spoken_to(
    manager: RedisManager, names: Names
) -> None:
    allowed = {"push_private": False, "push_networks": ["127.0.0.0/8"]}
    async with receiving() as receiver, sending(manager, **allowed) as send:
        names["rebinding.test"] = [
            "127.0.0.1",
            "192.0.2.1",
        ]  # to another one, when it is asked again
        assert await send(receiver.url.replace("127.0.0.1", "rebinding.test")) == Outcome()
        assert receiver.taken[0][1]["host"].startswith("rebinding.test:")


async def test_hosts_and_schemes_are_those_that_the_operator_allows(
    manager: RedisManager, names: Names
) -> None:
    names.update({host: ["127.0.0.1"] for host in ("a.ok.test", "fine.test", "evilok.test")})
    async with (
        receiving() as receiver,
        sending(manager, push_hosts=["*.ok.test", "fine.test"]) as send,
        sending(manager, push_https=True) as send_safely,
    ):
        for host, goes in (("a.ok.test", True), ("FINE.test", True), ("evilok.test", False)):
            names.setdefault(host, ["127.0.0.1"])
            outcome = await send(receiver.url.replace("127.0.0.1", host))
            assert (not outcome.reason) is goes, outcome
        assert "must be https" in (await send_safely(receiver.url)).reason


async def test_redirects_arent_followed_and_endless_answers_arent_read(
    manager: RedisManager,
) -> None:
    async with receiving() as receiver:

        async def redirect(_: Request) -> Response:
            return RedirectResponse(receiver.url, 307)

        async def endless(_: Request) -> Response:
            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(1000):
                    yield b"x" * 65536
                    await asyncio.sleep(0)  # it finds out that nobody reads

            return StreamingResponse(chunks())

        routes = [
            Route("/redirect", redirect, methods=["POST"]),
            Route("/endless", endless, methods=["POST"]),
        ]
        async with serving(Starlette(routes=routes)) as served, sending(manager) as send:
            assert (await send(f"{served.url}/redirect")).reason == "HTTP 307"
            assert await send(f"{served.url}/endless") == Outcome()
        assert receiver.tried == []


async def test_who_takes_the_request_and_says_nothing_is_given_up_in_time(
    manager: RedisManager,
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(b"HTTP/1.1 200 OK\r\nx-")  # a header without an end, piece by piece
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with sending(manager, push_timeout=0.3) as send:
        assert (await send(f"http://127.0.0.1:{port}/")).reason == "no answer within 0.3 s"
    server.close()
    await server.wait_closed()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a name, which vouches for itself; and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return cert, private


async def test_tls_holds_to_the_name_though_the_address_is_spoken_to(
    manager: RedisManager, names: Names, tmp_path: Path
) -> None:
    cert, key = await asyncio.to_thread(certificate, tmp_path, "hooks.test")
    taken: list[str] = []

    async def take(request: Request) -> Response:
        taken.append(request.headers["host"].partition(":")[0])
        return Response(status_code=204)

    def config(app: Any) -> uvicorn.Config:
        return uvicorn.Config(app, log_config=None, ssl_certfile=cert, ssl_keyfile=key)

    trusted = await asyncio.to_thread(ssl.create_default_context, cafile=str(cert))
    names["hooks.test"] = names["other.test"] = ["127.0.0.1"]
    app = Starlette(routes=[Route("/", take, methods=["POST"])])
    async with serving(app, config=config) as served, sending(manager, trusted=trusted) as send:
        port = served.url.rpartition(":")[2]
        assert await send(f"https://hooks.test:{port}/") == Outcome()
        # Not even over the connection that is open to the same address for another name.
        assert "hostname" in (await send(f"https://other.test:{port}/")).reason.lower()
        assert await send(f"https://hooks.test:{port}/") == Outcome()
    assert taken == ["hooks.test", "hooks.test"]
