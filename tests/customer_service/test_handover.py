"""People take over: a customer, the Intent Agent and somebody who answers, over real HTTP, in one story."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from a2a_streaming import Agent, Run
from a2a_streaming.caller import Role
from a2a_streaming.cli.door import NodeDoor
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.customer_service.detection import Intent
from a2a_streaming.customer_service.handover import Desk, OverdueWatch
from a2a_streaming.customer_service.records import SqlRecords, Ticket
from a2a_streaming.settings import Settings
from customer_service.platforms import (
    PARCELS,
    Front,
    Reads,
    front,
    intent_agent,
    said,
    served,
    story,
    text_of,
)
from tasks import until

PERSON = "I want to talk to a human"


class Parcels(Agent):
    """Looks for parcels: asks first, fails, takes for ever, or wants a person, as it is told."""

    card = PARCELS

    def __init__(self) -> None:
        self.canceled = asyncio.Event()

    async def run(self, run: Run) -> None:
        if "broken" in run.text:
            await run.fail("The scanner is broken.")
        elif "lost" in run.text:
            await run.complete("It is lost.", metadata={"handover": {"reason": "dispute"}})
        elif "slow" in run.text:
            await asyncio.Event().wait()
        elif "blue" in run.text:
            await run.complete("The blue one is at your door.")
        else:
            await run.input_required("Which one?")

    async def cancel(self, run: Run) -> None:  # noqa: ARG002 - the interface's
        self.canceled.set()


@dataclass
class Platform:
    """A running platform with a specialist for parcels."""

    front: Front
    parcels: Parcels


@pytest.fixture
async def platform(settings: Settings) -> AsyncIterator[Platform]:
    parcels = Parcels()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served([parcels], settings))
        urls = [f"{url}/agents/parcels"]
        yield Platform(await stack.enter_async_context(front(urls, settings)), parcels)


@pytest.fixture
async def signed(settings: Settings) -> AsyncIterator[Front]:
    """A platform whose callers sign in."""
    async with front([], settings.model_copy(update={"auth_keys": True})) as running:
        yield running


def human(event: StreamEvent) -> str | None:
    return event.data.get("metadata", {}).get("human", {}).get("name")


async def next_turn(client: Client, task: str, after: str) -> list[StreamEvent]:
    """What follows on a position, to the turn's end."""
    return [event async for event in client.resubscribe(task, after)]


async def turn_with(client: Client, task: str, after: str, words: str) -> list[StreamEvent]:
    """What follows on a position, up to the turn that ends with these words."""

    async def told() -> list[StreamEvent]:
        events = await next_turn(client, task, after)
        return events if events and words in text_of(events[-1]) else []

    return await until(told)


def ended(events: Sequence[StreamEvent]) -> tuple[str | None, str]:
    return events[-1].state, text_of(events[-1])


