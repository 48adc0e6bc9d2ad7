"""A hand-over goes on as if nothing had happened, wherever in it the platform is killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx2
import pytest

from a2a_streaming.auth.keys import make_key
from a2a_streaming.caller import Caller, Role
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.customer_service.records import SqlRecords, Ticket, TicketState
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from conversations.company import DATABASE, TODAY
from conversations.platforms import PlatformProcess
from customer_service.platforms import said, text_of
from customer_service.records.databases import Filled
from tasks import connected, until

Stage = Literal["asked", "booked", "told", "answered"]
STAGES: tuple[Stage, ...] = ("asked", "booked", "told", "answered")
"""Where in a deed the platform is killed: it is under way, the book has it, the customer is told, it is answered."""
BOOKED = ("claim", "take", "assign", "release", "back", "resolve")
"""What the book is changed by."""
TASK = "t1"
SAM, MARIA, BEN = "sam", "maria", "ben"


@dataclass(frozen=True)
class Deed:
    """What somebody does; the customer by words, a person by a call."""

    who: str
    does: str
    text: str = ""
    told: str = ""
    """What the customer is told of it, a part of the words; empty for nothing."""
    to: str = ""


PERSON = "I want to talk to a human"
DEEDS = (
    Deed(SAM, "says", PERSON, "I've asked a colleague"),
    Deed(MARIA, "claim", told="Maria has joined"),
    Deed(SAM, "says", "My suitcase is gone"),
    Deed(MARIA, "reply", "I look for it.", "I look for it."),
    Deed(MARIA, "note", "a black suitcase"),
    Deed(MARIA, "release", told="Maria had to leave"),
    Deed(BEN, "claim", told="Ben has joined"),
    Deed(MARIA, "take", told="Maria has taken over from Ben"),
    Deed(MARIA, "assign", told="Ben sees to your request", to=BEN),
    Deed(BEN, "reply", "It is in Lisbon.", "It is in Lisbon."),
    Deed(BEN, "back", told="Ben has handed you back"),
    Deed(SAM, "says", "No, a human please!", "I've asked a colleague"),
    Deed(MARIA, "claim", told="Maria has joined"),
    Deed(MARIA, "note", "called Lisbon"),
    Deed(MARIA, "resolve", "It is on its way.", "It is on its way."),
)


@dataclass
class Playing:
    """One playing of these deeds."""

    platform: PlatformProcess
    book: SqlRecords
    sam: Client
    people: dict[str, httpx2.AsyncClient]
    stored: str
    kills: dict[int, Stage]
    events: list[StreamEvent] = field(default_factory=list[StreamEvent])

    async def play(self) -> None:
        for number, deed in enumerate(DEEDS):
            async with asyncio.timeout(40):
                await (self._act(number, deed) if number else self._begin(deed))

    async def _begin(self, deed: Deed) -> None:
        """The customer begins the task, with a client that comes back by itself."""
        kill = self.kills.get(0)
        killing: asyncio.Task[None] | None = None
        if kill == "asked":
            killing = asyncio.create_task(self.platform.crash())
        elif kill == "booked":
            killing = asyncio.create_task(self._crash_when_the_book_differs([]))
        stream = self.sam.send_subscribe(TASK, deed.text, session_id="c1")
        await self._follow(stream, crash=kill == "told")
        if killing is not None:
            await killing
        elif kill == "answered":
            await self.platform.crash()
        await self._watch(deed)

    async def _act(self, number: int, deed: Deed) -> None:
        """Somebody does something; after a crash they do it again, whether it was answered or not."""
        kill = self.kills.get(number)
        ticket = "" if deed.who == SAM else await self._ticket(deed)
        tickets = await self._tickets()
        asked = asyncio.create_task(self._post(number, deed, ticket))
        match kill:
            case None:
                pass
            case "asked":
                await self.platform.crash()
            case "booked" if deed.does in BOOKED or "asked a colleague" in deed.told:
                await self._crash_when_the_book_differs(tickets)
            case "told" | "booked" if deed.told:
                await self._watch(deed)
                await self.platform.crash()
            case _:
                await asyncio.wait({asked})
                await self.platform.crash()
        try:
            answer = await asked
        except httpx2.TransportError:
            assert kill is not None
        else:
            assert answer.status_code == 200 or kill is not None, answer.text
        if kill is not None:
            again = await until(lambda: self._again(number, deed, ticket))
            assert again is not None
            assert again.status_code == 200, again.text
        await self._watch(deed)

    async def _again(self, number: int, deed: Deed, ticket: str) -> httpx2.Response | None:
        answer = await self._post(number, deed, ticket)
        return answer if answer.status_code != 503 else None

    async def _post(self, number: int, deed: Deed, ticket: str) -> httpx2.Response:
        if deed.who == SAM:
            said = {"messageId": f"deed-{number}", "taskId": TASK, "role": "ROLE_USER", "parts": [{"text": deed.text}]}  # fmt: skip
            return await self.people[SAM].post(
                f"{self.platform.url}/v1/message:send",
                json={"message": said},
                headers={"a2a-version": "1.0"},
            )
        return await self.people[deed.who].post(
            f"{self.platform.url}/handover/{ticket}/{deed.does}",
            json={
                "name": deed.who.title(),
                "text": deed.text,
                "to": deed.to,
                "toName": deed.to.title(),
            },
            headers={"idempotency-key": f"deed-{number}"},
        )

    async def _watch(self, deed: Deed) -> None:
        """Read what the customer is told of a deed, if it is anything and wasn't read yet."""
        if not deed.told or (self.events and deed.told in text_of(self.events[-1])):
            return

        async def told() -> bool:
            after = self.events[-1].position
            await self._follow(self.sam.resubscribe(TASK, after), crash=False)
            return deed.told in text_of(self.events[-1])

        await until(told)

    async def _follow(self, stream: AsyncGenerator[StreamEvent], crash: bool) -> None:
        async for event in stream:
            self.events.append(event)
            if crash:
                crash = False
                await self.platform.crash()

    async def _ticket(self, deed: Deed) -> str:
        """The ticket that a deed is about, as the person finds it in the queue."""
        if deed.does == "take":
            ticket = await self.book.tickets.by_task(self.stored)
            assert ticket is not None
            return ticket.id
        state = TicketState.WAITING if deed.does == "claim" else TicketState.CLAIMED

        async def found() -> str:
            http = self.people[deed.who]
            queue = (await http.get(f"{self.platform.url}/handover/queue")).json()
            tickets = [
                ticket["ticket"]
                for ticket in (*queue["waiting"], *queue["mine"])
                if (ticket["task"], ticket["state"]) == (self.stored, state.value)
            ]
            assert len(tickets) <= 1, queue
            return tickets[0] if tickets else ""

        return await until(found)

    async def _tickets(self) -> list[Ticket]:
        return await tickets_of(self.book, self.stored)

    async def _crash_when_the_book_differs(self, before: list[Ticket]) -> None:
        async def differs() -> bool:
            return await self._tickets() != before

        await until(differs)
        await self.platform.crash()


