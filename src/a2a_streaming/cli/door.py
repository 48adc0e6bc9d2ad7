"""The platform's way in from outside: its pages and APIs know callers and tasks as the server does."""

from __future__ import annotations

from a2a_streaming.backbone.keys import check_id
from a2a_streaming.caller import Caller
from a2a_streaming.errors import TaskNotFound, UnsupportedOperation
from a2a_streaming.http.door import HttpDoor
from a2a_streaming.intervening import Interventions
from a2a_streaming.node import Node
from a2a_streaming.sla import Waiting, priority_of
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire.dialects import Dialect

_log = get_logger(__name__)


class NodeDoor(HttpDoor):
    """Lets the platform's HTTP API ask a node.

    Args:
        node: The process's node.
        agent: The agent whose tasks they are.
    """

    def __init__(self, node: Node, agent: str) -> None:
        super().__init__(node)
        self._agent = agent

    async def send(self, caller: Caller, task: str, message_id: str, part: Json) -> None:
        """Put a message into a task's inbox, noted to be from here; raises as `TaskService.send` does."""
        await self._node.ready()
        await self._node.service(self._agent).send(
            [part],
            caller=caller,
            task_id=task,
            context=None,
            message_id=message_id,
            notes={"desk": True},
            dialect=Dialect.V1.value,
        )

    async def find(self, caller: Caller, task: str) -> tuple[str, str, Json]:
        """Return a task that a person may see: stored id, owner, task; raises as `TaskService.authorize` does."""
        await self._node.ready()
        service = self._node.service(self._agent)
        stored = await service.authorize(task, caller, "get")
        meta = await self._node.manager.snapshots.meta(stored)
        if meta is None:
            raise TaskNotFound(task)
        return stored, meta.owner, await service.read(stored, stored)

    async def earlier(self, caller: Caller, owner: str, *, but: str, size: int) -> list[Json]:
        """Return an owner's tasks; raises as `Index.tasks` does."""
        manager = self._node.manager
        if owner != caller.owner:
            await manager.audit.note(caller, "list", "*", owner)
        wanted = [("owner", owner), ("agent", self._agent)]
        ids = [task for _, task in await manager.index.tasks(wanted) if task != but][:size]
        snapshots = [await manager.snapshots.get(task) for task in ids]
        return [
            {**snapshot.task, "id": task}
            for task, snapshot in zip(ids, snapshots, strict=True)
            if snapshot is not None
        ]

    async def owned(self, caller: Caller, owner: str, task: str) -> Json:
        """Return one of an owner's tasks.

        Raises:
            InvalidParams: The id can't be one.
            TaskNotFound: The owner has no such task.
            Unavailable: Redis is away.
        """
        check_id(task, "The task's id")
        manager = self._node.manager
        meta = await manager.snapshots.meta(task)
        if meta is None or (meta.owner, meta.agent) != (owner, self._agent):
            raise TaskNotFound(task)
        if owner != caller.owner:
            await manager.audit.note(caller, "get", task, owner)
        return await self._node.service(self._agent).read(task, task)

    async def interrupt(self, task: str) -> None:
        """Have a run stop for a person; raises as `Interventions.escalate` does, but for what has ended."""
        interventions = Interventions(self._node.manager, self._node.feeds)
        try:
            await interventions.escalate(task, by="the desk", reason="taken over")
        except UnsupportedOperation as error:  # then the person is heard when the turn has ended
            _log.info("a run isn't interrupted", task=task, reason=str(error))

    async def overdue(self, task: str, ticket: str, *, since: int, due: int, priority: str) -> None:
        """Have it raised that a ticket waits for too long; raises as `Deadlines.wait` does."""
        waiting = Waiting(ticket, since, due, priority_of(priority))
        await self._node.ready()
        await self._node.manager.deadlines.wait(task, waiting)

    async def watchers(self, task: str) -> list[Json]:
        """Return on which nodes a task is watched; raises as `Subscriptions.by_node` does."""
        return await self._node.manager.subscriptions.by_node(task)