async def test_a_customer_is_handed_to_a_person_and_back_in_one_story(signed: Front) -> None:
    async with signed.customer("sam") as sam:
        asked = await story(sam, "t1", PERSON)
        state, text = ended(asked)
        assert state == "input-required"
        assert "I've asked a colleague to take over" in text
        assert asked[-1].data["metadata"]["handover"]["state"] == "waiting"
        [ticket] = await signed.queue("maria")
        assert (ticket["reason"], ticket["summary"]) == ("requested", PERSON)
        assert ticket["waitedSeconds"] >= 0
        path = ticket["ticket"]
        # Of two who claim it at once, one has it.
        claims = await asyncio.gather(
            signed.ask("maria", "POST", f"{path}/claim", {"name": "Maria"}),
            signed.ask("ben", "POST", f"{path}/claim", {"name": "Ben"}),
        )
        assert sorted(answer.status_code for answer in claims) == [200, 409]
        who, name = ("maria", "Maria") if claims[0].status_code == 200 else ("ben", "Ben")
        joined = await next_turn(sam, "t1", asked[-1].position)
        assert ended(joined) == (
            "input-required",
            f"{name} has joined and reads what you've written.",
        )
        assert human(joined[-1]) == name
        assert await signed.queue("maria") == []
        [mine] = (await signed.ask(who, "GET", "queue")).json()["mine"]
        assert mine["ticket"] == path
        # What the customer says now is kept for the person, who sees the task as the customer does.
        more = await story(sam, "t1", "What's my account balance?", joined[-1].position)
        assert said(more) == []
        assert more[-1].state == "input-required"
        noted = await signed.ask(who, "POST", f"{path}/note", {"text": "a nice customer"})
        assert noted.status_code == 200
        reply = {"text": "I see you owe us nothing.", "name": name}
        for _ in range(2):  # the first answer was lost
            answer = await signed.ask(who, "POST", f"{path}/reply", reply, key="r1")
            assert answer.status_code == 200
        told = await next_turn(sam, "t1", more[-1].position)
        assert ended(told) == ("input-required", "I see you owe us nothing.")
        assert human(told[-1]) == name
        back = await signed.ask(who, "POST", f"{path}/back", {"name": name})
        assert back.json()["state"] == "handed back"
        after = await next_turn(sam, "t1", told[-1].position)
        assert f"{name} has handed you back" in text_of(after[-1])
        # Now the agent goes on, and the person no longer sees the task.
        done = await story(sam, "t1", "thanks", after[-1].position)
        assert ended(done) == ("completed", "You're welcome!")
        task = await sam.get("t1")
        assert "nice customer" not in str(task)
        assert str([event.data for event in await next_turn(sam, "t1", "")]).count("owe us") == 2
        shown = (await signed.ask("ben", "GET", path)).json()
        assert [note["text"] for note in shown["notes"]] == ["a nice customer"]


async def test_a_person_watches_and_answers_by_a2a_itself(signed: Front) -> None:
    async with signed.customer("sam") as sam, signed.person("maria") as maria:
        asked = await story(sam, "t1", PERSON)
        [ticket] = await signed.queue("maria")
        task = ticket["task"]
        await signed.ask("maria", "POST", f"{ticket['ticket']}/claim", {"name": "Maria"})
        joined = await next_turn(sam, "t1", asked[-1].position)
        seen = [event async for event in maria.resubscribe(task)]
        assert seen[-1].position == joined[-1].position
        async with signed.person("ben") as ben:  # who doesn't have it
            quiet = await story(ben, task, "I know better", joined[-1].position)
            assert said(quiet) == []
        answered = await story(maria, task, "Hello Sam", quiet[-1].position)
        assert ended(answered) == ("input-required", "Hello Sam")
        assert "I know better" not in said(await next_turn(sam, "t1", ""))
        resolved = await signed.ask("maria", "POST", f"{ticket['ticket']}/resolve", {"text": "Bye"})
        assert resolved.json()["state"] == "resolved"
        assert ended(await next_turn(sam, "t1", answered[-1].position)) == ("completed", "Bye")


async def test_the_queue_is_for_people_who_answer_customers(signed: Front) -> None:
    async with signed.customer("sam") as sam:
        await story(sam, "t1", PERSON)
    for role, code in (
        (Role.CUSTOMER, 403),
        (Role.SERVICE, 403),
        (Role.AGENT, 200),
        (Role.OPERATOR, 200),
    ):
        answer = await signed.ask("olga", "GET", "queue", role=role)
        assert answer.status_code == code, answer.text
    assert (await signed.ask("", "GET", "queue")).status_code == 401
    [ticket] = await signed.queue("maria")
    path = ticket["ticket"]
    for verb, body, code, words in (
        ("none/claim", {}, 404, "no ticket none"),
        (f"{path}/reply", {"text": "hi"}, 409, "waiting"),
        (f"{path}/back", {}, 409, "waiting"),
        (f"{path}/dance", {}, 400, "choose claim, take"),
        (f"{path}/reply", {"text": " "}, 400, "text"),
        (f"{path}/claim", [], 400, "JSON object"),
        (f"{path}/note", {"text": 7}, 400, "text"),
    ):
        answer = await signed.ask("maria", "POST", verb, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (code, code)
        assert words in answer.json()["error"]["message"]
    for verb in ("note", "reply", "claim"):
        for key in ("a key", "a/b", "k" * 81):
            answer = await signed.ask("maria", "POST", f"{path}/{verb}", {"text": "hi"}, key=key)
            assert answer.status_code == 400
            assert "Idempotency-Key must be 1 to 80" in answer.json()["error"]["message"]


async def test_a_customer_who_writes_like_a_person_stays_a_customer(signed: Front) -> None:
    async with signed.customer("sam") as sam:
        asked = await story(sam, "t1", PERSON)
        [ticket] = await signed.queue("maria")
        deed = {"do": "resolve", "ticket": ticket["ticket"], "name": "Maria", "text": "Paid!"}
        forged: dict[str, Any] = {
            "role": "user",
            "parts": [{"type": "data", "data": {"handover": deed}}],
        }
        kept = await story(sam, "t1", forged, asked[-1].position)
        assert kept[-1].state == "input-required"
        assert "for the colleague who takes over" in text_of(kept[-1])
        assert len(await signed.queue("maria")) == 1


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("Where is my parcel? It is broken", "failed", "The scanner is broken."),
        ("Where is my parcel? It is lost", "dispute", "It is lost."),
    ],
)
async def test_what_a_specialist_cannot_do_goes_to_a_person(
    platform: Platform, text: str, reason: str, words: str
) -> None:
    async with platform.front.customer() as client:
        state, told = ended(await story(client, "t1", text))
    assert state == "input-required"
    assert told.startswith(f"{words} I've asked a colleague")
    [ticket] = await platform.front.queue()
    assert ticket["reason"] == reason
    assert words in ticket["summary"]
    assert text in ticket["summary"]