async def tickets_of(book: SqlRecords, task: str) -> list[Ticket]:
    """All tickets of a task: those that wait, those that people have, and the latest."""
    people = [ticket for who in (MARIA, BEN) for ticket in await book.tickets.claimed(who)]
    latest = await book.tickets.by_task(task)
    return [*await book.tickets.queue(), *people, *([latest] if latest else [])]


def drawn(chance: random.Random) -> dict[int, Stage]:
    """Two deeds in which the platform is killed, and where."""
    return {number: chance.choice(STAGES) for number in sorted(chance.sample(range(len(DEEDS)), 2))}


@asynccontextmanager
async def playing(
    url: str, redis_url: str, directory: Path, kills: dict[int, Stage]
) -> AsyncIterator[Playing]:
    """A platform with authentication, its customer and two people."""
    prefix = f"{directory.name}:"
    settings = Settings(redis_url=redis_url, key_prefix=prefix, data_dir=directory)
    keys = {who: make_key(name="test", subject=who, role=role, seconds=3600) for who, role in ((SAM, Role.CUSTOMER), (MARIA, Role.AGENT), (BEN, Role.AGENT))}  # fmt: skip
    async with connected(settings) as manager:
        for _, kept in keys.values():
            await manager.credentials.put(kept)
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(
            PlatformProcess(
                directory,
                A2A_REDIS_URL=redis_url,
                A2A_KEY_PREFIX=prefix,
                A2A_RECORDS="conversations.company:records",
                A2A_LEASE_SECONDS="1",
                A2A_AUTH_KEYS="true",
                port=None,
                **{DATABASE: url},
            )
        )
        book = SqlRecords(url, today=lambda: TODAY)
        stack.push_async_callback(book.aclose)
        sam = await stack.enter_async_context(Client(platform.url, token=keys[SAM][0]))
        people = {
            who: await stack.enter_async_context(
                httpx2.AsyncClient(timeout=20, headers={"x-api-key": keys[who][0]})
            )
            for who in keys
        }
        stored = Caller(keys[SAM][1].owner).stored_id(TASK)
        yield Playing(platform, book, sam, people, stored, kills)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_hand_over_whose_platform_is_killed_goes_on_and_tells_everything_once(
    database: str,
    filled: Filled,
    redis_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    seed = random.getrandbits(32)  # by pytest-randomly's seed, which pytest prints
    kills = drawn(random.Random(seed))
    print(f"seed {seed}: {kills}")
    if database == "sqlite":
        url = await filled.sqlite(tmp_path / "records.db", TODAY)
    else:
        server = request.getfixturevalue("postgresql_url")
        url = await filled.postgresql(server, tmp_path.name, TODAY)
    async with playing(url, redis_url, tmp_path, kills) as played:
        try:
            await played.play()
            await judge(played)
        finally:
            print((tmp_path / "log").read_text())


async def judge(played: Playing) -> None:
    """The stream, the log, the task and the book agree, and hold everything once."""
    events, sam = played.events, played.sam
    offsets = [Position.parse(event.position).offset for event in events]
    assert offsets == [*range(1, len(offsets) + 1)]
    assert not any(event.reset for event in events)
    log = [event async for event in sam.resubscribe(TASK)]
    assert [event.position for event in log] == [event.position for event in events]
    story = said(events)
    told = [deed.told for deed in DEEDS if deed.told]
    assert [words for words in story if not any(part in words for part in told)] == [
        "Understanding your request"
    ] * (len(story) - len(told))
    for words in set(told):
        assert sum(words in one for one in story) == told.count(words), story
    task = await sam.get(TASK)
    assert task["status"]["state"] == "completed"
    assert task["metadata"]["handover"]["state"] == "resolved"
    first, second = [*dict.fromkeys(e.data["metadata"]["handover"]["ticket"] for e in events if "handover" in e.data.get("metadata", {}))]  # fmt: skip
    states = [(await played.book.tickets.get(ticket)).state for ticket in (first, second)]
    assert states == [TicketState.HANDED_BACK, TicketState.RESOLVED]
    assert await tickets_of(played.book, played.stored) == [
        await played.book.tickets.get(second)
    ]  # nothing is open
    notes = [await played.book.tickets.notes(ticket) for ticket in (first, second)]
    assert [[(note.who, note.text) for note in noted] for noted in notes] == [
        [(MARIA, "a black suitcase")],
        [(MARIA, "called Lisbon")],
    ]
