"""Agent cards over HTTP, cached by tag and time."""

from __future__ import annotations

import hashlib
from email.utils import formatdate, parsedate_to_datetime
from time import time

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_streaming.cards import public_card, unsigned_card
from a2a_streaming.errors import VersionNotSupported
from a2a_streaming.http.bodies import VERSION_HEADER, asked_version
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.wire.cards import card_json, v1_card_json
from a2a_streaming.wire.dialects import Dialect, read_version

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
        card = public_card(self._node, self._agent, base)
        v1 = _speaks_v1(request)
        body = orjson.dumps(v1_card_json(card) if v1 else card_json(card, base))
        # The signature is another each time: what the card says makes the tag.
        said = unsigned_card(self._node, self._agent, base)
        digest = hashlib.blake2b(said.SerializeToString(deterministic=True), digest_size=12)
        tag = f'"{digest.hexdigest()}{"-1.0" if v1 else ""}"'
        headers = {
            "cache-control": f"public, max-age={_MAX_AGE}",
            "etag": tag,
            "last-modified": formatdate(self._since, usegmt=True),
            "vary": VERSION_HEADER,
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


def _speaks_v1(request: Request) -> bool:
    """Say whether a client speaks 1.0 by its own word: then it is told nothing of other versions."""
    try:
        return read_version(asked_version(request)) is Dialect.V1
    except VersionNotSupported:
        return False  # the card is what tells it which are


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