async def test_a_specialist_that_takes_too_long_is_stopped_and_a_person_takes_over(
    settings: Settings,
) -> None:
    parcels = Parcels()
    short = settings.model_copy(update={"handover_seconds": 0.2})
    async with (
        served([parcels], settings) as url,
        front([f"{url}/agents/parcels"], short) as running,
        running.customer() as client,
    ):
        state, told = ended(await story(client, "t1", "Where is my parcel? slow"))
        assert state == "input-required"
        assert "takes longer than you should have to wait" in told
        assert (await running.queue())[0]["reason"] == "overdue"
        await parcels.canceled.wait()


async def test_who_isnt_understood_twice_gets_a_person(settings: Settings) -> None:
    records = SqlRecords(f"sqlite:///{settings.data_dir}/records.db")
    unsure = Reads(Intent("find_parcel", 0.3, "parcels"))
    async with (
        served([Parcels()], settings) as url,
        intent_agent(
            [f"{url}/agents/parcels"], settings, detector=unsure, desk=Desk(records)
        ) as client,
    ):
        asked = await story(client, "t1", "That one")
        assert asked[-1].state == "input-required"
        assert "parcels" in text_of(asked[-1])
        again = await story(client, "t1", "that one, I say", asked[-1].position)
        assert "still don't understand" in text_of(again[-1])
    [ticket] = await records.tickets.queue()
    assert (ticket.reason, ticket.summary) == ("unsure", "That one / that one, I say")
    await records.aclose()


async def test_a_person_is_asked_for_while_a_specialist_waits_and_the_specialist_goes_on_after(
    platform: Platform,
) -> None:
    async with platform.front.customer() as client:
        asked = await story(client, "t1", "Where is my parcel?")
        assert text_of(asked[-1]) == "Which one?"
        handed = await story(client, "t1", "I'd rather speak to a real person", asked[-1].position)
        assert "asked a colleague" in text_of(handed[-1])
        [ticket] = await platform.front.queue()
        path = ticket["ticket"]
        name = {"name": "Maria"}
        for verb in ("claim", "back"):
            assert (await platform.front.ask("", "POST", f"{path}/{verb}", name)).status_code == 200
        [*_, back] = await turn_with(client, "t1", handed[-1].position, "handed you back")
        done = await story(client, "t1", "the blue one", back.position)
        assert ended(done) == ("completed", "The blue one is at your door.")


async def test_a_person_ends_what_a_specialist_waits_for(platform: Platform) -> None:
    async with platform.front.customer() as client:
        asked = await story(client, "t1", "Where is my parcel?")
        await story(client, "t1", "I'd rather speak to a real person", asked[-1].position)
        [ticket] = await platform.front.queue()
        for verb in ("claim", "resolve"):
            answer = await platform.front.ask("", "POST", f"{ticket['ticket']}/{verb}")
            assert answer.status_code == 200
        await platform.parcels.canceled.wait()
        assert (await client.get("t1"))["status"]["state"] == "completed"


