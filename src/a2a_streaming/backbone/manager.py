"""`RedisManager`: the backbone's front door."""

from __future__ import annotations

import asyncio
from typing import Self

from a2a_streaming.backbone.alerts import Alerts
from a2a_streaming.backbone.audit import Audit
from a2a_streaming.backbone.broadcast import Broadcast
from a2a_streaming.backbone.census import Census
from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.credentials import Credentials
from a2a_streaming.backbone.deadlines import Deadlines
from a2a_streaming.backbone.durability import Durability
from a2a_streaming.backbone.ended import Ended
from a2a_streaming.backbone.erasures import Erasures
from a2a_streaming.backbone.format import Format
from a2a_streaming.backbone.health import Health
from a2a_streaming.backbone.history import History
from a2a_streaming.backbone.inbox import Inbox
from a2a_streaming.backbone.index import Index
from a2a_streaming.backbone.interventions import Interventions
from a2a_streaming.backbone.janitor import Janitor
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.letters import Letters
from a2a_streaming.backbone.log import Log
from a2a_streaming.backbone.nodes import Nodes
from a2a_streaming.backbone.outbox import Outbox
from a2a_streaming.backbone.restore import restore_meta
from a2a_streaming.backbone.signing_keys import SigningKeys
from a2a_streaming.backbone.snapshots import Snapshots
from a2a_streaming.backbone.subscriptions import Subscriptions
from a2a_streaming.backbone.sweep import Sweep
from a2a_streaming.backbone.webhooks import Webhooks
from a2a_streaming.backbone.work import Work
from a2a_streaming.redaction import redacting
from a2a_streaming.settings import Settings
from a2a_streaming.sla import load_policy
from a2a_streaming.tally import Tally


class RedisManager:
    """A process's way to the tasks in Redis.

    Four parts answer the questions that streaming in production asks: `snapshots` (where is the
    truth?), `subscriptions` (who is watching?), `broadcast` (what happens now?) and `history` (what
    happened so far?). Behind them, `inbox`, `log`, `index`, `sweep` and `work` are how tasks move on.

    Use it as an async context manager, or call `start` and `aclose`.

    Args:
        url: Redis or Valkey, as `A2A_REDIS_URL` names it.
        settings: Lifetimes, limits and the keys' prefix; the defaults if None.

    Raises:
        StoreUnavailable: The URL is no Redis address.
    """

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.settings = settings
        self.keys = Keys(settings.key_prefix)
        self._store = Store(url, timeout=settings.redis_timeout)
        self.snapshots = Snapshots(self._store, self.keys)
        self.subscriptions = Subscriptions(
            self._store, self.keys, lifetime=settings.watcher_seconds
        )
        self.broadcast = Broadcast(self._store, self.keys)
        self.history = History(self._store, self.keys)
        self.durability = Durability(self._store, self.keys, settings)
        self.inbox = Inbox(self._store, self.keys, settings, self.durability)
        self.tally = Tally()
        self.log = Log(self._store, self.keys, settings, self.tally)
        self.index = Index(self._store, self.keys, settings)
        self.outbox = Outbox(self._store, self.keys, settings)
        self.webhooks = Webhooks(self._store, self.keys, settings, self.outbox, self.durability)
        self.letters = Letters(self._store, self.keys, settings, self.outbox)
        self.signing_keys = SigningKeys(self._store, self.keys, days=settings.push_key_days)
        self.credentials = Credentials(self._store, self.keys)
        self.audit = Audit(
            self._store,
            self.keys,
            lifetime=settings.audit_ttl,
            redactor=redacting(settings),
        )
        self.erasures = Erasures(self._store, self.keys, settings)
        self.ended = Ended(self._store, self.keys, settings)
        self.interventions = Interventions(self._store, self.keys)
        self.census = Census(self._store, self.keys)
        self.nodes = Nodes(self._store, self.keys, settings)
        self.deadlines = Deadlines(self._store, self.keys, settings, self.snapshots)
        self.alerts = Alerts(self._store, self.keys, settings)
        self.sweep = Sweep(self._store, self.keys, settings, self.deadlines)
        self.format = Format(self._store, self.keys, settings)
        self.janitor = Janitor(self._store, self.keys, settings)
        self.health = Health(self._store, self.keys, settings)

    def work(self, agent: str) -> Work:
        """Return an agent's stream of hints."""
        return Work(self._store, self.keys, self.settings, agent)

    async def restore(self, task_id: str) -> None:
        """Make a task's meta anew, should it be lost while the history stands: the task can be ended then.

        Raises:
            Unavailable: Redis is away.
        """
        await restore_meta(self._store, self.keys, self.settings, task_id)

    async def ping(self) -> None:
        """Ask Redis for a sign of life.

        Raises:
            Unavailable: There is none.
        """
        await self._store.call("PING")

    async def start(self) -> None:
        """Read the limits, check that Redis can be trusted with our keys, and begin to listen.

        Raises:
            InvalidSetting: The limits can't be read.
            StoreUnavailable: It can't be reached, or would evict our keys.
        """
        self.deadlines.policy = await asyncio.to_thread(load_policy, self.settings)
        await self._store.check()
        self.broadcast.start()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.broadcast.aclose()
        await self.durability.aclose()
        await self._store.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
