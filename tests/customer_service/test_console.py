"""What the console does beside the queue: assigning, taking over, another specialist, and all that helps a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Agent, Run
from a2a_streaming.caller import Caller, Role
from a2a_streaming.cli.door import NodeDoor
from a2a_streaming.client import Client, StreamEvent
from a2a_streaming.customer_service.handover import load_replies
from a2a_streaming.customer_service.records import SqlRecords
from a2a_streaming.customer_service.wording import TAKEN
from a2a_streaming.errors import Forbidden, InvalidSetting
from a2a_streaming.settings import Settings
from a2a_streaming.topic import Topic
from customer_service.platforms import PARCELS, Front, artifact, front, said, served, story, text_of
from tasks import until

PERSON = "I want to talk to a human"


class Parcels(Agent):
    """Asks which parcel, when it is let; knows the blue one."""

    card = PARCELS

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def run(self, run: Run) -> None:
        self.begun.set()
        await self.go_on.wait()
        if "blue" in run.text:
            await run.complete("The blue one is at your door.")
        else:
            await run.input_required("Which one?")


@dataclass
class Console:
    """A platform whose people sign in, with a specialist for parcels."""

    front: Front
    parcels: Parcels

    async def does(self, who: str, ticket: str, does: str, **body: Any) -> Any:
        """What a person's deed is answered; it went well."""
        answer = await self.front.ask(
            who, "POST", f"{ticket}/{does}", {"name": who.title(), **body}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, who: str, ticket: str, does: str, **body: Any) -> tuple[int, str]:
        """How a person's deed is refused."""
        role = Role.OPERATOR if who == "olga" else Role.AGENT
        answer = await self.front.ask(who, "POST", f"{ticket}/{does}", body, role=role)
        return answer.status_code, answer.json()["error"]["message"]


@pytest.fixture
async def console(settings: Settings) -> AsyncIterator[Console]:
    parcels = Parcels()
    with_keys = settings.model_copy(update={"auth_keys": True})
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served([parcels], with_keys))
        urls = [f"{url}/agents/parcels"]
        yield Console(await stack.enter_async_context(front(urls, with_keys)), parcels)


async def told(client: Client, after: str, words: str) -> StreamEvent:
    """The turn's end in which a customer is told these words."""

    async def found() -> StreamEvent | None:
        events = [event async for event in client.resubscribe("t1", after)]
        return events[-1] if events and words in text_of(events[-1]) else None

    event = await until(found)
    assert event is not None
    return event


async def test_a_ticket_is_assigned_to_a_colleague_and_taken_over_and_the_customer_is_told_whom(
    console: Console,
) -> None:
    async with console.front.customer("sam") as sam:
        asked = await story(sam, "t1", PERSON)
        [waiting] = await console.front.queue("maria")
        ticket = waiting["ticket"]
        await console.does("maria", ticket, "claim")
        for _ in range(2):  # the first answer was lost
            given = await console.does("maria", ticket, "assign", to="ben", toName="Ben")
            assert given["claimedBy"] == "ben"
        event = await told(sam, asked[-1].position, "Ben sees to your request")
        assert event.data["metadata"]["human"] == {"name": "Ben"}
        # It isn't hers any more, neither to answer nor to give away.
        for does, body in (("reply", {"text": "hi"}), ("assign", {"to": "carl"})):
            assert (await console.refused("maria", ticket, does, **body))[0] == 409
        await console.does("ben", ticket, "reply", text="I have it.")
        event = await told(sam, event.position, "I have it.")
        for _ in range(2):
            assert (await console.does("maria", ticket, "take"))["claimedBy"] == "maria"
        event = await told(sam, event.position, "Maria has taken over from Ben")
        assert event.data["metadata"]["handover"]["human"] == {"name": "Maria"}
        # Operators assign whatever is open.
        answer = await console.front.ask(
            "olga", "POST", f"{ticket}/assign", {"to": "ben"}, role=Role.OPERATOR
        )
        assert answer.json()["claimedBy"] == "ben"
        await told(sam, event.position, "ben sees to your request")
        story_so_far = said([event async for event in sam.resubscribe("t1", asked[-1].position)])
        assert len(story_so_far) == 5  # each once
        await console.does("ben", ticket, "resolve")
        for does, body in (("take", {}), ("assign", {"to": "ben"})):
            assert (await console.refused("maria", ticket, does, **body))[0] == 409


