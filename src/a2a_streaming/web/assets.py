"""Files for browsers: what stands in a package's folder, each with a tag by which it is asked for again."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from a2a_streaming.web.policy import headers_of_files

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""What is served, by the ending of its name; nothing else is."""
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""A folder's or a file's name: so none leads out of the folder, and none is hidden."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served.

    Args:
        body: Its bytes.
        tag: Its entity tag, another for other bytes.
        media_type: What it is.
    """

    body: bytes
    tag: str
    media_type: str


class Assets:
    """ASGI endpoint of the files in one folder; the route's parameter `file` names which.

    A file that changes is served anew with the next request.

    Args:
        folder: The folder; links that lead out of it aren't followed.
        elsewhere: Whether pages of other origins may use the files, as those do that embed a page of ours.
    """

    def __init__(self, folder: Path, *, elsewhere: bool = False) -> None:
        self._folder = folder
        self._headers = headers_of_files(elsewhere=elsewhere)
        self._read: dict[str, tuple[tuple[int, int], Asset]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, with 304 if the client has it already, or with 404."""
        request = Request(scope)
        asset = await self.get(request.path_params["file"])
        response: Response
        if asset is None:
            response = PlainTextResponse("There is no such file.\n", 404, headers=self._headers)
        else:
            response = answer(request, asset, self._headers)
        await response(scope, receive, send)

    async def get(self, name: str) -> Asset | None:
        """Return a file; None if there is none of that name.

        Args:
            name: Its path in the folder.
        """
        media_type = _TYPES.get(Path(name).suffix)
        if media_type is None or not all(_SEGMENT.fullmatch(part) for part in name.split("/")):
            return None
        return await asyncio.to_thread(self._load, name, media_type)

    def _load(self, name: str, media_type: str) -> Asset | None:
        path = self._folder / name
        try:
            found = path.resolve(strict=True)
            if not found.is_relative_to(self._folder.resolve()) or not found.is_file():
                return None
            status = found.stat()
            version = (status.st_mtime_ns, status.st_size)
            known = self._read.get(name)
            if known is not None and known[0] == version:
                return known[1]
            body = found.read_bytes()
        except OSError:
            return None
        tag = hashlib.blake2b(body, digest_size=12).hexdigest()
        asset = Asset(body, f'"{tag}"', media_type)
        self._read[name] = (version, asset)
        return asset


def answer(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    """Answer a request for a file.

    Args:
        request: The request.
        asset: The file.
        headers: What goes with it.
    """
    headers = {**headers, "etag": asset.tag, "cache-control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    tags = [one.strip().removeprefix("W/") for one in known.split(",")]
    if asset.tag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.media_type)
