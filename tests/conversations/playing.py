"""Plays a conversation against a real platform process, over HTTP, and kills the process in its midst.

The customer speaks by the library's own client, which comes back with its last position; the person at the desk by the
hand-over's API. At the end the platform's log, what the customer was told and the systems of record must agree, and be as
the conversation's file says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Self, TypeVar

import httpx2

from a2a_streaming.client import AgentUnreachable, Client, StreamEvent, StreamLost
from a2a_streaming.customer_service.records import TicketState
from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.position import Position
from conversations.books import Books, books, changes
from conversations.platforms import PlatformProcess
from conversations.script import Conversation, Turn, unseen
from conversations.telling import artifacts, contents, plain, sights

T = TypeVar("T")
_TERMINAL = frozenset({"completed", "failed", "canceled", "rejected"})
_MORE = 2
"""A turn has some events more than its conversation's file names."""
_PATIENCE = 40.0


@dataclass(frozen=True)
class Kill:
    """Where the platform is killed: after so many events of a turn, or after its end if it has fewer.

    Args:
        turn: The turn, from 0.
        frame: How many of its events the customer has read.
    """

    turn: int
    frame: int

    @classmethod
    def draw(cls, conversation: Conversation, chance: random.Random) -> Self:
        """Draw one."""
        told = [number for number, turn in enumerate(conversation.turns) if turn.sees]
        turn = chance.choice(told)
        return cls(turn, chance.randint(1, len(conversation.turns[turn].sees) + _MORE))


class Stuck(Exception):
    """A person can't do what the conversation's file has them do."""


@dataclass
class Told:
    """One of the conversation's tasks, as its customer was told of it.

    Args:
        task: Its id.
    """

    task: str
    events: list[StreamEvent] = field(default_factory=list[StreamEvent])

    @property
    def after(self) -> str | None:
        """The last position."""
        return self.events[-1].position if self.events else None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.events) and self.events[-1].state in _TERMINAL