async def test_an_operator_takes_over_a_task_that_nobody_has_handed_over(console: Console) -> None:
    async with console.front.customer("sam") as sam:
        console.parcels.go_on.clear()
        asking = asyncio.create_task(story(sam, "t1", "Where is my parcel?"))
        await console.parcels.begun.wait()
        task = Caller("sam").stored_id("t1")
        # Nothing that isn't handed over is there for agents; nor is anybody else's for a customer.
        assert (await console.refused("maria", task, "take"))[0] == 404
        taken = [
            (
                await console.front.ask(
                    "olga", "POST", f"{task}/take", {"name": "Olga"}, role=Role.OPERATOR
                )
            ).json()
            for _ in range(2)
        ]
        assert (taken[0]["reason"], taken[0]["claimedBy"]) == ("taken over", "olga")
        assert taken[0]["summary"] == "Where is my parcel?"
        assert taken[0]["ticket"] == taken[1]["ticket"]
        asked = await asking  # the specialist is stopped
        console.parcels.go_on.set()
        assert text_of(asked[-1]) in (TAKEN, "Olga has taken over and reads what you've written.")
        event = await told(sam, asked[0].position, "Olga has taken over and reads")
        # From now on she answers, and after her the agent goes on.
        more = await story(sam, "t1", "Hello?", event.position)
        assert said(more) == []
        answer = await console.front.ask(
            "olga", "POST", f"{taken[0]['ticket']}/back", {"name": "Olga"}, role=Role.OPERATOR
        )
        assert answer.status_code == 200, answer.text
        back = await told(sam, more[-1].position, "Olga has handed you back")
        done = await story(sam, "t1", "Where is my blue parcel?", back.position)
        assert text_of(done[-1]) == "The blue one is at your door."
        assert (await console.refused("olga", task, "take")) == (
            400,
            "The task has ended: there is nothing to take over.",
        )


async def test_without_authentication_a_task_is_taken_over_by_whoever_says_their_name(
    settings: Settings,
) -> None:
    async with (
        served([Parcels()], settings) as url,
        front([f"{url}/agents/parcels"], settings) as running,
        running.customer() as client,
    ):
        asked = await story(client, "t1", "Where is my parcel?")
        answer = await running.ask("", "POST", "t1/take", {"name": "Ann"})
        assert answer.json()["claimedBy"] == "Ann"
        await told(client, asked[-1].position, "Ann has taken over")
        assert (await running.ask("", "POST", "nothing/take", {"name": "Ann"})).status_code == 404
        mine = (await running.ask("", "GET", "queue?name=Ann")).json()["mine"]
        assert [ticket["task"] for ticket in mine] == ["t1"]


async def test_a_person_passes_the_customers_last_request_to_a_specialist(console: Console) -> None:
    async with console.front.customer("sam") as sam:
        asked = await story(sam, "t1", PERSON)
        [waiting] = await console.front.queue("maria")
        ticket = waiting["ticket"]
        await console.does("maria", ticket, "claim")
        joined = await told(sam, asked[-1].position, "Maria has joined")
        more = await story(sam, "t1", "It is the blue one", joined.position)
        await console.does("maria", ticket, "reply", text="I pass you on.")
        code, words = await console.refused("maria", ticket, "reroute", to="nobody")
        assert (code, "choose parcels" in words) == (400, True)
        for _ in range(2):
            closed = await console.does("maria", ticket, "reroute", to="parcels")
            assert closed["state"] == "handed back"
        event = await told(sam, more[-1].position, "The blue one is at your door.")
        assert event.state == "completed"
        assert [text for text in said([e async for e in sam.resubscribe("t1", more[-1].position)]) if "passed" in text] == ["Maria has passed your request to our parcels specialist."]  # fmt: skip


