"""Specialists' names and cards, and what is known of their children."""

from __future__ import annotations

import pytest
from a2a.types import StreamResponse
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from a2a_streaming.customer_service.delegation.child import Delegation, Errand, Outcome, Place
from a2a_streaming.customer_service.delegation.directory import Directory, name_of
from a2a_streaming.customer_service.delegation.events import read_event
from a2a_streaming.customer_service.delegation.trace import next_span
from a2a_streaming.customer_service.delegation.twins import same_request
from a2a_streaming.task import State
from conftest import serving


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://host/agents/billing", "billing"),
        ("http://host/agents/billing/", "billing"),
        ("http://host:8000/Returns Agent", "returns"),
        ("http://host:8000", ""),
        ("http://host:8000/", ""),
    ],
)
def test_a_specialist_is_named_by_the_end_of_its_address(url: str, name: str) -> None:
    assert name_of(url) == name


class Cards:
    """Serves a card, and can stop to."""

    def __init__(self) -> None:
        self.away = False
        self.spoken = True
        self.asked = 0

    async def card(self, _: Request) -> Response:
        self.asked += 1
        if self.away:
            return Response(status_code=503)
        skill = {"id": "s", "name": "S", "examples": ["E"], "unheard": "of"}
        interface = {"url": "http://x", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        return JSONResponse(
            {
                "name": "Returns Agent",
                "skills": [skill, {"name": "no id"}],
                "supportedInterfaces": [interface] if self.spoken else [],
            }
        )

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/.well-known/agent-card.json", self.card)])


async def nobody() -> str | None:
    return None


async def test_an_address_without_a_path_is_named_by_its_card() -> None:
    async with serving(Cards().app()) as server:
        directory = Directory([server.url])
        client = await directory.client("returns", token=nobody)
        assert client is not None
        assert await directory.client("billing", token=nobody) is None
        [specialist] = await directory.specialists()
        assert specialist.name == "returns"
        assert [(s.id, s.examples, s.tags) for s in specialist.skills] == [("s", ("E",), ())]
        await directory.aclose()


async def test_a_card_is_kept_for_a_while_and_serves_on_while_its_agent_is_away() -> None:
    cards = Cards()
    async with serving(cards.app()) as server:
        keeps, asks = Directory([server.url]), Directory([server.url], ttl=0)
        for _ in range(3):
            assert await keeps.specialists()
        assert cards.asked == 1
        assert await asks.specialists()
        cards.away = True
        assert [s.name for s in await asks.specialists()] == ["returns"]
        assert asks.complete
        assert cards.asked == 3
        await keeps.aclose()
        await asks.aclose()


async def test_a_card_that_could_not_be_read_is_asked_for_again() -> None:
    cards = Cards()
    cards.away = True
    async with serving(cards.app()) as server:
        directory = Directory([server.url])
        assert await directory.specialists() == []
        assert not directory.complete
        cards.away = False
        assert len(await directory.specialists()) == 1
        await directory.aclose()


async def test_an_agent_that_speaks_nothing_of_ours_is_left_out() -> None:
    cards = Cards()
    cards.spoken = False
    async with serving(cards.app()) as server:
        directory = Directory([server.url])
        assert await directory.specialists() == []
        await directory.aclose()


TEXT = st.text(min_size=1, max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3),
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
ERRAND = st.builds(
    Errand, TEXT, st.lists(TEXT, max_size=2).map(tuple), st.text(), st.integers(0, 9)
)


@given(
    st.builds(
        Delegation,
        ERRAND,
        message=TEXT,
        task=TEXT,
        joined=st.booleans(),
        waits=st.booleans(),
        after=st.text(),
        asked=st.text(),
        rest=st.lists(ERRAND, max_size=2).map(tuple),
        earlier=st.lists(OBJECT, max_size=2).map(tuple),
    )
)
def test_a_delegation_comes_back_from_the_metadata_as_it_was(delegation: Delegation) -> None:
    assert Delegation.from_json(delegation.to_json()) == delegation


KEYS = st.sampled_from(
    [
        "agent",
        "task",
        "message",
        "rest",
        "after",
        "earlier",
        "intents",
        "errandText",
        "errandNumber",
    ]
)


@given(
    st.recursive(st.none() | TEXT | st.floats(), lambda v: st.dictionaries(KEYS, v) | st.lists(v))
)
def test_metadata_of_any_form_are_read_without_failing(value: object) -> None:
    Delegation.from_json(value)


@given(OBJECT, st.text(max_size=10))
def test_what_a_specialist_tells_comes_as_it_told_it(
    data: dict[str, object], position: str
) -> None:
    """Whole numbers stay whole, though protobuf's structs have none."""
    part = {"data": {"told": data}, "mediaType": "application/json", "metadata": {"n": 1, **data}}
    artifact = {"artifactId": "a", "parts": [{"text": "x"}, part]}
    metadata = {"urn:a2a-streaming:resume:v1": {"position": position}, "kept": 7}
    told = {"taskId": "t", "contextId": "c", "artifact": artifact, "append": True}
    response = ParseDict({"artifactUpdate": {**told, "metadata": metadata}}, StreamResponse())
    event = read_event(response)
    assert event is not None
    assert event.data == {**told, "metadata": {"kept": 7}}
    assert (event.kind, event.position, event.task_id) == ("artifact", position, "t")


def test_an_outcome_is_told_to_the_next_one_in_short() -> None:
    outcome = Outcome(State.COMPLETED, "x" * 5000, [{"data": {"ref": "MT4821"}}, {"url": "u"}])
    told = outcome.told(Errand("booking", ("cancel_booking",)))
    assert told["data"] == [{"ref": "MT4821"}]
    assert (len(told["text"]), told["state"]) == (2000, "completed")
    assert Place("t", outcome=told).bookmark("m")[1]["outcome"] == told


def test_a_trace_goes_on_under_another_span_and_begins_where_there_is_none() -> None:
    given_ = {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "tracestate": "vendor=1",
    }
    told = next_span({}, given_)
    version, trace, span, flags = told["traceparent"].split("-")
    assert (version, trace, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "00")
    assert span != "00f067aa0ba902b7"
    assert told["tracestate"] == "vendor=1"
    for wrong in ("", 7, "00-x", f"00-{'0' * 32}-00f067aa0ba902b7-00", f"ff-{trace}-{span}-00"):
        begun = next_span({"traceparent": wrong})
        assert begun["traceparent"].split("-")[1] != trace
        assert "tracestate" not in begun


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What's my balance?", "my balance please", True),
        ("Where is my parcel?", "HELLO? Where is my parcel", True),
        ("Move my flight to Oslo", "Move my flight to Lisbon", False),
        ("Refund INV-20417", "Refund INV-20431", False),
        ("please", "hello", False),
    ],
)
def test_a_request_is_the_same_but_for_idle_words(one: str, other: str, same: bool) -> None:
    assert same_request([{"text": one}], [{"text": other}]) is same