class Playing:
    """One playing of a conversation.

    Args:
        conversation: The conversation.
        platform: What it is played against.
        database: The database's URL.
        before: What its books hold now.
        kill: Where the platform is killed; None to let it live.
        patience: Seconds that a turn may take, with a kill in its midst.
    """

    def __init__(
        self,
        conversation: Conversation,
        platform: PlatformProcess,
        database: str,
        before: Books,
        kill: Kill | None = None,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._patience = patience
        self._conversation = conversation
        self._platform = platform
        self._database = database
        self._before = before
        self._kill = kill
        self._tasks: list[Told] = []
        self.begun_again = 0
        """How many turns another run went on with."""
        self.frames = 0
        """How many events the customer was told."""
        self.faults: list[str] = []
        """What went otherwise than it should."""
        self.killed_inside = False
        """Whether the process was killed before the customer was told the turn's end."""

    async def play(self) -> None:
        """Play all turns, then judge."""
        try:
            await self._play_all()
        except (A2AStreamingError, httpx2.HTTPError, TimeoutError, Stuck) as error:
            self.faults.append(f"it broke off: {error!r}")
        changed = changes(self._before, await books(self._database))
        if changed != list(self._conversation.changes):
            self.faults.append("\n    ".join(["the systems of record have changed so:", *changed]))

    async def _play_all(self) -> None:
        async with Client(self._platform.url) as client, httpx2.AsyncClient(timeout=20) as http:
            for number, turn in enumerate(self._conversation.turns):
                async with asyncio.timeout(self._patience):
                    await self._play(number, turn, client, http)
            for told in self._tasks:
                await self._judge(told, client)
                self.frames += len(told.events)

    async def _play(
        self, number: int, turn: Turn, client: Client, http: httpx2.AsyncClient
    ) -> None:
        if turn.person:
            told = self._tasks[-1]
            url, key = self._platform.url, f"turn-{number}"
            await self._until_answered(lambda: act(turn, told.task, http, url, key=key))
            events = client.resubscribe(told.task, told.after)
        else:
            if not self._tasks or self._tasks[-1].over:
                self._tasks.append(Told(f"{self._conversation.name}-{len(self._tasks)}"))
            told = self._tasks[-1]
            said = turn.says
            if isinstance(said, dict):
                said = {"role": "user", "parts": [{"type": "data", "data": said}]}
            assert said is not None
            events = client.send_subscribe(
                told.task, said, session_id=self._conversation.name, after=told.after
            )
        first = len(told.events)
        if turn.sees:  # a private note is none of the customer's business
            try:
                await self._follow(number, told, events)
            except StreamLost:  # the platform was away for long; who waits longer comes back
                await self._follow(number, told, client.resubscribe(told.task, told.after))
            # The first event of a task is written by whoever accepts it.
            positions = [Position.parse(event.position) for event in told.events[first:]]
            self.begun_again += len({p.epoch for p in positions if p.offset > 1}) - 1
        missing = unseen(turn.sees, sights(told.events, first))
        if missing is not None:
            shown = "\n    ".join(str(sight) for sight in sights(told.events, first))
            self.faults.append(
                f"turn {number + 1}: {missing} isn't there, or not in its place, in\n    {shown}"
            )

    async def _follow(self, number: int, told: Told, events: AsyncGenerator[StreamEvent]) -> None:
        """Read a turn, and kill the platform when its time has come."""
        kill = self._kill if self._kill is not None and self._kill.turn == number else None
        read = 0
        async with aclosing(events):
            async for event in events:
                told.events.append(event)
                read += 1
                if kill is not None and read == kill.frame:
                    self.killed_inside = not event.final
                    await self._platform.crash()
        if kill is not None and read < kill.frame:
            await self._platform.crash()

    async def _until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and ask again while the platform or its store is away."""
        async with asyncio.timeout(self._patience):
            while True:
                try:
                    return await ask()
                except (AgentUnreachable, httpx2.TransportError, httpx2.HTTPStatusError):
                    await asyncio.sleep(0.1)

    async def _judge(self, told: Told, client: Client) -> None:
        """Judge what the customer was told of a task by its log, and by the task as it is."""
        if any(event.reset for event in told.events):
            self.faults.append(f"{told.task}: was reset")
        offsets = [Position.parse(event.position).offset for event in told.events]
        if offsets != [*range(1, len(offsets) + 1)]:
            self.faults.append(f"{told.task}: was told at the offsets {offsets}")
        log = [event async for event in client.resubscribe(told.task)]
        if [plain(event) for event in log] != [plain(event) for event in told.events]:
            self.faults.append(f"{told.task}: its log is another story than what was told")
        ends = [place for place, event in enumerate(log, 1) if event.state in _TERMINAL]
        if ends != ([len(log)] if told.over else []):
            self.faults.append(f"{told.task}: ended at {ends} of {len(log)}")
        task = await self._until_answered(lambda: client.get(told.task))
        kept = [(a.get("name", ""), contents(a["parts"])) for a in task.get("artifacts", ())]
        shown = [(name, contents(parts)) for name, parts in artifacts(told.events) if parts]
        if kept != shown:
            self.faults.append(f"{told.task}: has the artifacts {kept}, and was told {shown}")
        if told.events[-1].state != task["status"]["state"]:
            self.faults.append(f"{told.task}: is {task['status']}")


async def act(turn: Turn, task: str, http: httpx2.AsyncClient, url: str, *, key: str) -> None:
    """Do what a person at the desk does, as their console would.

    Args:
        turn: What they do.
        task: The customer's task.
        http: An HTTP client.
        url: The platform's address.
        key: What it is done under, once.

    Raises:
        Stuck: They can't.
        httpx2.HTTPStatusError: Not now: the store is away.
    """
    url = f"{url}/handover"
    answer = await http.get(f"{url}/queue", params={"name": turn.person})
    if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        answer.raise_for_status()
    queue = answer.json()
    state = TicketState.WAITING.value if turn.does == "claim" else TicketState.CLAIMED.value
    tickets = [
        ticket["ticket"]
        for ticket in (*queue["waiting"], *queue["mine"])
        if (ticket["task"], ticket["state"]) == (task, state)
    ]
    if len(tickets) != 1:
        raise Stuck(f"{turn.person} finds {len(tickets)} tickets of {task}")
    answer = await http.post(
        f"{url}/{tickets[0]}/{turn.does}",
        json={"name": turn.person, **({"text": turn.text} if turn.text else {})},
        headers={"idempotency-key": key},
    )
    if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
        answer.raise_for_status()
    if answer.status_code != 200:
        raise Stuck(f"{turn.person} can't {turn.does}: {answer.text}")