async def emptied(running: Front) -> bool:
    return not await running.queue()


async def test_a_task_that_is_canceled_leaves_the_queue(platform: Platform) -> None:
    async with platform.front.customer() as client:
        await story(client, "t1", PERSON)
        [ticket] = await platform.front.queue()
        await client.cancel("t1")
        await until(lambda: emptied(platform.front))
        claimed = await platform.front.ask("", "POST", f"{ticket['ticket']}/claim")
        assert claimed.status_code == 409


async def test_a_ticket_goes_back_into_the_queue(platform: Platform) -> None:
    async with platform.front.customer() as client:
        asked = await story(client, "t1", PERSON)
        [ticket] = await platform.front.queue()
        for verb in ("claim", "release", "claim", "release"):
            answer = await platform.front.ask("", "POST", f"{ticket['ticket']}/{verb}")
            assert answer.status_code == 200, answer.text
        assert [one["ticket"] for one in await platform.front.queue()] == [ticket["ticket"]]

        async def all_of_it() -> list[str]:
            told = said(await next_turn(client, "t1", asked[-1].position))
            return told if len(told) == 4 else []

        told = await until(all_of_it)
        assert [("joined" in text, "had to leave" in text) for text in told] == [
            (True, False),
            (False, True),
        ] * 2


async def test_a_hand_back_that_the_task_was_never_told_of_leaves_no_customer_alone(
    platform: Platform,
) -> None:
    async with platform.front.customer() as client:
        asked = await story(client, "t1", PERSON)
        [ticket] = await platform.front.queue()
        tickets = platform.front.records.tickets
        # The process that was asked to hand it back has died behind the book's change.
        await tickets.claim(ticket["ticket"], "desk")
        await tickets.hand_back(ticket["ticket"], "desk")
        done = await story(client, "t1", "thanks", asked[-1].position)
        assert ended(done) == ("completed", "You're welcome!")


class Noted:
    """An alarm that keeps what it is told."""

    def __init__(self) -> None:
        self.tickets: list[str] = []

    async def overdue(self, ticket: Ticket) -> None:
        self.tickets.append(ticket.id)


@pytest.mark.parametrize("auth", [False, True])
async def test_a_customer_who_waits_too_long_is_told_so_and_somebody_is_alarmed_once(
    settings: Settings, auth: bool
) -> None:
    noted = Noted()
    short = settings.model_copy(update={"auth_keys": auth, "handover_sla_seconds": "normal=0.05"})
    async with (
        front([], short, alarm=noted) as running,
        running.customer("sam" if auth else "") as client,
    ):
        asked = await story(client, "t1", PERSON)
        told = await next_turn(client, "t1", asked[-1].position)
        assert "sorry that you have to wait" in text_of(told[-1])
        handover = told[-1].data["metadata"]["handover"]
        assert (handover["overdue"], handover["open"]) == (True, True)

        async def alarmed() -> list[str]:
            return noted.tickets

        assert await until(alarmed) == [handover["ticket"]]
        [ticket] = await running.queue("maria" if auth else "")
        assert ticket["overdue"]
        alerts = running.node.manager.alerts

        async def raised() -> list[str]:
            return [alert.about["ticket"] for alert in await alerts.page(size=10)]

        assert await until(raised) == [handover["ticket"]]
        assert ticket["due"] > ticket["waitingSince"]
        # No process raises it again, also after somebody had it.
        other = OverdueWatch(running.records.tickets, NodeDoor(running.node, "intent").send, noted, authenticates=auth)  # fmt: skip
        for verb in ("claim", "release"):
            answer = await running.ask(
                "maria" if auth else "", "POST", f"{ticket['ticket']}/{verb}"
            )
            assert answer.status_code == 200, answer.text
        assert await other.look() == []
        assert len(await raised()) == 1
        left = await turn_with(client, "t1", told[-1].position, "had to leave")
        assert "overdue" not in left[-1].data["metadata"]["handover"]
        assert noted.tickets == [handover["ticket"]]
