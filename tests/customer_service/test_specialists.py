"""Specialists' names and cards, and what passes between their dialect and ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from a2a_streaming.customer_service.relay import Delegation, read_part, tell_part
from a2a_streaming.customer_service.specialists import Directory, name_of
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
        self.asked = 0

    async def card(self, _: Request) -> Response:
        self.asked += 1
        if self.away:
            return Response(status_code=503)
        skill = {"id": "s", "name": "S", "examples": ["E"], "tags": "no list"}
        return JSONResponse({"name": "Returns Agent", "skills": [skill, {"name": "no id"}, 7]})

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/.well-known/agent.json", self.card)])


async def test_an_address_without_a_path_is_named_by_its_card() -> None:
    async with serving(Cards().app()) as server:
        directory = Directory([server.url])
        client = await directory.client("returns")
        assert client is not None
        assert await directory.client("billing") is None
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


TEXT = st.text(min_size=1, max_size=20)
METADATA = st.dictionaries(TEXT, TEXT, min_size=1, max_size=2)
PART = st.one_of(
    st.fixed_dictionaries({"text": TEXT}, optional={"metadata": METADATA}),
    st.fixed_dictionaries(
        {"data": st.dictionaries(TEXT, TEXT), "mediaType": st.just("application/json")},
        optional={"metadata": METADATA},
    ),
    st.fixed_dictionaries({"raw": TEXT}, optional={"filename": TEXT, "mediaType": TEXT}),
    st.fixed_dictionaries({"url": TEXT}, optional={"filename": TEXT, "mediaType": TEXT}),
)


@given(PART)
def test_a_part_comes_back_from_the_first_dialect_as_it_was(part: dict[str, object]) -> None:
    assert read_part(tell_part(part)) == part


@given(st.builds(Delegation, TEXT, TEXT, TEXT, TEXT, st.lists(TEXT).map(tuple)))
def test_a_delegation_comes_back_from_the_metadata_as_it_was(delegation: Delegation) -> None:
    assert Delegation.from_json(delegation.to_json()) == delegation


@given(
    st.recursive(
        st.none() | st.integers() | TEXT,
        lambda v: (
            st.dictionaries(st.sampled_from(["agent", "task", "rest", "after"]), v) | st.lists(v)
        ),
    )
)
def test_metadata_of_any_form_are_read_without_failing(value: object) -> None:
    Delegation.from_json(value)
