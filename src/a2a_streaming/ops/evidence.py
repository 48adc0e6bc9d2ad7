"""The audit and customers' data over HTTP, as JSON Lines that form a chain. See docs/audit.md and docs/customers-data.md.

    GET  /audit/tasks/{id}                  a task's story: its owner's, or an operator's with who has looked at it
    GET  /audit/trail?after=                all that was noted; operators
    GET  /ops/api/customer?owner=           all that belongs to a customer; operators
    POST /ops/api/customer/erase            {"owner": …, "reason": …}: deletes it; 202: ask again; operators

Each is noted before it is granted, and an export's head behind it: so it is known apart from the file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from a2a_streaming.archive import Story
from a2a_streaming.archived import ArchivedTasks
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.belongings import Belongings, Keeper
from a2a_streaming.caller import Caller
from a2a_streaming.chain import Chain
from a2a_streaming.erasing import Eraser
from a2a_streaming.errors import InvalidParams, RequestError, TaskNotFound
from a2a_streaming.exporting import Exports
from a2a_streaming.http.door import HttpDoor
from a2a_streaming.node import Node
from a2a_streaming.ops.operators import as_operator
from a2a_streaming.ownership import authorize
from a2a_streaming.redaction import redacting
from a2a_streaming.task import Json

PATIENCE = 20.0
"""Seconds after which a deletion that isn't done is answered, to be asked for again: proxies wait for a minute."""
_LONGEST = 2000
"""The most characters of a reason."""
Answer = Callable[[Request, Caller], Awaitable[Response]]


class EvidenceApi:
    """Serves it.

    Args:
        node: The process's node.
        door: The way in from outside.
        keepers: What keeps something of customers beside their tasks.
    """

    def __init__(self, node: Node, door: HttpDoor, keepers: Sequence[Keeper]) -> None:
        self._node = node
        self._door = door
        self._keepers = keepers

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be put into an application."""
        return [
            Route("/audit/tasks/{task}", self._served(self._task), methods=["GET"]),
            Route("/audit/trail", self._served(self._trail), methods=["GET"]),
            Route("/ops/api/customer", self._served(self._export), methods=["GET"]),
            Route("/ops/api/customer/erase", self._served(self._erase), methods=["POST"]),
        ]

    def _served(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request, await self._door.identify(request))
            except RequestError as error:
                return self._door.refuse(error)

        return endpoint

    async def _task(self, request: Request, caller: Caller) -> Response:
        asked: str = request.path_params["task"]
        check_id(asked, "The task's id")
        node, chain = self._node, Chain()
        story: Story | None = None
        try:
            stored = await authorize(node.manager, node.feeds, asked, caller, "audit", agent=None)
        except TaskNotFound:
            archived = ArchivedTasks(node.archive, node.manager.audit, agent=None)
            story = await archived.find(asked, caller, "audit")
            if story is None:
                raise
            stored, owner = story.id, story.owner
        else:
            meta = await node.manager.snapshots.meta(stored)
            if meta is None:
                raise TaskNotFound(asked)
            owner = meta.owner
        # Who has looked is for operators; and what a customer said isn't kept from themselves.
        accesses = await node.manager.audit.of_task(stored) if caller.sees_all else []
        theirs = caller.owner == owner and not caller.sees_all
        exports = Exports(node.manager, None if theirs else redacting(node.settings))

        async def lines() -> AsyncIterator[bytes]:
            if story is not None:
                for line in exports.of_story(story, chain, accesses):
                    yield line
            else:
                async for line in exports.of_task(stored, chain, accesses):
                    yield line
            yield chain.end()
            if not theirs:
                await self._note_head(caller, "exported", stored, owner, chain)

        return _stream(lines(), f"{stored}.jsonl")

    async def _trail(self, request: Request, caller: Caller) -> Response:
        caller = as_operator(caller, self._node.settings)
        after = request.query_params.get("after", "")
        if after and not after.replace("-", "", 1).isdigit():
            raise InvalidParams("after is an entry's id, as its line tells it.")
        manager, chain = self._node.manager, Chain()
        await manager.audit.note(caller, "audit", "*", "*")

        async def lines() -> AsyncIterator[bytes]:
            async for line in Exports(manager, None).of_trail(chain, after=after):
                yield line
            yield chain.end()
            await self._note_head(caller, "exported", "*", "*", chain)

        return _stream(lines(), "audit.jsonl")

    async def _export(self, request: Request, caller: Caller) -> Response:
        caller = as_operator(caller, self._node.settings)
        owner = _owner(request.query_params.get("owner"))
        self._belongings.check(owner)
        chain = Chain()
        await self._node.manager.audit.note(caller, "export customer", "*", owner)

        async def lines() -> AsyncIterator[bytes]:
            async for line in self._belongings.export(owner, chain):
                yield line
            await self._note_head(caller, "exported customer", "*", owner, chain)

        return _stream(lines(), "customer.jsonl")

    async def _erase(self, request: Request, caller: Caller) -> Response:
        caller = as_operator(caller, self._node.settings)
        body: Any = await self._door.body(request)
        told = cast("Json", body) if isinstance(body, dict) else {}
        owner, reason = _owner(told.get("owner")), told.get("reason", "")
        if not isinstance(reason, str) or len(reason) > _LONGEST:
            raise InvalidParams(f"reason is a text with at most {_LONGEST} characters.")
        self._belongings.check(owner)
        node, audit = self._node, self._node.manager.audit
        who = caller.actor or caller.owner
        noted = await node.manager.erasures.under_way(owner)
        if noted is None or noted.by != who:  # who asks again for the rest is noted once
            # Its reason is noted behind it, under the name that is left: before, it would be redacted with the rest.
            await audit.note(caller, "erase customer", "*", owner)
        eraser = Eraser(node.manager, node.feeds, node.archive, self._keepers, owner)
        outcome = await eraser.go_on(who, seconds=PATIENCE)
        if outcome.done:
            await audit.note(caller, "erased customer", "*", outcome.told["alias"], reason)
            await eraser.end()
        headers = {"cache-control": "no-store"}
        return JSONResponse(outcome.told, 200 if outcome.done else 202, headers=headers)

    @property
    def _belongings(self) -> Belongings:
        node = self._node
        return Belongings(node.manager, node.archive, self._keepers)

    async def _note_head(
        self, caller: Caller, does: str, task: str, owner: str, chain: Chain
    ) -> None:
        await self._node.manager.audit.note(caller, does, task, owner, f"head {chain.head}")


def _owner(told: Any) -> str:
    if not isinstance(told, str) or not 0 < len(told) <= 128 or told == "*":
        raise InvalidParams("owner must name a customer, as the owner of their tasks.")
    return told


def _stream(lines: AsyncIterator[bytes], name: str) -> Response:
    return StreamingResponse(
        lines,
        media_type="application/jsonl",
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="{name}"',
        },
    )