async def test_a_person_sees_the_customer_their_record_and_what_they_wanted_before(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    signed = settings.model_copy(update={"auth_keys": True})
    async with front([], signed) as running, running.customer("mia") as mia:
        first = await story(mia, "t0", "hello")
        assert first[-1].state == "completed"
        asked = await story(mia, "t1", PERSON)
        reading = artifact(asked, "intent")[1]
        [waiting] = await running.queue("maria")
        path = waiting["ticket"]
        shown = (await running.ask("maria", "GET", path)).json()
        customer = shown["customer"]
        known = await running.records.customers.by_subject("mia")
        assert known is not None
        assert (customer["name"], customer["email"]) == (known.name, known.email)
        assert len(customer["bookings"]) == len(await running.records.bookings.of(known.id)) > 0
        assert len(customer["invoices"]) == len(await running.records.billing.invoices(known.id))
        assert isinstance(customer["subscriptions"], list)
        [before] = shown["earlier"]
        assert (before["state"], before["text"]) == ("completed", "hello")
        # An earlier task isn't handed over, but can be looked at; nobody else's can, nor what isn't there.
        task = f"{path}/earlier/{before['task']}"
        looked = (await running.ask("maria", "GET", task)).json()
        assert (looked["id"], looked["status"]["state"]) == (before["task"], "TASK_STATE_COMPLETED")
        audited: Any = await raw.xrevrange("audit", count=1)
        [(_, entry)] = audited
        assert [entry[field] for field in (b"actor", b"does", b"task", b"owner")] == [
            *(b"maria", b"get", before["task"].encode(), b"mia")
        ]
        async with running.customer("sam") as sam:
            await story(sam, "t0", "hello")
        for theirs in (Caller("sam").stored_id("t0"), "nothing"):
            refused = await running.ask("maria", "GET", f"{path}/earlier/{theirs}")
            assert refused.status_code == 404
        assert shown["intents"][0]["intents"] == reading["intents"]
        assert shown["intents"][0]["intents"][0]["confidence"] > 0.5
        assert shown["watchers"] == []
        # Who watches is counted, on whatever node.
        watching = asyncio.create_task(told(mia, asked[-1].position, "has joined"))

        async def seen() -> list[Any]:
            return (await running.ask("maria", "GET", path)).json()["watchers"]

        assert sum(node["count"] for node in await until(seen)) == 1
        await running.ask("maria", "POST", f"{path}/claim", {"name": "Maria"})
        await watching
        # What is closed shows agents nothing of the customer any more.
        await running.ask("maria", "POST", f"{path}/resolve", {"name": "Maria"})
        closed = (await running.ask("maria", "GET", path)).json()
        assert (closed["customer"], closed["earlier"]) == ({"name": known.name}, [])
        assert (await running.ask("maria", "GET", task)).status_code == 404
        assert (await running.ask("olga", "GET", task, role=Role.OPERATOR)).status_code == 200
        for_all = (await running.ask("olga", "GET", path, role=Role.OPERATOR)).json()
        assert for_all["customer"]["email"] == known.email


async def test_canned_replies_come_with_the_names_filled_in(settings: Settings) -> None:
    signed = settings.model_copy(update={"auth_keys": True})
    async with front([], signed) as running, running.customer("mia") as mia:
        await story(mia, "t1", PERSON)
        [waiting] = await running.queue("maria")
        known = await running.records.customers.by_subject("mia")
        assert known is not None
        path = f"replies?ticket={waiting['ticket']}&name=Maria"
        replies = (await running.ask("maria", "GET", path)).json()["replies"]
        assert replies[0]["title"] == "Greeting"
        assert replies[0]["text"].startswith(f"Hello {known.first_name}, I'm Maria.")
        bare = (await running.ask("maria", "GET", "replies")).json()["replies"]
        assert bare[0]["text"].startswith("Hello there, I'm maria.")


def test_canned_replies_of_the_companys_own_are_checked_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "replies.toml"
    path.write_text('[[reply]]\ntitle = "Hi"\ntext = "Hi {customer}"\n')
    [reply] = load_replies(str(path))
    assert reply.filled(customer="Sam", name="")["text"] == "Hi Sam"
    for wrong, why in (
        ('[[reply]]\ntitle = "Hi"\ntext = "Hi {friend}"', "names {friend}"),
        ('[[reply]]\ntitle = "Hi"', "is no reply"),
        ("[[replies]]\n", "something else"),
        ("reply =", "can't be read"),
    ):
        path.write_text(wrong)
        with pytest.raises(InvalidSetting, match=why):
            load_replies(str(path))
    with pytest.raises(InvalidSetting, match="can't be read"):
        load_replies(str(tmp_path / "none.toml"))


def queue_of(running: Front) -> Topic:
    [topic] = running.platform.topics(NodeDoor(running.node, "intent"))
    assert topic.name == "queue"
    return topic


async def test_pages_are_told_the_queue_whenever_it_changes_whoever_changes_it(
    settings: Settings,
) -> None:
    signed = settings.model_copy(update={"auth_keys": True})
    maria, ben = Caller("maria", Role.AGENT), Caller("ben", Role.AGENT)
    async with front([], signed) as running, running.customer("sam") as sam:
        topic = queue_of(running)
        topic.admit(maria)
        with pytest.raises(Forbidden):
            topic.admit(Caller("sam"))
        version, empty = await topic.next(maria, None)
        assert empty == {"waiting": [], "mine": [], "others": []}
        news = asyncio.create_task(topic.next(maria, version))
        await story(sam, "t1", PERSON)
        version, stands = await news
        [ticket] = stands["waiting"]
        assert {"due", "overdue", "reason", "summary", "waitingSince"} <= ticket.keys()
        assert "waitedSeconds" not in ticket  # or it would be told every second
        # Another process changes the book.
        other = SqlRecords(f"sqlite:///{signed.data_dir}/records.db")
        news = asyncio.create_task(topic.next(maria, version))
        await other.tickets.claim(ticket["ticket"], "maria")
        version, stands = await news
        assert [[one["ticket"] for one in stands[part]] for part in ("waiting", "mine", "others")] == [[], [ticket["ticket"]], []]  # fmt: skip
        # Each is told their own; who has seen the same version elsewhere is told nothing anew.
        same, theirs = await topic.next(ben, None)
        assert (same, len(theirs["others"])) == (version, 1)
        await other.aclose()


async def test_the_queue_comes_on_the_one_stream_of_a_page(settings: Settings) -> None:
    async with (
        front([], settings) as running,
        running.customer() as client,
        httpx2.AsyncClient(timeout=20) as http,
        http.stream(
            "POST", f"{running.url}/web/events", json={"topics": {"queue": None}}
        ) as stream,
    ):
        lines = stream.aiter_lines()

        async def next_queue() -> Any:
            async for line in lines:
                if line.startswith("data: {"):
                    return json.loads(line.removeprefix("data: "))["data"]
            raise AssertionError("the stream has ended")

        assert (await next_queue())["waiting"] == []
        await story(client, "t1", PERSON)
        [ticket] = (await next_queue())["waiting"]
        answer = await running.ask("", "POST", f"{ticket['ticket']}/claim", {"name": "Ann"})
        assert answer.status_code == 200, answer.text
        [claimed] = (await next_queue())["others"]
        assert claimed["claimedBy"] == "Ann"
