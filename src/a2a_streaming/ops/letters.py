"""Dead letters over the operators' API: webhooks that were given up, looked at and replayed.

    GET  /ops/api/dead-letters?receiver=&size=&token=
    POST /ops/api/dead-letters/replay          {"receiver": …, "token": …}: all, or those for one receiver
    POST /ops/api/dead-letters/{task}/{webhook}/replay

A receiver is scheme, host and port, such as https://hooks.example.com. Credentials aren't told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from a2a_streaming.backbone.letters import Letter
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller
from a2a_streaming.errors import DeadLetterNotFound, InvalidParams
from a2a_streaming.node import Node
from a2a_streaming.ops.asked import answered, read_size
from a2a_streaming.task import Json

Answer = Callable[[Request, Caller], Awaitable[Response]]
Served = Callable[[Answer], Callable[[Request], Awaitable[Response]]]
_PAGE, _MOST = 50, 200
_LOOKED_AT = 500
"""The most letters that are looked at for one answer."""


class DeadLetters:
    """Serves operators.

    Args:
        node: The process's node.
        body: Reads a request's body as JSON.
    """

    def __init__(self, node: Node, body: Callable[[Request], Awaitable[Any]]) -> None:
        self._node = node
        self._body = body

    def routes(self, served: Served) -> list[BaseRoute]:
        """Return the routes.

        Args:
            served: Makes an endpoint for operators of what answers.
        """
        all_, one = "/ops/api/dead-letters", "/ops/api/dead-letters/{task}/{webhook}/replay"
        return [
            Route(all_, served(self._list), methods=["GET"]),
            Route(f"{all_}/replay", served(self._replay_all), methods=["POST"]),
            Route(one, served(self._replay_one), methods=["POST"]),
        ]

    @property
    def _manager(self) -> RedisManager:
        return self._node.manager

    async def _list(self, request: Request, caller: Caller) -> Response:
        asked = request.query_params
        if self._node.settings.authenticates:
            await self._manager.audit.note(caller, "list dead letters", "*", "*")
        size = read_size(asked.get("size", ""), _PAGE, _MOST)
        found, following = await self._page(
            asked.get("receiver", ""), asked.get("token", ""), count=size
        )
        return answered({"letters": [_told(one) for one in found], "next": following or None})

    async def _replay_all(self, request: Request, caller: Caller) -> Response:
        body: Any = await self._body(request)
        asked = cast("Json", body) if isinstance(body, dict) else {}
        receiver, token = asked.get("receiver", ""), asked.get("token", "")
        if not isinstance(receiver, str) or not isinstance(token, str):
            raise InvalidParams('Send {"receiver": "https://…"}, or {} for all.')
        found, following = await self._page(receiver, token, count=_LOOKED_AT)
        replayed = 0
        for letter in found:
            replayed += await self._replay(letter, caller)
        return answered({"replayed": replayed, "next": following or None})

    async def _replay_one(self, request: Request, caller: Caller) -> Response:
        task, webhook = request.path_params["task"], request.path_params["webhook"]
        letter = await self._manager.letters.get(task, webhook)
        if letter is None:
            raise DeadLetterNotFound(task, webhook)
        if letter.waiting is None:
            raise InvalidParams(
                "The letter's task is forgotten, and with it what the webhook wasn't told."
            )
        return answered({"replayed": int(await self._replay(letter, caller))})

    async def _replay(self, letter: Letter, caller: Caller) -> bool:
        if letter.waiting is None:
            return False
        task = letter.webhook.task_id
        await self._manager.audit.note(
            caller, "replay a webhook", task, letter.owner, letter.webhook.id
        )
        return await self._manager.letters.replay(letter)

    async def _page(self, receiver: str, token: str, *, count: int) -> tuple[list[Letter], str]:
        """Return some letters for a receiver, and where the next ones begin; as many are looked at."""
        try:
            found, following = await self._manager.letters.page(token, count)
        except ValueError as error:
            raise InvalidParams("token is what `next` said of the page before.") from error
        if receiver:
            wanted = _receiver(receiver)
            found = [one for one in found if _receiver(one.webhook.config["url"]) == wanted]
        return found, following


def _receiver(url: str) -> str:
    """Return the receiver that a URL is of: scheme, host and port."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}{port}"


def _told(letter: Letter) -> Json:
    webhook, failing = letter.webhook, letter.webhook.failing
    return {
        "task": webhook.task_id,
        "webhook": webhook.id,
        "url": webhook.config["url"],
        "owner": letter.owner,
        "agent": letter.agent,
        "told": webhook.told or None,
        "waiting": letter.waiting,
        "at": letter.at,
        "since": failing.since if failing else None,
        "tries": failing.tries if failing else None,
        "reason": failing.reason if failing else None,
    }
