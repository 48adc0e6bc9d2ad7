"""A node: one process's share of the platform, whatever its role."""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import socket
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Literal, Protocol

from a2a_streaming import tracing
from a2a_streaming.agent import Agent
from a2a_streaming.alerting import DeadlineWatch, Doing
from a2a_streaming.archive import Archive, open_archive
from a2a_streaming.archiving import Archiver
from a2a_streaming.auth import Authenticator
from a2a_streaming.backbone.embedded import EmbeddedStore
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller
from a2a_streaming.caretaker import Caretaker
from a2a_streaming.errors import SetupError, Unavailable
from a2a_streaming.feeds import Feeds
from a2a_streaming.heartbeats import Heartbeats
from a2a_streaming.ownership import authorize
from a2a_streaming.position import Position
from a2a_streaming.push import KeyRing, Pusher, Sender
from a2a_streaming.quotas import Quotas
from a2a_streaming.registry import Registry
from a2a_streaming.retention import Retention
from a2a_streaming.service import TaskService
from a2a_streaming.session import StreamSession
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger
from a2a_streaming.watchdog import Watchdog
from a2a_streaming.worker import Worker

Role = Literal["all", "front", "worker", "ops"]

_log = get_logger(__name__)
_GOODBYES = 200
"""Streams that end in a second, at least, when a process ends."""
_STEP = 0.02


class Stream(Protocol):
    """A stream that this process has open."""

    def stop(self, why: str) -> None:
        """End it: its client reconnects elsewhere."""


