"""Telling: one webhook is posted what follows on the position that it has taken last, event by event."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import orjson

from a2a_streaming import tracing
from a2a_streaming.accepting import trace_of
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.webhooks import Failing, Noted, Webhook
from a2a_streaming.errors import TaskNotFound
from a2a_streaming.event import Event
from a2a_streaming.feeds import Feeds
from a2a_streaming.position import Position
from a2a_streaming.push import figures
from a2a_streaming.push.receivers import Busy
from a2a_streaming.push.schedule import pause
from a2a_streaming.push.sender import Notification, Sender
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.task import Json, State
from a2a_streaming.telemetry import get_logger
from a2a_streaming.wire import legacy, modern

_log = get_logger(__name__)

POSITION_HEADER = "A2A-Event-Position"
_LONG = 60.0
"""Seconds after which a session is asked again, though nothing has happened."""
_LATER = (0.5, 1.5)
"""Between how many seconds who finds a receiver busy waits."""


class Lost(Exception):
    """Another process has taken the task's webhooks."""


class _Gone(Exception):
    """The webhook is there no more."""


class _Later(Exception):
    """The webhook hasn't taken an event."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Means:
    """What telling needs.

    Args:
        manager: Redis.
        feeds: The process's feeds.
        sender: Posts.
        holder: Under which name this process takes webhooks.
    """

    manager: RedisManager
    feeds: Feeds
    sender: Sender
    holder: str


class Teller:
    """Tells one webhook.

    Args:
        means: What that needs.
        webhook: The webhook, as it was taken.
    """

    def __init__(self, means: Means, webhook: Webhook) -> None:
        self._means = means
        self._webhooks = means.manager.webhooks
        self._settings = means.manager.settings
        self._webhook = webhook
        self._told = webhook.told
        self._failing = webhook.failing
        self._trace: tracing.Carrier = {}
        self.posting = False
        """Whether a post is under way."""

    @property
    def wait(self) -> float:
        """For how long the webhook isn't to be tried, seconds."""
        return max(0.0, self._failing.until / 1000 - time.time()) if self._failing else 0.0

    async def tell(self) -> float | None:
        """Tell all that follows.

        Returns:
            After how many seconds to go on, because the webhook hasn't taken an event; None if there is nothing more to
            tell: the task has ended, or the webhook is gone.

        Raises:
            Lost: Another process has taken the task's webhooks.
            Unavailable: Redis is away.
        """
        after = Position.parse(self._told) if self._told else None
        means, task_id = self._means, self._webhook.task_id
        if tracing.is_on() and (known := await means.manager.snapshots.get(task_id)) is not None:
            self._trace = _trace_of(known.task)
        try:
            async with StreamSession(means.manager, means.feeds, task_id, after=after) as session:
                while not _has_ended(session):
                    got = await session.next(_LONG)
                    async for position, body, state in self._bodies(got):
                        if body is not None:
                            await self._deliver(body, position)
                        if state is not None and state.terminal:
                            return None
        except (TaskNotFound, _Gone):
            pass
        except _Later as later:
            return later.wait
        return None

    async def _bodies(
        self, got: Sequence[Event] | Reset
    ) -> AsyncIterator[tuple[Position, bytes | None, State | None]]:
        """Yield what a webhook is told, each with its position and the state it puts the task into.

        In 1.0 that is each event, as the log has it; in others the task, at each status.
        """
        dialect = self._webhook.dialect
        if isinstance(got, Reset):
            state = State(got.task["status"]["state"])
            yield got.position, _tell_task(dialect, got.task), state
            return
        for event in got:
            state = event.state
            if tracing.is_on() and (said := event.message) and said["role"] == "ROLE_USER":
                self._trace = trace_of(said)
            if dialect == "1.0":
                yield event.position, event.data, state
            elif state is None:
                yield event.position, None, None
            else:
                snapshot = await self._means.manager.snapshots.get(self._webhook.task_id)
                body = None if snapshot is None else _tell_task(dialect, snapshot.task)
                yield event.position, body, state

    async def _deliver(self, body: bytes, position: Position) -> None:
        """Post one event, and note what came of it; returns if the webhook has taken it."""
        try:
            outcome = await self._means.sender.send(
                self._notification(body, position), first=self._may_post
            )
            if outcome.reason:
                figures.FAILED.inc()
                await self._fail(outcome.reason, outcome.wait, final=outcome.gone)
            figures.DELIVERED.inc()
            self._told, self._failing = str(position), None
            _check(await self._webhooks.told(self._webhook, self._means.holder, self._told))
        except Busy as busy:
            figures.POSTPONED.inc()
            if busy.answers:
                raise _Later(random.uniform(*_LATER)) from busy
            # Somebody is asking it whether it is there: who waits for that waits as if they had asked.
            await self._fail("the receiver doesn't answer", 0.0, final=False)
        finally:
            self.posting = False

    async def _may_post(self) -> None:
        """Check, when it is the post's turn, that the webhook is still there, and this process's to tell."""
        self.posting = True
        _check(await self._webhooks.may_tell(self._webhook, self._means.holder))

    async def _fail(self, reason: str, asked: float, *, final: bool) -> NoReturn:
        """Note that the webhook hasn't taken an event; raises `_Later`, or `_Gone` if it is given up."""
        webhook, settings, before = self._webhook, self._settings, self._failing
        now = time.time_ns() // 1_000_000
        tries, since = (before.tries + 1, before.since) if before else (1, now)
        about = {"task": webhook.task_id, "webhook": webhook.id, "reason": reason}
        if final or now - since > settings.push_retry_seconds * 1000:
            failing = Failing(since, tries, now, reason)
            noted = await self._webhooks.give_up(webhook, self._means.holder, self._told, failing)
            _check(noted)
            _log.error("gave up on a webhook; it can be replayed", tries=tries, **about)
            figures.GIVEN_UP.inc()
            raise _Gone
        wait = max(pause(tries, settings), min(asked, settings.push_retry_longest_seconds))
        self._failing = Failing(since, tries, now + int(wait * 1000), reason)
        _check(await self._webhooks.failed(webhook, self._means.holder, self._failing))
        _log.debug("a webhook has failed", tries=tries, wait=round(wait, 1), **about)
        raise _Later(wait)

    def _notification(self, body: bytes, position: Position) -> Notification:
        webhook = self._webhook
        said = f"{webhook.task_id}\n{webhook.id}\n{position}"
        modern_wire = webhook.dialect == "1.0"
        return Notification(
            id=hashlib.blake2b(said.encode(), digest_size=16).hexdigest(),
            url=webhook.config["url"],
            body=body,
            content_type="application/a2a+json" if modern_wire else "application/json",
            token=webhook.config.get("token") or "",
            authentication=webhook.config.get("authentication") or {},
            headers={POSITION_HEADER: str(position)},
            claims={"taskId": webhook.task_id, "position": str(position)},
            trace=self._trace,
        )


def _check(noted: Noted) -> None:
    if noted is Noted.LOST:
        raise Lost
    if noted is Noted.GONE:
        raise _Gone


def _has_ended(session: StreamSession) -> bool:
    """Say whether the task has ended, and the webhook knows."""
    newest = session.newest
    return newest is not None and newest.state is not None and newest.state.terminal


def _trace_of(task: Json) -> tracing.Carrier:
    """Return the trace of the customer's latest message."""
    said: list[Json | None] = [task["status"].get("message"), *reversed(task.get("history", ()))]
    for one in said:
        if one is not None and one["role"] == "ROLE_USER":
            return trace_of(one)
    return {}


def _tell_task(dialect: str, task: Json) -> bytes:
    if dialect == "0.1":
        return orjson.dumps(legacy.tell_task(task, history_length=None))
    if dialect == "0.3":
        return modern.tell_v03_task(task)
    return orjson.dumps({"task": modern.tell_task(task)})
