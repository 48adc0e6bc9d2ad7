"""A small A2A 1.0 server that ticks, and does wrong what it is told to do wrong. Without a fault it is a good one."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Json = dict[str, Any]
ENDS = {"TASK_STATE_COMPLETED", "TASK_STATE_CANCELED"}
NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED, INTERNAL = -32001, -32002, -32004, -32603
ROOM = 8
"""Behind by more than so many events, a server that drops on overflow drops."""


class Task:
    """A task's log, and who writes it."""

    def __init__(self, task_id: str, words: str) -> None:
        self.id = task_id
        _, count, pause, size = words.split()
        self.count, self.pause, self.size = int(count), float(pause), int(size)
        self.log: list[Json] = []
        self.task: Json = {
            "id": task_id,
            "contextId": "c",
            "status": {"state": "TASK_STATE_SUBMITTED"},
        }
        self.moved = asyncio.Event()
        self.run: asyncio.Task[None] | None = None
        self.watchers = 0
        self.emit({"task": copy.deepcopy(self.task)})

    @property
    def ended(self) -> bool:
        return self.task["status"]["state"] in ENDS

    def emit(self, event: Json) -> None:
        match event:
            case {"statusUpdate": update}:
                self.task["status"] = update["status"]
            case {"artifactUpdate": update}:
                [artifact] = self.task.setdefault(
                    "artifacts", [{"artifactId": "ticks", "parts": []}]
                )
                kept = artifact["parts"] if update["append"] else []
                artifact["parts"] = [*kept, *update["artifact"]["parts"]]
        self.log.append(event)

    def status(self, state: str) -> Json:
        status = {"state": f"TASK_STATE_{state}"}
        return {"statusUpdate": {"taskId": self.id, "contextId": "c", "status": status}}

    def tick(self, number: int) -> Json:
        part = {"text": f"tick {number};".ljust(self.size, "-")}
        artifact = {"artifactId": "ticks", "parts": [part]}
        update = {"taskId": self.id, "contextId": "c", "artifact": artifact, "append": number > 1, "lastChunk": number == self.count}  # fmt: skip
        return {"artifactUpdate": update}

    def after(self, events: int) -> Json:
        """The task as it stood after so many events."""
        shadow = Task.__new__(Task)
        shadow.task, shadow.log = copy.deepcopy(self.log[0]["task"]), []
        for event in self.log[1:events]:
            shadow.emit(event)
        return shadow.task

    async def tell(self, event: Json) -> None:
        self.emit(event)
        self.wake()

    def wake(self) -> None:
        """Let all streams look."""
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()