class Node:
    """One process's connection to Redis, its feeds, its agents' services and workers.

    Args:
        agents: The agents, each with a name of its own.
        settings: The settings.
        role: `front` serves clients, `worker` runs agents, `ops` looks after all tasks, `all` does all of that.
        exclusive: Whether the embedded store must be this process's alone.

    Raises:
        SetupError: Two agents have the same name.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        settings: Settings,
        *,
        role: Role = "all",
        exclusive: bool = False,
    ) -> None:
        names = [agent.name for agent in agents]
        if len(set(names)) != len(names):
            raise SetupError(f"Agents need different names; these are {', '.join(names)}.")
        self.agents = list(agents)
        self.cards = {agent.name: agent.card for agent in agents}
        """Each agent's card; a server may put another in the place of the agent's own."""
        self.settings = settings
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._role = role
        self._exclusive = exclusive
        self._store: EmbeddedStore | None = None
        self._manager: RedisManager | None = None
        self._feeds: Feeds | None = None
        self._services: dict[str, TaskService] = {}
        self._workers: list[Worker] = []
        self._pusher: Pusher | None = None
        self._archiver: Archiver | None = None
        self.archive: Archive | None = None
        """Where tasks are that Redis has forgotten, once the node has started; None for nowhere."""
        self._watch: DeadlineWatch | None = None
        self._doing: Doing | None = None
        # Half a lease: what blocks is gone, and the leases renewed, before any of them ends.
        self._watchdog = Watchdog(settings.lease_seconds / 2)
        self._streams: set[Stream] = set()
        self._starting: asyncio.Task[None] | None = None
        self._authenticator: Authenticator | None = None
        self._keyring: KeyRing | None = None
        self._registry: Registry | None = None
        self._traces = False
        self._caretaker: Caretaker | None = None
        self.heartbeats = Heartbeats(settings.heartbeat_seconds)
        """Signs of life of this process's streams."""
        self.quotas = Quotas(settings)
        """What owners may ask of this process."""
        self.grpc_address = ""
        """Where gRPC is served beside HTTP, as cards tell it; empty if it isn't."""
        self.draining = False
        """Whether the process is on its way out."""

    @property
    def manager(self) -> RedisManager:
        """The way to Redis, once the node has started."""
        if self._manager is None:
            raise RuntimeError("the node hasn't started")
        return self._manager

    @property
    def started(self) -> bool:
        """Whether the node has started."""
        return self._manager is not None and self._registry is not None

    @property
    def authenticator(self) -> Authenticator:
        """Says who callers are, once the node has started."""
        if self._authenticator is None:
            raise RuntimeError("the node hasn't started")
        return self._authenticator

    @property
    def keyring(self) -> KeyRing:
        """The keys that pushed events are signed with, once the node has started."""
        if self._keyring is None:
            raise RuntimeError("the node hasn't started")
        return self._keyring

    @property
    def feeds(self) -> Feeds:
        """The process's feeds, once the node has started."""
        if self._feeds is None:
            raise RuntimeError("the node hasn't started")
        return self._feeds

    def service(self, agent: str) -> TaskService:
        """Return an agent's tasks, once the node has started."""
        return self._services[agent]

    async def watch(
        self,
        task_id: str,
        *,
        caller: Caller,
        after: Position | None,
        malformed: bool = False,
        from_snapshot: bool = False,
    ) -> StreamSession:
        """Return a session that reads a task of whatever agent; arguments and errors as for `TaskService.watch`.

        It may be another process's agent: what is watched is the log.
        """
        stored = await authorize(self.manager, self.feeds, task_id, caller, "watch", agent=None)
        return StreamSession(
            self.manager,
            self.feeds,
            stored,
            after=after,
            malformed=malformed,
            from_snapshot=from_snapshot,
        )

    def check_serving(self) -> None:
        """Check that the process isn't on its way out.

        Raises:
            Unavailable: It is.
        """
        if self.draining:
            raise Unavailable("This process is shutting down; another one serves you.")

    async def start(self) -> None:
        """Start, once; who calls while it starts waits for the same start, and after a failure it is tried anew.

        Raises:
            SetupError: The set-up needs a hand; the message says which.
        """
        if self._starting is None or (
            self._starting.done() and (self._starting.cancelled() or self._starting.exception())
        ):
            # In a context of its own: what a first request is known by isn't what all later ones are.
            self._starting = asyncio.create_task(
                self._start(), name="start", context=contextvars.Context()
            )
        await asyncio.shield(self._starting)

    async def ready(self) -> None:
        """Start, and check that clients can be served.

        Raises:
            Unavailable: The store can't be reached, or the process is on its way out.
        """
        try:
            await self.start()
        except SetupError as error:
            _log.error("can't start", reason=str(error))
            raise Unavailable("The service can't reach its store; try again later.") from error
        self.check_serving()

    async def _start(self) -> None:
        self.archive = await open_archive(self.settings)
        retention = await asyncio.to_thread(Retention.from_settings, self.settings)
        try:
            await self._begin_to_trace()
            url = self.settings.redis_url
            if not url:
                self._store = EmbeddedStore(
                    self.settings.data_dir,
                    server=self.settings.redis_server or None,
                    exclusive=self._exclusive,
                )
                await self._store.start()
                url = self._store.url
            manager = self._manager = RedisManager(url, self.settings)
            await manager.start()
            await manager.format.agree()
            authenticator = Authenticator(self.settings, manager.credentials)
            self._authenticator = authenticator
            await authenticator.start()
            self._keyring = KeyRing(self.settings, manager.signing_keys)
        except BaseException:
            await self._close_store()
            raise
        feeds = self._feeds = Feeds(manager, self.name)
        feeds.start()
        if self._role != "front":
            self._watchdog.start()
            if self.settings.push:
                self._pusher = Pusher(manager, feeds, Sender(self.settings, self._keyring))
                await self._pusher.start()
            if self.settings.keeps:
                self._archiver = Archiver(manager, self.archive, retention)
                self._archiver.start()
        if self._role in ("all", "ops"):
            self._doing = Doing(manager, feeds)
            await self._doing.start()
            self._watch = DeadlineWatch(manager)
            self._watch.start()
        for agent in self.agents:
            self._services[agent.name] = TaskService(
                manager,
                feeds,
                agent.name,
                may_answer_with_message=agent.may_answer_with_message,
                archive=self.archive,
            )
            if self._role != "front":
                worker = Worker(manager, agent, self.name, authenticator)
                worker.start()
                self._workers.append(worker)
        if self._role != "front":
            self._caretaker = Caretaker(manager, self.name)
            self._caretaker.start()
        self._registry = Registry(manager, self.name, self._describe)
        self._registry.start()
        _log.info("ready", node=self.name, role=self._role, agents=[a.name for a in self.agents])

    async def _begin_to_trace(self) -> None:
        settings = self.settings
        if settings.traces != "off" and not self._traces:
            self._traces = True
            start = partial(tracing.start, url=settings.traces_url, share=settings.traces_share)
            # In a thread: it imports, and reads certificates.
            await asyncio.to_thread(start, settings.traces, instance=self.name)

    def _describe(self) -> Json:
        """Return how the process is, for the registry."""
        runs_agents = self._role != "front"
        return {
            "role": self._role,
            "agents": [agent.name for agent in self.agents],
            "escalates": [a.name for a in self.agents if runs_agents and a.escalates],
            "streams": len(self._streams),
            "watchers": self.feeds.watching,
            "runs": sum(worker.runs for worker in self._workers),
            "draining": self.draining,
        }

    def track(self, stream: Stream) -> None:
        """Count a stream in, so that `drain` can end it."""
        self._streams.add(stream)
        if self.draining:
            stream.stop("drain")

    def untrack(self, stream: Stream) -> None:
        """Count a stream out."""
        self._streams.discard(stream)

    async def drain(self) -> None:
        """Hand running work over, and end every stream: its client reconnects elsewhere."""
        self.draining = True
        if self._registry is not None:
            self._registry.hurry()
        goodbyes = self._say_goodbye(list(self._streams))
        await asyncio.gather(goodbyes, *(worker.drain() for worker in self._workers))
        self._workers.clear()

    async def _say_goodbye(self, streams: list[Stream]) -> None:
        """End streams, spread over a while: their clients come back one after the other."""
        loop = asyncio.get_running_loop()
        seconds = min(self.settings.goodbye_seconds, len(streams) / _GOODBYES)
        random.shuffle(streams)  # who came together doesn't go together
        began, count = loop.time(), len(streams)
        while streams:
            await asyncio.sleep(_STEP if seconds else 0)
            gone = min(1.0, (loop.time() - began) / seconds) if seconds else 1.0
            left = int(count * (1 - gone))
            for stream in streams[left:]:
                stream.stop("drain")
            del streams[left:]

    async def aclose(self) -> None:
        """Drain, then let go of everything. A start that is under way is called off."""
        starting = self._starting
        if starting is not None and not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
        try:
            await self.drain()
            await self._close_parts()
            await self._close_store()
        finally:
            self._watchdog.stop()
            if self._traces:
                self._traces = False
                await asyncio.to_thread(tracing.stop)

    async def _close_parts(self) -> None:
        """Close what runs beside the workers, and then what it stands on."""
        for watching in (self._watch, self._doing):
            if watching is not None:
                await watching.stop()
        parts = (
            self._pusher,
            self._archiver,
            *self._services.values(),
            self._caretaker,
            self._registry,
        )
        for part in (*parts, self._feeds, self._authenticator):
            if part is not None:
                await part.aclose()

    async def _close_store(self) -> None:
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.aclose()
        store, self._store = self._store, None
        if store is not None:
            await store.stop()
