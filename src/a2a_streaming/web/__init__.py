"""What all pages stand on: their files, their one stream of events, and sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from a2a_streaming.node import Node
from a2a_streaming.topic import Topic
from a2a_streaming.web.assets import Assets
from a2a_streaming.web.events import EventsEndpoint
from a2a_streaming.web.own import OwnTasksTopic
from a2a_streaming.web.pages import Page, Place, routes_of
from a2a_streaming.web.session import Customers, SessionEndpoint, nobody

__all__ = ["Assets", "Place", "Web"]


class Web:
    """What is served to browsers.

    Args:
        node: The process's node.
        places: The pages.
        topics: What they may follow beside tasks; that of their own tasks is always there.
        customers: Tells the demo customers between whom they can switch where there is no authentication.
    """

    def __init__(
        self,
        node: Node,
        places: Sequence[Place] = (),
        *,
        topics: Sequence[Topic] = (),
        customers: Customers = nobody,
    ) -> None:
        self._node = node
        self._places = places
        self._topics = [OwnTasksTopic(node), *topics]
        self._customers = customers

    def routes(self) -> list[BaseRoute]:
        """Return all routes but `/`, which is the application's; see `home`."""
        framed_by = self._node.settings.embed_origins
        shared = Assets(Path(__file__).parent / "static", elsewhere=bool(framed_by))
        events = EventsEndpoint(self._node, self._topics)
        return [
            Route("/web/events", events, methods=["POST"]),
            Route("/web/session", SessionEndpoint(self._node, self._customers), methods=["GET"]),
            Route("/web/{file:path}", shared, methods=["GET"]),
            *(route for place in self._places for route in routes_of(place, framed_by)),
        ]

    @property
    def home(self) -> ASGIApp | None:
        """The page that browsers are shown at `/`; None if there is none."""
        framed_by = self._node.settings.embed_origins
        return next((Page(place, framed_by) for place in self._places if place.home), None)
