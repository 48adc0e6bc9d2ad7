"""A run: one turn of one task, and the ways in which an agent answers in it."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, cast

import orjson

from a2a_streaming import tracing
from a2a_streaming.accepting import new_context_id
from a2a_streaming.answers import Answers
from a2a_streaming.attempt import noted
from a2a_streaming.backbone.inbox import InboxEntry
from a2a_streaming.backbone.log import Grant
from a2a_streaming.backbone.subscriptions import Subscriptions
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.errors import InvalidTransition, RunEnded, StepRepeated
from a2a_streaming.event import check_answer, check_event
from a2a_streaming.task import INTERNAL, Json, State, artifact_index, find_artifact

_inside: ContextVar[str | None] = ContextVar("step", default=None)
"""The step whose function is running."""


class Run(Answers):
    """One turn of one task: the handling of one message, under a lease.

    What it emits is in the task's log, and on its way to every watcher, when the call returns.

    Args:
        grant: The lease.
        entry: The message whose turn it is.
        attempt: Which attempt at this turn it is, from 1.
        writer: Appends to the log.
        steps: What earlier attempts have stored: `s <name>` → a finished step's result, `a <id>` for a
            finished artifact, `b <name>` → a bookmark.
        subscriptions: Knows who watches.
        acting: Signs a token by which the agent acts for the task's owner; None without authentication.
        apart: What steps' names begin with that are of another kind than the turn's own.
    """

    owner: str
    """Whose task it is; empty without authentication."""
    attempt: int
    """Which attempt at this turn it is, from 1."""
    message: Json
    """The customer's message (A2A 1.0 JSON)."""
    found: State
    """The state in which the turn found the task: submitted, or what it waited for."""
    ends_as: State | None
    """How the task ends, or has ended, without the agent; told to `Agent.cancel` alone."""
    farewell: Json | None
    """A message that `Agent.cancel` wants to end a canceled task with (A2A 1.0 JSON)."""

    def __init__(
        self,
        grant: Grant,
        entry: InboxEntry,
        *,
        attempt: int,
        writer: LogWriter,
        steps: dict[str, bytes],
        subscriptions: Subscriptions,
        acting: Callable[[], Awaitable[str | None]],
        apart: str = "",
    ) -> None:
        super().__init__(grant.told_id, grant.context, entry.message_id)
        self.owner = grant.owner
        self._stored_id = grant.task_id
        self.attempt = attempt
        self.message = entry.message
        self.found = State.SUBMITTED
        self.ends_as = None
        self.farewell = None
        self._writer = writer
        self._stored = steps
        self._begun: set[str] = set()
        self._ended = False
        self._subscriptions = subscriptions
        self._acting = acting
        self._apart = apart
        self.pause = 0.0
        """Seconds that each event is held back; more than 0 while nobody watches an agent that slows down then."""
        self.following: InboxEntry | None = None
        """The message whose turn is next under the same lease, once this turn has ended."""

    @property
    def text(self) -> str:
        """The message's text: its text parts, joined by newlines."""
        return "\n".join(part["text"] for part in self.message["parts"] if "text" in part)

    @property
    def data(self) -> Json | None:
        """The message's first data part that is an object; None without one."""
        for part in self.message["parts"]:
            if isinstance(part.get("data"), dict):
                return cast("Json", part["data"])
        return None

    @property
    def task(self) -> Json:
        """The task as it is now (A2A 1.0 JSON); a copy."""
        return copy.deepcopy(self._writer.task)

    @property
    def metadata(self) -> Json:
        """The task's metadata: what the client and earlier statuses said; a copy."""
        return copy.deepcopy(self._writer.task.get("metadata", {}))

    @property
    def stored_id(self) -> str:
        """The id under which the task is stored: the one that others than its owner know it by."""
        return self._stored_id

    @property
    def human(self) -> str | None:
        """Who sent the message, if it was a person who answers customers (role `agent` or `operator`); None for its customer."""
        told = self.message.get("metadata", {}).get(INTERNAL, {}).get("human")
        return told if isinstance(told, str) else None

    @property
    def opens_context(self) -> bool:
        """Whether the conversation began with this task: its client named no context, so it knew none."""
        return self.context_id == new_context_id(self._stored_id)

    @property
    def ended(self) -> bool:
        """Whether the turn has ended."""
        return self._ended

    async def watchers(self) -> int:
        """Return how many watch the task now, on any process.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._subscriptions.count(self._stored_id)

    async def acting_token(self) -> str | None:
        """Return a bearer token by which the agent acts for the task's owner at another agent, for some minutes.

        The other agent takes it if it has the same `A2A_AUTH_SECRET`, or Redis. Without authentication it says no
        more than a demo customer's name, and is None if the owner is none.

        Raises:
            Unavailable: Redis is away.
        """
        return await self._acting()

    def close(self) -> None:
        """Let nothing more be emitted: the worker ends the turn."""
        self._ended = True

    def step_key(self, name: str) -> str:
        """Return a step's key: the same in every attempt, another in every turn and task.

        Args:
            name: The step's name.
        """
        return f"{self._stored_id}:{self.message_id.replace(':', '%3A')}:{name}"

    async def step(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do a named piece of work whose result is remembered: a later attempt doesn't repeat it.

        A process that dies between the work and the remembering leaves a step that is done again. So
        a function with an effect on the world takes a keyword argument `idempotency_key`, is handed
        the step's key in it, and gives it to the system of record, which must hold it unique.

        Args:
            name: The step's name, its own within the turn.
            function: What to do. An async function runs on the event loop, a plain one in a thread, so
                that it may block. Its result must be JSON.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            What the function returned, or had returned in an earlier attempt, as JSON has it.

        Raises:
            StepRepeated: The turn has already had a step of that name.
            TypeError: What the function returned is no JSON: it is lost, and a later attempt does it again.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        name = f"{self._apart}{name}"
        if name in self._begun:
            raise StepRepeated(name)
        self._begun.add(name)
        if (stored := self._stored.get(f"s {name}")) is not None:
            return orjson.loads(stored)
        if _takes_key(function):
            kwargs.setdefault("idempotency_key", self.step_key(name))
        outside = _inside.set(f"s {name}")
        try:
            with tracing.span("step", step=name):
                if inspect.iscoroutinefunction(function):
                    result = await function(*args, **kwargs)
                else:
                    result = await asyncio.to_thread(function, *args, **kwargs)
                    if inspect.isawaitable(result):  # a lambda around an async function
                        result = await result
        finally:
            _inside.reset(outside)
        try:
            encoded = orjson.dumps(result)
        except TypeError as error:
            raise TypeError(f"Step {name!r} must return JSON: {error}.") from error
        self._check_open()
        await self._append(record=(f"s {name}", encoded), wait=True)
        return orjson.loads(encoded)

    def has_done(self, name: str) -> bool:
        """Say whether this or an earlier attempt has finished a step.

        Args:
            name: The step's name.
        """
        return f"s {name}" in self._stored

    async def emit(
        self, event: Json, *, wait: bool = True, bookmark: tuple[str, Any] | None = None
    ) -> None:
        """Append one event.

        Args:
            event: A StreamResponse (A2A 1.0 JSON) that doesn't end the turn.
            wait: Whether to return only when Redis has it.
            bookmark: A name and a JSON value, stored with it; see `bookmark`.

        Raises:
            ValueError: It is no event of this task, or ends the turn; nothing is appended.
            TypeError: It is no JSON; nothing is appended.
            InvalidTransition: The task can't take the state; nothing is appended.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        if bookmark is None:
            await self._emit(event, step=_inside.get(), wait=wait)
        else:
            name, value = bookmark
            record = (f"b {name}", orjson.dumps(value))
            await self._emit(event, step=f"b {name}", record=record, wait=wait)

    def bookmark(self, name: str) -> Any:
        """Return how far a source that is relayed was read: the value stored with the latest event.

        Whoever relays a stream stores with each event where in the source it stood. Both are stored or
        neither, and what was emitted with a bookmark stays: a later attempt goes on behind it.

        Args:
            name: The bookmark's name, its own within the turn.

        Returns:
            The value, as JSON has it; None if nothing was stored yet.
        """
        stored = self._stored.get(f"b {name}")
        return None if stored is None else orjson.loads(stored)

    def is_finished(self, artifact_id: str) -> bool:
        """Say whether an earlier attempt has finished an artifact. For `artifact`."""
        return f"a {artifact_id}" in self._stored

    async def emit_chunk(self, event: Json, artifact_id: str, *, last: bool, wait: bool) -> None:
        """Append an artifact's piece; with the last one, remember it as finished. For `ArtifactStream`."""
        own = f"a {artifact_id}"
        await self._emit(
            event, step=_inside.get() or own, record=(own, b"true") if last else None, wait=wait
        )

    async def _emit(
        self,
        event: Json,
        *,
        step: str | None,
        record: tuple[str, bytes] | None = None,
        wait: bool,
    ) -> None:
        if self.pause:
            await asyncio.sleep(self.pause)
        self._check_open()
        state = check_event(event, task_id=self.task_id, context_id=self.context_id)
        if state is not None and (state.terminal or state.interrupted):
            raise ValueError(
                f"{state.label} ends the turn: use complete, fail, reject, input_required or end."
            )
        event = noted(event, turn=self.message_id, step=step)
        await self._append(event, record=record, wait=wait)

    async def _append(self, *events: Json, record: tuple[str, bytes] | None, wait: bool) -> None:
        """Append events, and with them what a step came to."""
        if record is None:
            await self._writer.append(*events, wait=wait)
            return
        name, value = record
        await self._writer.append(*events, step=(f"{self.message_id} {name}", value), wait=wait)
        self._stored[name] = value

    def index_of(self, artifact_id: str) -> int:
        """Return the ordinal of one of the task's artifacts, or the next free one for a new one."""
        artifacts: list[Json] = self._writer.task.get("artifacts", [])
        place = find_artifact(artifacts, artifact_id)
        if place is not None:
            return artifact_index(artifacts[place])
        return 1 + max((artifact_index(artifact) for artifact in artifacts), default=-1)

    async def end(self, event: Json) -> None:
        """Append the event that ends the turn.

        Args:
            event: A StreamResponse (A2A 1.0 JSON) with a terminal or interrupted state.

        Raises:
            ValueError: It is no such event; nothing is appended.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        state = check_event(event, task_id=self.task_id, context_id=self.context_id)
        if state is None or not (state.terminal or state.interrupted):
            raise ValueError("A turn ends with a status whose state is terminal or interrupted.")
        await self._end(event)

    async def answer(self, said: Json) -> None:
        """Answer with a message alone, and end the task: in 1.0 and 0.3 there is the message, and no task.

        Only for an agent whose `may_answer_with_message` is true, and before anything else.

        Args:
            said: The message (A2A 1.0 JSON).

        Raises:
            ValueError: It is no such message, or the task has begun; nothing is appended.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        check_answer(said, task_id=self.task_id, context_id=self.context_id)
        if len(self._writer.task.get("history", ())) != 1 or self._writer.state != State.SUBMITTED:
            raise ValueError(
                "A message alone answers a task that nothing else was said of; end this one with a status."
            )
        await self._end({"message": said})

    async def hold(self, event: Json) -> None:
        """Append an interrupted state without ending the turn: the agent itself waits for what is missing.

        So does one that is authorized out of band. `rest` ends the turn, or any later end.

        Args:
            event: A StreamResponse (A2A 1.0 JSON) with an interrupted state.

        Raises:
            ValueError: It is no such event; nothing is appended.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        state = check_event(event, task_id=self.task_id, context_id=self.context_id)
        if state is None or not state.interrupted:
            raise ValueError("A turn is held with a status whose state is interrupted.")
        await self._append(noted(event, turn=self.message_id, step=None), record=None, wait=True)

    async def rest(self) -> None:
        """End the turn of a task that waits already: the customer's next message begins another.

        Raises:
            ValueError: The task waits for nothing.
            RunEnded: The turn has ended.
            Fenced: Another process has taken the task over.
        """
        self._check_open()
        if not self._writer.state.interrupted:
            raise ValueError("A turn rests in an interrupted state; this task has none.")
        await self._end()

    async def _end(self, *events: Json) -> None:
        self._ended = True
        try:
            self.following = await self._writer.append(*events, settles=self.message_id)
        except (InvalidTransition, TypeError, ValueError):  # nothing was appended: the turn goes on
            self._ended = False
            raise

    def _check_open(self) -> None:
        if self._ended:
            raise RunEnded(self.task_id)


def _takes_key(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(
        function, "__wrapped__"
    ):  # as most are: a signature costs 30 µs
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return "idempotency_key" in names
    try:
        return "idempotency_key" in inspect.signature(function).parameters
    except ValueError:  # some built-in functions have no signature
        return False
