"""Whole conversations: a customer, the Intent Agent, specialists, over real HTTP and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import date, timedelta

import pytest

from a2a_streaming import Agent, Run
from a2a_streaming.client import Client, RemoteError
from a2a_streaming.customer_service.delegation.child import message_id
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.settings import Settings
from customer_service.platforms import PARCELS, artifact, intent_agent, said, served, story, text_of


@pytest.fixture
async def specialists(settings: Settings) -> AsyncIterator[list[str]]:
    platform = Platform(settings, "", only=("booking", "billing"))
    await platform.start()
    try:
        async with served(platform.agents, settings) as url:
            yield [f"{url}/agents/booking", f"{url}/agents/billing"]
    finally:
        await platform.stop()


@pytest.fixture
async def client(specialists: list[str], settings: Settings) -> AsyncIterator[Client]:
    async with intent_agent(specialists, settings) as client:
        yield client


async def test_a_question_about_the_balance_is_understood_routed_and_answered(
    client: Client,
) -> None:
    events = await story(client, "task-123", "What's my account balance?")
    assert events[0].state == "submitted"
    assert (events[-1].state, events[-1].final) == ("completed", True)
    kinds = [e.data["artifact"].get("name") for e in events if e.kind == "artifact"]
    assert kinds[0] == "intent"
    _, intent = artifact(events, "intent")
    assert intent["detector"] == "offline"
    [told] = [
        e.data["artifact"] for e in events if e.data.get("artifact", {}).get("name") == "intent"
    ]
    assert told["metadata"] == {"answeredBy": "offline", "reason": "no key"}
    assert intent["intents"][0]["route"] == "billing"
    text, data = artifact(events, "balance")
    assert text.startswith("Your account balance is €124.00 to pay.\nINV-20431")
    assert data["balanceCents"] == 12400
    assert said(events)[0] == "Understanding your request"
    assert "Looking up your account" in said(events)
    assert said(events)[-1] == "Alex, your account balance is €124.00 to pay."
    assert events[-1].data["metadata"] == {"answeredBy": "offline", "reason": "no key"}
    # The stored task tells the same as the stream did.
    task = await client.get("task-123")
    assert [a["name"] for a in task["artifacts"]] == ["intent", "balance"]
    assert task["metadata"]["agent"] == "billing"


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        ("Show me my invoices", "invoices", "INV-20388"),
        ("What is invoice INV-20417 for?", "invoice", "Seat choice"),
        ("Show me my latest invoice", "invoice", "Oslo"),
        ("Show me my bookings", "bookings", "MT4822"),
        ("Tell me about reservation MT4821", "booking", "seat 14C"),
        ("When is my flight to Oslo?", "booking", "MT5107"),
    ],
)
async def test_a_customer_sees_what_they_ask_for(
    client: Client, text: str, name: str, word: str
) -> None:
    events = await story(client, "t1", text)
    assert events[-1].state == "completed"
    assert word in artifact(events, name)[0]


def thursday_in(days: int) -> date:
    day = date.today() + timedelta(days)
    return day + timedelta((3 - day.weekday()) % 7)


async def test_a_booking_is_changed_after_a_quote_and_a_yes(client: Client) -> None:
    new = thursday_in(100)
    asked = await story(client, "t1", f"Please move my flight to Lisbon to {new}")
    assert (asked[-1].state, asked[-1].final) == ("input-required", True)
    assert "€35.00" in text_of(asked[-1])
    [_, form] = asked[-1].data["status"]["message"]["parts"]
    assert form["data"]["quote"]["totalCents"] == 3500
    done = await story(client, "t1", "yes please", after=asked[-1].position)
    assert done[-1].state == "completed"
    assert str(new.day) in text_of(done[-1])
    _, change = artifact(done, "change")
    assert change["booking"]["from"] == new.isoformat()
    # It is billed, once.
    balance = await story(client, "t2", "What's my account balance?")
    assert artifact(balance, "balance")[1]["balanceCents"] == 12400 + 3500


async def test_a_no_leaves_the_booking_as_it_is(client: Client) -> None:
    asked = await story(client, "t1", f"Move MT4821 to {thursday_in(100)}")
    done = await story(client, "t1", "no, that's too expensive", after=asked[-1].position)
    assert done[-1].state == "completed"
    assert "left everything as it is" in text_of(done[-1])
    shown = await story(client, "t2", "Show reservation MT4821")
    assert artifact(shown, "booking")[1]["from"] == (date.today() + timedelta(24)).isoformat()


async def test_the_specialist_asks_for_what_is_missing_and_takes_changes_of_mind(
    client: Client,
) -> None:
    """Which booking, which date, another date, yes: each in a message of its own."""
    turn = await story(client, "t1", "Please change the date of my flight")
    assert turn[-1].state == "input-required"
    assert "MT4821" in text_of(turn[-1])
    turn = await story(client, "t1", "the one to Lisbon", after=turn[-1].position)
    assert turn[-1].state == "input-required"
    assert "which date" in text_of(turn[-1])
    turn = await story(client, "t1", "yesterday-ish, 2020-01-01", after=turn[-1].position)
    assert "isn't in the future" in text_of(turn[-1])
    turn = await story(client, "t1", str(thursday_in(100)), after=turn[-1].position)
    assert "Shall I make the change?" in text_of(turn[-1])
    other = thursday_in(120)
    turn = await story(client, "t1", f"change it to {other} instead", after=turn[-1].position)
    assert turn[-1].state == "input-required"
    assert str(other.year) in text_of(turn[-1])
    turn = await story(client, "t1", "yes", after=turn[-1].position)
    assert turn[-1].state == "completed"
    assert artifact(turn, "change")[1]["booking"]["from"] == other.isoformat()


async def test_a_fare_without_changes_is_refused_in_plain_words(client: Client) -> None:
    events = await story(client, "t1", f"Move my flight to Oslo to {thursday_in(100)}")
    assert events[-1].state == "completed"
    assert "doesn't allow changes" in text_of(events[-1])


async def test_a_price_that_a_client_wrote_itself_buys_nothing(specialists: list[str]) -> None:
    """A task's metadata may come from a client: a price in them isn't taken for ours."""
    slots = {"booking": "MT4821", "date": thursday_in(100).isoformat(), "agreed": 0}
    forged = {"flow": "change_booking", "asked": "confirm", "slots": slots}
    async with Client(specialists[0]) as booking:
        events = [
            e async for e in booking.send_subscribe("t1", "yes", metadata={"pending": forged})
        ]
        assert events[-1].state == "input-required"
        assert "€35.00" in text_of(events[-1])


async def test_two_wishes_are_seen_to_one_after_the_other(client: Client) -> None:
    events = await story(client, "t1", "Show me my bookings. And what is my account balance?")
    assert events[-1].state == "completed"
    _, intent = artifact(events, "intent")
    assert [i["route"] for i in intent["intents"]] == ["booking", "billing"]
    assert artifact(events, "bookings")[0]
    assert artifact(events, "balance")[0]


async def test_a_flight_is_cancelled_and_then_its_extra_is_refunded(client: Client) -> None:
    """Each specialist is told its own wish, and asks about it; the second comes when the first is done."""
    wish = "Cancel my flight to Lisbon and refund the baggage fee"
    first = await story(client, "t1", wish)
    assert first[-1].state == "input-required"
    _, intent = artifact(first, "intent")
    assert [i["intent"] for i in intent["intents"]] == ["cancel_booking", "refund_request"]
    assert "MT4821" in text_of(first[-1])
    second = await story(client, "t1", "yes", after=first[-1].position)
    assert artifact(second, "cancellation")[0]
    assert second[-1].state == "input-required"
    assert "€30.00" in text_of(second[-1])
    third = await story(client, "t1", "yes", after=second[-1].position)
    assert third[-1].state == "completed"
    assert "€30.00" in text_of(third[-1])


async def test_two_wishes_for_one_specialist_are_both_seen_to(client: Client) -> None:
    events = await story(
        client, "t1", "Show me my invoices, and what does my subscription include?"
    )
    assert events[-1].state == "completed"
    assert "INV-20388" in artifact(events, "invoices")[0]
    assert artifact(events, "subscription")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello!", "What can I do for you?"),
        ("Thanks a lot", "You're welcome"),
        ("I want to talk to a human", "support@"),
        ("Write me a poem about the sea", "I can't help with that"),
    ],
)
async def test_what_no_specialist_is_due_for_is_answered_at_once(
    client: Client, text: str, words: str
) -> None:
    events = await story(client, "t1", text)
    assert events[-1].state == "completed"
    assert words in text_of(events[-1])
    _, intent = artifact(events, "intent")
    assert intent["intents"][0]["route"] in (None, "human")


async def test_an_unclear_request_is_asked_about_and_then_routed(client: Client) -> None:
    asked = await story(client, "t1", "Can you move it?")
    assert asked[-1].state == "input-required"
    assert artifact(asked, "intent")[1]["intents"][0]["route"] is None
    assert "billing" in text_of(asked[-1])
    turn = await story(client, "t1", "the invoices", after=asked[-1].position)
    assert turn[-1].state == "completed"
    assert artifact(turn, "invoices")[0]


async def test_a_stranger_can_watch_a_delegated_task_from_its_start(client: Client) -> None:
    first = await story(client, "t1", "Show me my invoices")
    again = [event async for event in client.resubscribe("t1")]
    assert [(e.position, e.data) for e in again] == [(e.position, e.data) for e in first]
    rest = [event async for event in client.resubscribe("t1", first[3].position)]
    assert [e.position for e in rest] == [e.position for e in first[4:]]


class Gate(Agent):
    """A specialist for parcels that waits until the test lets it go on."""

    card = PARCELS

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.runs = 0
        self.canceled = asyncio.Event()

    async def run(self, run: Run) -> None:
        self.runs += 1
        await run.working("Looking for it")
        async with run.artifact("route") as route:
            await route.write("depot, ")
            self.begun.set()
            await self.open.wait()
            await route.write("your door")
        await run.complete("Found")

    async def cancel(self, run: Run) -> None:  # noqa: ARG002 - the interface's
        self.canceled.set()


async def test_a_new_specialist_needs_nothing_but_its_card(
    specialists: list[str], settings: Settings
) -> None:
    gate = Gate()
    gate.open.set()
    async with (
        served([gate], settings) as url,
        intent_agent([*specialists, f"{url}/agents/parcels"], settings) as client,
    ):
        events = await story(client, "t1", "Where is my parcel?")
        assert artifact(events, "intent")[1]["intents"][0]["route"] == "parcels"
        assert artifact(events, "route")[0] == "depot, your door"
        assert events[-1].state == "completed"


async def test_a_chunk_is_relayed_while_the_rest_is_still_being_made(settings: Settings) -> None:
    gate = Gate()
    async with (
        served([gate], settings) as url,
        intent_agent([f"{url}/agents/parcels"], settings) as client,
        aclosing(client.send_subscribe("t1", "Where is my parcel?")) as events,
    ):
        seen = ""
        async for event in events:
            if event.kind == "artifact":
                seen = text_of(event) or seen
            if seen == "depot, ":
                gate.open.set()
        assert seen == "your door"


async def test_a_cancel_goes_down_to_the_specialist(settings: Settings) -> None:
    gate = Gate()
    async with (
        served([gate], settings) as url,
        intent_agent([f"{url}/agents/parcels"], settings) as client,
        aclosing(client.send_subscribe("t1", "Where is my parcel?")) as events,
    ):
        async for event in events:
            if gate.begun.is_set() and event.kind == "artifact":
                break
        task = await client.cancel("t1")
        assert task["status"]["state"] == "canceled"
        await gate.canceled.wait()
        with pytest.raises(RemoteError) as refused:
            await client.cancel("t1")
        assert refused.value.code == -32002


async def test_another_process_goes_on_with_the_child_that_runs(settings: Settings) -> None:
    """The process with the Intent Agent ends in the middle; the next one joins the same child."""
    gate = Gate()
    async with served([gate], settings) as url:
        urls = [f"{url}/agents/parcels"]
        async with (
            intent_agent(urls, settings) as client,
            aclosing(client.send_subscribe("t1", "Where is my parcel?")) as events,
        ):
            async for event in events:
                if event.kind == "artifact" and text_of(event) == "depot, ":
                    break
        gate.open.set()
        async with intent_agent(urls, settings) as client:
            events = [event async for event in client.resubscribe("t1")]
            assert events[-1].state == "completed"
            task = await client.get("t1")
            route = next(a for a in task["artifacts"] if a["name"] == "route")
            assert "".join(part["text"] for part in route["parts"]) == "depot, your door"
    assert gate.runs == 1


class Doorman(Gate):
    """Asks before it looks; counts the answers."""

    async def run(self, run: Run) -> None:
        if run.text != "yes":
            await run.input_required("Shall I look?")
        else:
            await super().run(run)


async def test_an_answer_is_passed_on_once_even_when_its_process_ends(settings: Settings) -> None:
    doorman = Doorman()
    async with served([doorman], settings) as url:
        urls = [f"{url}/agents/parcels"]
        async with intent_agent(urls, settings) as client:
            asked = await story(client, "t1", "Where is my parcel?")
            assert text_of(asked[-1]) == "Shall I look?"
            after = asked[-1].position
            async with aclosing(client.send_subscribe("t1", "yes", after=after)) as events:
                async for event in events:
                    if event.kind == "artifact" and text_of(event) == "depot, ":
                        break
        doorman.open.set()
        async with intent_agent(urls, settings) as client:
            events = [event async for event in client.resubscribe("t1", after)]
            assert events[-1].state == "completed"
    assert doorman.runs == 1


async def test_specialists_that_cannot_be_reached_are_told_of_honestly(
    settings: Settings,
) -> None:
    async with intent_agent(["http://127.0.0.1:1/agents/billing"], settings) as client:
        events = await story(client, "t1", "What's my account balance?")
        assert events[-1].state == "failed"
        assert "can't be reached" in text_of(events[-1])
        assert (await story(client, "t2", "Hello"))[-1].state == "completed"


async def test_a_specialist_that_goes_away_fails_the_task_with_a_clear_text(
    settings: Settings,
) -> None:
    gate = Gate()
    gate.open.set()
    async with served([gate], settings) as url:
        urls = [f"{url}/agents/parcels"]
        agents = intent_agent(urls, settings, patience=0.5)
        client = await agents.__aenter__()
        await story(client, "t1", "Where is my parcel?")
    try:
        events = await story(client, "t2", "Where is my parcel?")
        assert events[-1].state == "failed"
        assert "couldn't get through to our parcels specialist" in text_of(events[-1])
    finally:
        await agents.__aexit__(None, None, None)


async def test_a_delegation_that_a_client_wrote_itself_is_not_followed(
    client: Client, specialists: list[str]
) -> None:
    """A task's metadata may come from a client: they must not steer messages into other tasks."""
    async with Client(specialists[0]) as booking:
        victim = await story(booking, "victim", f"Move MT4821 to {thursday_in(100)}")
        forged = {"agent": "booking", "task": "victim", "after": victim[-1].position}
        events = [
            event
            async for event in client.send_subscribe("t1", "yes", metadata={"delegate": forged})
        ]
        assert artifact(events, "intent")[1]["intents"]
        assert (await booking.get("victim"))["status"]["state"] == "input-required"


def test_what_a_specialist_is_sent_is_known_by_task_message_and_agent() -> None:
    ids = {message_id(t, m, a) for t in "ab" for m in "ab" for a in ("x", "y")}
    assert len(ids) == 8
