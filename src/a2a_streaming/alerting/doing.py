"""Does what is to be done about alerts: tells the webhook, and intervenes in tasks.

Each is done, whoever dies: who does it holds it, and another process takes it when it isn't held any more. The webhook may
be told twice, under one id; tasks are intervened in under the alert's id, once. What intervenes looks first whether the
limit is still exceeded, so nothing is done to a task that has moved on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import httpx2
from prometheus_client import Counter

from a2a_streaming.alerting.hook import AlertHook
from a2a_streaming.backbone.alerts import Alert
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller, Role
from a2a_streaming.errors import RequestError, Unavailable, UnsupportedOperation
from a2a_streaming.feeds import Feeds
from a2a_streaming.intervening import Interventions
from a2a_streaming.kin import parent_of
from a2a_streaming.sla import Does, secret_of
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

WHO = "(sla)"
"""Who intervenes, as audits name them: in no subject's characters, so nobody signs in as it."""
_EVERY = 0.4
_HELD = 5.0
"""Seconds for which a process holds what it does without a sign of life."""
_AT_ONCE = 32
_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_DONE = Counter("a2a_alert_actions", "What was done about alerts, by action and outcome: done, refused, not needed, given up.", ["action", "outcome"])  # fmt: skip


class Doing:
    """Does it, from `start` to `stop`.

    Args:
        manager: Redis.
        feeds: The process's feeds.
    """

    def __init__(self, manager: RedisManager, feeds: Feeds) -> None:
        self._manager = manager
        self._alerts = manager.alerts
        self._interventions = Interventions(manager, feeds)
        self._patience = manager.settings.push_retry_seconds
        self._held: dict[tuple[str, Does], asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._client: httpx2.AsyncClient | None = None
        self._hook: AlertHook | None = None

    async def start(self) -> None:
        """Begin; goes on whatever becomes of Redis.

        Raises:
            InvalidSetting: There is a webhook, and nothing to sign with.
        """
        webhook = self._manager.deadlines.policy.webhook
        if webhook is not None:
            secret = secret_of(self._manager.settings)
            self._client = await asyncio.to_thread(self._make_client)  # it reads certificates
            self._hook = AlertHook(self._client, str(webhook.url), secret)
        self._looking = asyncio.create_task(self._look(), name="alerts")

    def _make_client(self) -> httpx2.AsyncClient:
        timeout = self._manager.settings.push_timeout
        return httpx2.AsyncClient(follow_redirects=False, timeout=timeout, trust_env=False)

    async def stop(self) -> None:
        """Stop; what isn't done, another process does."""
        if self._looking is None:
            return
        held = [*self._held]
        tasks = [self._looking, *self._held.values()]
        self._looking = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await self._alerts.hold(held, seconds=0)
        if self._client is not None:
            await self._client.aclose()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            try:
                if self._held and loop.time() - renewed > _HELD / 3:
                    await self._alerts.hold([*self._held], seconds=_HELD)
                    renewed = loop.time()
                room = _AT_ONCE - len(self._held)
                for one in await self._alerts.claim(seconds=_HELD, count=room) if room else ():
                    self._take(*one)
            except Unavailable:
                _log.debug("Redis is away; alerts wait")
            except Exception:
                _log.exception("looking for what is to be done failed; trying again")
            await asyncio.sleep(_EVERY)

    def _take(self, alert_id: str, does: Does) -> None:
        one = (alert_id, does)
        if one not in self._held:
            job = asyncio.create_task(self._do(alert_id, does), name=f"{does} {alert_id}")
            self._held[one] = job
            job.add_done_callback(lambda _: self._held.pop(one, None))

    async def _do(self, alert_id: str, does: Does) -> None:
        try:
            alert = await self._alerts.get(alert_id)
            if alert is None:  # forgotten: so is what is to be done
                await self._alerts.done(alert_id, does, "forgotten")
            elif does == "notify":
                await self._notify(alert)
            else:
                await self._intervene(alert, does)
        except Unavailable:
            return  # it is taken again
        except Exception:
            _log.exception("what an alert asks for failed", alert=alert_id, does=does)
            with contextlib.suppress(Unavailable):
                await self._finish(alert_id, does, "failed", "given up")

    async def _notify(self, alert: Alert) -> None:
        if self._hook is None:
            await self._finish(alert.id, "notify", "there is no webhook any more", "not needed")
            return
        reason = await self._hook.post(alert)
        if reason is None:
            await self._finish(alert.id, "notify", "delivered", "done")
            return
        tried = alert.tried.get("notify", 0)
        pause = min(_PAUSE * 2**tried, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        if time.time() + pause > alert.at / 1000 + self._patience:
            _log.error("gave up on telling an alert", alert=alert.id, reason=reason)
            await self._finish(alert.id, "notify", f"given up: {reason}", "given up")
        else:
            _log.warning("an alert isn't taken; trying again", alert=alert.id, reason=reason)
            await self._alerts.later(alert.id, "notify", seconds=pause)

    async def _intervene(self, alert: Alert, does: Does) -> None:
        about = alert.about
        reason = f"{about['limit']}: more than {about['seconds']:g} s"
        if not await self._is_exceeded(alert):
            await self._finish(alert.id, does, "not needed any more", "not needed")
            return
        meta = await self._manager.snapshots.meta(alert.task)
        owner = meta.owner if meta is not None else ""
        caller = Caller(WHO, Role.OPERATOR)
        await self._manager.audit.note(caller, does, alert.task, owner, reason)
        try:
            outcome = await self._intervention(alert, does, reason)
        except Unavailable:
            raise  # it is taken again
        except RequestError as error:
            _log.warning("an alert's action was refused", alert=alert.id, does=does, reason=str(error))  # fmt: skip
            await self._finish(alert.id, does, f"refused: {error}", "refused")
            return
        await self._finish(alert.id, does, outcome, "done")

    async def _intervention(self, alert: Alert, does: Does, reason: str) -> str:
        match does:
            case "retry":
                return await self._interventions.retry(alert.task, asked=alert.id)
            case "cancel":
                return await self._interventions.cancel(alert.task)
            case _:
                return await self._escalate(alert, reason)

    async def _escalate(self, alert: Alert, reason: str) -> str:
        """Have a task handed over or, if its agent doesn't hand over, the task for which it works."""
        try:
            return await self._interventions.escalate(
                alert.task, by=WHO, reason=reason, asked=alert.id
            )
        except UnsupportedOperation:
            parent = await self._parent(alert.task) if await self._is_exceeded(alert) else None
            if parent is None:
                raise
            done = await self._interventions.escalate(parent, by=WHO, reason=reason, asked=alert.id)
            return f"{done}: {parent}"

    async def _parent(self, task_id: str) -> str | None:
        snapshot = await self._manager.snapshots.get(task_id)
        meta = await self._manager.snapshots.meta(task_id)
        if snapshot is None or meta is None:
            return None
        return await parent_of(self._manager, snapshot.task, meta.owner)

    async def _is_exceeded(self, alert: Alert) -> bool:
        """Say whether what was measured is still the same stay, or wait."""
        facts = await self._manager.deadlines.stands(alert.task)
        limits = self._manager.deadlines.policy.limits
        same = (limit for limit in limits if limit.name == alert.about["limit"])
        return any(facts.start(limit) == alert.about["since"] for limit in same)

    async def _finish(self, alert_id: str, does: Does, outcome: str, kind: str) -> None:
        await self._alerts.done(alert_id, does, outcome)
        _DONE.labels(does, kind).inc()
