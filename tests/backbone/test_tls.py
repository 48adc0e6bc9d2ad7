"""TLS to Redis: a private authority, certificates of both sides, and what is said when they don't fit."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.exceptions import ConnectionError as RedisConnectionError

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.errors import StoreUnavailable
from a2a_streaming.settings import Settings
from processes import free_port
from tasks import accepted, log_of

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """Signs certificates for `localhost`.

    Args:
        directory: Where they are kept.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.name)])
        certificate = (
            self._of(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / "ca.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        local = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate = (
            self._of(subject, key.public_key())
            .add_extension(local, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _of(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(hours=1))
            .not_valid_after(NOW + datetime.timedelta(days=1))
        )


class Sealed:
    """A Redis that speaks TLS alone, and only with who has a certificate.

    Args:
        port: Where it listens.
        options: What a client's URL must say of the files.
    """

    def __init__(self, port: int, options: dict[str, str]) -> None:
        self.port = port
        self.options = options

    def url(self, *without: str, host: str = "localhost", **options: str) -> str:
        """Its address, with other options, or without some."""
        told = {k: v for k, v in {**self.options, **options}.items() if k not in without}
        return f"rediss://{host}:{self.port}/0?{urlencode(told)}"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """Debian's redis-server, since the bundled one has no TLS."""
    program = shutil.which("redis-server")
    if program is None and os.environ.get("CI") != "true":
        pytest.skip("not on PATH: redis-server")
    assert program is not None
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory / "authority")
    certificate, key = authority.issue("server")
    ours, our_key = authority.issue("client")
    port = free_port()
    server = subprocess.Popen(
        [
            *(program, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"),
            *("--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "yes"),
            *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
            *("--dir", str(directory), "--save", "", "--loglevel", "warning"),
        ]
    )
    options = {
        "ssl_ca_certs": str(authority.file),
        "ssl_certfile": str(ours),
        "ssl_keyfile": str(our_key),
    }
    told = Sealed(port, options)
    try:
        for _ in range(2000):
            with redis.Redis.from_url(told.url()) as client:
                try:
                    client.ping()
                    break
                except RedisConnectionError:
                    assert server.poll() is None, "the test's Redis ended"
        yield told
    finally:
        server.terminate()
        server.wait(10)


async def test_tasks_are_kept_behind_tls_with_certificates_of_both_sides(sealed: Sealed) -> None:
    async with RedisManager(sealed.url(), Settings()) as manager:
        await accepted(manager)
        assert [event.state for event in await log_of(manager)] != []


async def test_what_doesnt_fit_is_said_with_what_to_do(sealed: Sealed, tmp_path: Path) -> None:
    other = Authority(tmp_path / "another")
    stranger, key = other.issue("stranger")
    for url, why in (
        (sealed.url(ssl_ca_certs=str(other.file)), "certificate verify failed"),
        (sealed.url(host="127.0.0.1"), "IP address mismatch"),
        (sealed.url("ssl_certfile", "ssl_keyfile"), "certificate required"),
        (sealed.url(ssl_certfile=str(stranger), ssl_keyfile=str(key)), "unknown ca"),
    ):
        with pytest.raises(StoreUnavailable) as refused:
            async with RedisManager(url, Settings()):
                pass
        told = str(refused.value).lower().replace("_", " ")
        assert why.lower() in told
        assert "ssl ca certs in a2a redis url must name the authority" in told
        assert str(tmp_path) not in str(refused.value), "options stay out of what is said"
    for options in ({"ssl_ca_certs": "nowhere.pem"}, {"ssl_cert_reqs": "perhaps"}):
        with pytest.raises(StoreUnavailable, match="name PEM files that this process can read"):
            RedisManager(sealed.url(**options), Settings())
    insecure = sealed.url().replace("rediss:", "redis:", 1)
    with pytest.raises(StoreUnavailable, match="can't be reached"):
        async with RedisManager(insecure, Settings(redis_timeout=0.5)):
            pass


async def test_a_server_that_proves_nothing_is_taken_only_if_that_is_wished(sealed: Sealed) -> None:
    url = sealed.url(
        "ssl_ca_certs", host="127.0.0.1", ssl_cert_reqs="none", ssl_check_hostname="false"
    )
    async with RedisManager(url, Settings()) as manager:
        await manager.ping()
