"""An OpenID Connect issuer for the bench: one key, served on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


class Issuer:
    """Signs tokens.

    Args:
        url: Its address.
        key: Its private key.
    """

    def __init__(self, url: str, key: rsa.RSAPrivateKey) -> None:
        self.url = url
        self._key = key

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a server that takes its tokens."""
        return {
            "A2A_AUTH_ISSUER": self.url,
            "A2A_AUTH_AUDIENCE": "bench",
            "A2A_AUTH_JWKS_URL": f"{self.url}/keys",
        }

    def token(self, subject: str) -> str:
        """Return a token that names somebody, good for an hour."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": "bench", "sub": subject, "iat": now, "exp": now + 3600}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "bench"})


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Serve an issuer."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    told = json.dumps({"keys": [{**public, "kid": "bench", "use": "sig", "alg": "RS256"}]})

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Issuer(f"http://127.0.0.1:{server.server_address[1]}", key)
    finally:
        server.shutdown()
        server.server_close()