class Faulty:
    """The server.

    Args:
        fault: What it does wrong; empty for nothing.
    """

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.tasks: dict[str, Task] = {}
        self.messages: dict[str, str] = {}
        self.down = False
        self.crashed = False
        self.app = Starlette(
            routes=[
                Route("/.well-known/agent-card.json", self.card),
                Route("/", self.answer, methods=["POST"]),
            ]
        )

    async def kill(self) -> None:
        """Crash."""
        self.down = self.crashed = True
        for task in self.tasks.values():
            if task.run is not None:
                task.run.cancel()
            task.wake()
        if self.fault == "forgets on crash":
            self.tasks.clear()

    async def start(self) -> None:
        """Come back."""
        self.down = False
        if self.fault == "lets tasks lie after a crash":
            return
        for task in self.tasks.values():
            if not task.ended:
                task.run = asyncio.create_task(self.ticking(task))

    async def aclose(self) -> None:
        for task in self.tasks.values():
            if task.run is not None:
                task.run.cancel()
                await asyncio.gather(task.run, return_exceptions=True)

    async def card(self, request: Request) -> Response:
        spoken = {
            "url": str(request.base_url),
            "protocolBinding": "JSONRPC",
            "protocolVersion": "1.0",
        }
        return JSONResponse({"name": "faulty", "capabilities": {"streaming": True}, "supportedInterfaces": [spoken]})  # fmt: skip

    async def answer(self, request: Request) -> Response:
        if self.down:
            return Response(status_code=503)
        asked = await request.json()
        params = asked["params"]
        position = request.headers.get("last-event-id", "")
        match asked["method"]:
            case "SendStreamingMessage":
                return self.begin(params["message"])
            case "SubscribeToTask":
                return self.subscribe(params["id"], position)
            case "GetTask":
                return self.get(params["id"])
            case _:
                return await self.cancel(params["id"])

    def begin(self, message: Json) -> Response:
        if named := message.get("taskId"):
            if self.fault != "takes messages after the end":
                return refused(UNSUPPORTED)
            return self.stream(self.tasks[named], 0, first=True)
        known = self.messages.get(message["messageId"])
        if known is not None and self.fault != "runs a message twice":
            return self.stream(self.tasks[known], 0, first=True)
        task = Task(uuid.uuid4().hex, message["parts"][0]["text"])
        self.tasks[task.id] = task
        self.messages[message["messageId"]] = task.id
        task.run = asyncio.create_task(self.ticking(task))
        return self.stream(task, 0, first=True)

    def get(self, task_id: str) -> Response:
        task = self.tasks.get(task_id)
        if task is None:
            return refused(INTERNAL if self.fault == "knows no unknown tasks" else NOT_FOUND)
        told = task.task
        if self.fault == "tells old tasks" and not task.ended:
            told = task.after(max(1, len(task.log) - 3))
        if self.fault == "loses the last chunk" and task.ended:
            told = {**told, "artifacts": task.after(len(task.log) - 2).get("artifacts", [])}
        return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": told})

    async def cancel(self, task_id: str) -> Response:
        task = self.tasks.get(task_id)
        if task is None:
            return refused(NOT_FOUND)
        if task.ended and self.fault != "cancels after the end":
            return refused(NOT_CANCELABLE)
        if task.run is not None:
            task.run.cancel()
        await task.tell(task.status("CANCELED"))
        if self.fault == "tells twice that it is canceled":
            await task.tell(task.status("CANCELED"))
        return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": task.task})

    def subscribe(self, task_id: str, position: str) -> Response:
        task = self.tasks.get(task_id)
        if task is None:
            return refused(NOT_FOUND)
        if self.fault == "refuses a crowd" and task.watchers > 5:
            return refused(INTERNAL)
        task.watchers += 1
        after = int(position or 0)
        if position and self.fault == "ignores positions":
            position = ""
        if position and self.fault == "goes on one event late":
            after += 1
        if position and self.crashed and self.fault == "forgets positions on crash":
            after = 1
        forgotten = not position or self.fault == "forgets positions at the end"
        if task.ended and forgotten and self.fault != "streams what has ended":
            return refused(UNSUPPORTED)
        return self.stream(task, after if position else len(task.log), snapshot=not position)

    def stream(
        self, task: Task, after: int, *, first: bool = False, snapshot: bool = False
    ) -> Response:
        told = self.frames(task, after, first=first, snapshot=snapshot)
        return StreamingResponse(told, media_type="text/event-stream")

    async def frames(  # noqa: C901 - a line for each fault
        self, task: Task, after: int, *, first: bool, snapshot: bool
    ) -> AsyncIterator[str]:
        """Tell a task's log from a place on."""
        place, held = after, None
        if snapshot:
            known = max(1, after - 3) if self.fault == "tells old tasks to subscribers" else after
            if self.fault != "begins without the task":
                yield frame({"task": task.after(known)}, known)
            place = known + self.misses()
        try:
            while not self.down:
                if (
                    self.fault == "drops what slow readers don't read"
                    and len(task.log) - place > ROOM
                ):
                    place = len(task.log) - 1
                for event in task.log[place:]:
                    place += 1
                    told, held = self.wrong(event, place, first=first, held=held)
                    for one in told:
                        yield frame(one, place)
                if place < len(task.log):
                    continue
                if task.ended and self.fault != "stays open":
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(task.moved.wait(), 0.05)
                    continue
                if self.fault != "is silent":
                    yield ": alive\n\n"
        finally:
            if first and self.fault == "cancels when one leaves" and task.run is not None:
                task.run.cancel()

    def misses(self) -> int:
        """How many events a subscriber misses."""
        match self.fault:
            case "leaves a gap when one subscribes":
                return 1
            case "tells the last event again when one subscribes":
                return -1
            case "leaves a gap after a crash":
                return 2 * self.crashed
            case _:
                return 0

    def wrong(
        self, event: Json, place: int, *, first: bool, held: Json | None
    ) -> tuple[list[Json], Json | None]:
        """What a stream tells of an event, and what it holds back."""
        if self.fault != "reorders for subscribers" or first:
            return self.told(event, place, first=first), None
        if held is not None:
            return [event, held], None
        if "artifactUpdate" in event and not event["artifactUpdate"]["lastChunk"]:
            return [], event
        return [event], None

    def told(self, event: Json, place: int, *, first: bool) -> list[Json]:
        match self.fault:
            case "begins without the task" if "task" in event:
                return []
            case "drops an event" if place == 6:
                return []
            case "has streams compete" if "artifactUpdate" in event and first == place % 2:
                return []
            case "doubles events" if "artifactUpdate" in event:
                return [event, event]
            case "tells of other tasks" if "artifactUpdate" in event:
                return [{"artifactUpdate": {**event["artifactUpdate"], "taskId": "another"}}]
            case "tells the whole task in between" if place == 4:
                return [{"task": {"id": "t", **event.get("task", {"id": "", "status": {"state": "TASK_STATE_WORKING"}})}}]  # fmt: skip
            case "tells only some that it is canceled" if not first and is_end(event, "CANCELED"):
                return []
            case _:
                return [event]

    async def ticking(self, task: Task) -> None:
        """Be the agent; after a crash, go on where it was."""
        done = len([one for one in task.log if "artifactUpdate" in one])
        if not done:
            await task.tell(task.status("WORKING"))
        if self.crashed and self.fault == "repeats work after a crash":
            done = max(1, done - 2)
        for number in range(done + 1, task.count + 1):
            await asyncio.sleep(task.pause)
            await task.tell(task.tick(number))
        await task.tell(task.status("COMPLETED"))
        if self.fault == "ends twice":
            await task.tell(task.status("COMPLETED"))
        if self.fault == "goes on after the end":
            await task.tell(task.status("WORKING"))
            await task.tell(task.status("COMPLETED"))


def is_end(event: Json, state: str) -> bool:
    return event.get("statusUpdate", {}).get("status", {}).get("state") == f"TASK_STATE_{state}"


def frame(event: Json, position: int) -> str:
    told = json.dumps({"jsonrpc": "2.0", "id": 1, "result": event})
    return f"id: {position}\ndata: {told}\n\n"


def refused(code: int) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no"}})
