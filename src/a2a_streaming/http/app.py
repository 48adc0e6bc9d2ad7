"""Applications: one agent's (`create_app`), and the platform's with several agents."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Sequence

from a2a.server.agent_execution import AgentExecutor
from a2a.types import AgentCard
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from a2a_streaming.agent import Agent
from a2a_streaming.caller import DEMO_HEADER
from a2a_streaming.cards import KEY_HEADER
from a2a_streaming.errors import RequestError, SetupError
from a2a_streaming.executors import as_agent
from a2a_streaming.http.bodies import VERSION_HEADER
from a2a_streaming.http.cards import CardEndpoint, base_url
from a2a_streaming.http.key_set import KeySetEndpoint
from a2a_streaming.http.legacy import ENVELOPE_HEADER
from a2a_streaming.http.measuring import Measures
from a2a_streaming.http.rest import RestEndpoint
from a2a_streaming.http.rpc import RpcEndpoint
from a2a_streaming.http.tokens import TokenEndpoint, give_link, give_ticket, give_token
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.wire.dialects import METHODS, Dialect

_HOME = """a2a_streaming: {name}

{description}

Agent card        {base}/.well-known/agent-card.json
Start a task      curl -N {base}/ -H 'content-type: application/json' -d '{{"jsonrpc":"2.0","id":"1","method":"tasks/sendSubscribe","params":{{"id":"task-123","message":{{"role":"user","parts":[{{"type":"text","text":"Show me my account balance"}}]}}}}}}'
See it again      the same with "method":"tasks/resubscribe" and "params":{{"id":"task-123"}}
"""


def create_app(
    agent: Agent | AgentExecutor,
    *,
    card: AgentCard | None = None,
    redis_url: str | None = None,
    settings: Settings | None = None,
) -> Starlette:
    """Make an ASGI application that serves one agent, for any server.

    It connects when it starts or, mounted in another application that doesn't run its lifespan, with
    its first request; then `app.state.node.aclose()` ends it. Several server processes may run it:
    they share the tasks through Redis.

    Args:
        agent: The agent, or an executor of a2a-sdk.
        card: Its card, if not the agent's own; an executor without an attribute `card` needs it.
        redis_url: Redis or Valkey; the settings' if None; without either, an embedded store.
        settings: The settings; read from the environment if None.

    Raises:
        InvalidSetting: A setting in the environment is wrong.
        SetupError: An executor has no card.
    """
    agent = as_agent(agent, card=card, name=type(agent).__name__)
    settings = settings or load_settings()
    if redis_url is not None:
        settings = settings.model_copy(update={"redis_url": redis_url})
    node = Node([agent], settings)
    return node_app(node, {"": agent}, cards={"": card} if card is not None else None)


def node_app(
    node: Node,
    mounts: dict[str, Agent],
    *,
    cards: dict[str, AgentCard] | None = None,
    owns_node: bool = True,
    more: Sequence[BaseRoute] = (),
    page: ASGIApp | None = None,
) -> Starlette:
    """Make an application that serves several agents of one node.

    Args:
        node: The node; started with the application, or with the first request.
        mounts: The agents by the path under which each is served; `""` is the root.
        cards: Cards that take the place of the agents' own, by path.
        owns_node: Whether the application closes the node when it ends.
        more: What else it serves; goes before the agents' own paths.
        page: What browsers are shown at `/`, where others get a text.
    """
    cards = cards or {}
    routes: list[BaseRoute] = [
        *more,
        Route("/healthz", _healthz),
        Route("/readyz", _Readiness(node)),
        Route("/metrics", Measures(node)),
        Route("/auth/ticket", TokenEndpoint(node, give_ticket), methods=["POST"]),
        Route("/auth/link", TokenEndpoint(node, give_link), methods=["POST"]),
        Route("/auth/token", TokenEndpoint(node, give_token), methods=["POST"]),
        Route("/.well-known/jwks.json", KeySetEndpoint(node), methods=["GET"]),
    ]
    for path, agent in sorted(mounts.items(), reverse=True):
        if path in cards:
            node.cards[agent.name] = cards[path]
        inner = _agent_routes(node, agent, None if path else page)
        routes.extend([Mount(path, routes=inner)] if path else inner)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await node.start()
        try:
            yield
        finally:
            if owns_node:
                await node.aclose()

    app = Starlette(routes=routes, lifespan=lifespan, middleware=_cors(node.settings))
    app.state.node = node
    return app


def _cors(settings: Settings) -> list[Middleware]:
    """Return what lets pages of other origins call us from a browser."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                *("authorization", "content-type", "last-event-id", KEY_HEADER, VERSION_HEADER),
                *("A2A-Extensions", "X-A2A-Extensions", ENVELOPE_HEADER, DEMO_HEADER),
            ],
            expose_headers=["retry-after", "www-authenticate", "etag"],
        )
    ]


