"""Pages: where each is served, and with which files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from a2a_streaming.web.assets import Assets, answer
from a2a_streaming.web.policy import headers_of_pages


@dataclass(frozen=True, slots=True)
class Place:
    """A page, and the files that are its own.

    Args:
        name: Where its files are served, `/<name>/…`; and the page itself, `/<name>`, unless it is the home page.
        page: The page's own file.
        folder: The folder in which the others stand.
        home: Whether it is what browsers are shown at `/`.
        embedded: Whether it may be shown in frames of the origins that the settings name.
    """

    name: str
    page: Path
    folder: Path
    home: bool = False
    embedded: bool = False


class Page:
    """ASGI endpoint of one page.

    Args:
        place: The page.
        framed_by: Origins whose pages may show it in a frame.
    """

    def __init__(self, place: Place, framed_by: Sequence[str]) -> None:
        self._place = place
        self._assets = Assets(place.page.parent)
        self._headers = headers_of_pages(framed_by if place.embedded else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page, or with 304 if the browser has it already."""
        asset = await self._assets.get(self._place.page.name)
        response: Response
        if asset is None:
            response = PlainTextResponse("This page isn't installed.\n", 404)
        else:
            response = answer(Request(scope), asset, self._headers)
        if self._place.home:
            response.headers["vary"] = "accept"
        await response(scope, receive, send)


def routes_of(place: Place, framed_by: Sequence[str]) -> list[BaseRoute]:
    """Return where a page and its files are served; the home page itself is served at `/` by the application.

    Args:
        place: The page.
        framed_by: Origins whose pages may show it in a frame, if it may be at all.
    """
    page = Page(place, framed_by)
    files = Assets(place.folder, elsewhere=place.embedded and bool(framed_by))
    own = [] if place.home else [f"/{place.name}", f"/{place.name}/"]
    return [
        *(Route(path, page, methods=["GET"]) for path in own),
        Route(f"/{place.name}/{{file:path}}", files, methods=["GET"]),
    ]