def _agent_routes(node: Node, agent: Agent, page: ASGIApp | None) -> Sequence[BaseRoute]:
    endpoint = RpcEndpoint(node, agent.name)
    served = CardEndpoint(node, agent.name)
    home = _Home(node, agent.name, page)
    return [
        Route("/", _Call(node, endpoint), methods=["POST"]),
        Route("/", home, methods=["GET"]),
        *(
            # With a slash at its end too: some clients add one to what the card says.
            Route(f"/rpc/{dialect}{slash}", _Call(node, endpoint, dialect), methods=["POST"])
            for dialect in Dialect
            for slash in ("", "/")
        ),
        *(
            Route(f"/{method}", _Call(node, endpoint, Dialect.FIRST, method), methods=["POST"])
            for method in METHODS[Dialect.FIRST]
        ),
        Route("/tasks/resubscribe", _Call(node, endpoint), methods=["GET"]),
        Route("/v1/{path:path}", _Rest(node, RestEndpoint(node, agent.name))),
        Route("/.well-known/agent-card.json", served, methods=["GET"]),
        Route("/.well-known/agent.json", served, methods=["GET"]),
    ]


class _Call:
    """ASGI endpoint of JSON-RPC calls."""

    def __init__(
        self,
        node: Node,
        endpoint: RpcEndpoint,
        pinned: Dialect | None = None,
        method: str | None = None,
    ) -> None:
        self._node = node
        self._endpoint = endpoint
        self._pinned = pinned
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "GET":
            answer = await self._endpoint.event_source(request)
        else:
            answer = await self._endpoint.serve(request, pinned=self._pinned, method=self._method)
        await answer(scope, receive, send)


class _Rest:
    """ASGI endpoint of REST."""

    def __init__(self, node: Node, endpoint: RestEndpoint) -> None:
        self._node = node
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self._endpoint.serve(request, f"/{request.path_params['path']}")
        await answer(scope, receive, send)


class _Home:
    """ASGI endpoint that tells a newcomer what to do: in words, or browsers by a page."""

    def __init__(self, node: Node, agent: str, page: ASGIApp | None) -> None:
        self._node = node
        self._agent = agent
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if self._page is not None and prefers_html(request.headers.get("accept", "")):
            await self._page(scope, receive, send)
            return
        base = base_url(request, self._node.settings)
        card = self._node.cards[self._agent]
        text = _HOME.format(name=card.name, description=card.description, base=base)
        headers = {"vary": "accept"} if self._page is not None else None
        await PlainTextResponse(text, headers=headers)(scope, receive, send)


def prefers_html(accept: str) -> bool:
    """Say whether who sends a header `Accept` would rather have a page than text (RFC 9110, section 12.5.1).

    A wildcard is no preference: programs send it, and read text.

    Args:
        accept: The header.
    """
    weights: dict[str, float] = {}
    for one in accept.lower().split(","):
        name, _, parameters = one.partition(";")
        weight = _WEIGHT.search(parameters)
        weights[name.strip()] = float(weight[1]) if weight else 1.0
    html = max(weights.get("text/html", 0.0), weights.get("application/xhtml+xml", 0.0))
    return html > 0 and html >= weights.get("text/plain", 0.0)


_WEIGHT = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")


class _Readiness:
    """ASGI endpoint that says whether this process can serve clients."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = PlainTextResponse("ready\n")
        try:
            await self._node.start()
            await self._node.manager.ping()
        except (SetupError, RequestError) as error:
            response = PlainTextResponse(f"not ready: {error}\n", 503)
        if self._node.draining:
            response = PlainTextResponse("not ready: shutting down\n", 503)
        await response(scope, receive, send)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("alive\n")
