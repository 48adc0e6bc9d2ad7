"""The offline detector, on sentences of our own."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from tools import intents

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.detection import (
    OfflineDetector,
    Reading,
    Specialist,
    requests,
    words,
)

BOOKING = Specialist.from_card("booking", MessageToDict(cards.BOOKING))
BILLING = Specialist.from_card("billing", MessageToDict(cards.BILLING))
ROUTES = [BOOKING, BILLING]

BY_ROUTE: dict[str | None, list[str]] = {
    "booking": [
        "I need to be in Lisbon a day later, can my flight be moved?",
        "please show my reservations",
        "Reschedule the hotel in Vienna to the weekend",
        "cancel my trip to Oslo",
        "I'd like to book a room for two nights",
        "has my plane to Rome been delayed?",
        "Could you push my hotel stay back by three days",
        "what do you have booked for me in June",
        "MT4821 needs another date",
        "can i chnage my fligth",
        "reserve a table for six tonight",
    ],
    "billing": [
        "What is my account balance today?",
        "how much do I owe you guys",
        "send me last month's invoice",
        "I was charged twice for one and the same stay",
        "my payment didn't go through",
        "I'd like my money back",
        "why is there a cancellation fee on my bill",
        "there is a charge I don't recognise, I think it's fraud",
        "which payment methods do you accept",
        "on what day is my bill due",
        "what is INV-20417",
        "i want a refnud",
    ],
    "human": [
        "Let me talk to a real person",
        "get me an agent now",
        "how can I reach customer service",
        "I want to speak with your supervisor",
        "what's the phone number of your support team",
    ],
    None: [
        "Hi there!",
        "thank you so much, dear team",
        "are you a robot?",
        "what can you do",
        "write a poem about autumn",
        "what's the weather like in Paris",
        "set an alarm for six",
        "how many moons does Jupiter have",
        "translate good evening into Finnish",
        "asdf qwer",
        "???",
        "",
    ],
}


async def read(text: str, routes: list[Specialist] | None = None) -> Reading:
    return await OfflineDetector().detect(text, ROUTES if routes is None else routes)


@pytest.mark.parametrize(("route", "text"), [(r, t) for r, ts in BY_ROUTE.items() for t in ts])
async def test_a_message_is_routed_as_a_person_would(route: str | None, text: str) -> None:
    reading = await read(text)
    [intent] = reading.intents
    assert (intent.route if intent.confidence >= 0.5 else None) == route
    assert reading.detector == "offline"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello", "greeting"),
        ("Thanks, bye!", "goodbye"),
        ("cheers", "thanks"),
        ("who are you?", "about_me"),
        ("hi, how can you help?", "help"),
        ("I demand my money back", "refund_request"),
        ("what's left on my account balance", "account_balance"),
        ("move my flight to Tuesday", "change_booking"),
        ("Cancel my hotel", "cancel_booking"),
        ("Is it going to rain?", "out_of_scope"),
    ],
)
async def test_an_intent_has_a_name(text: str, name: str) -> None:
    assert (await read(text)).intents[0].intent == name


@pytest.mark.parametrize(("text", "routes"), intents.own_compounds())
async def test_each_thing_that_is_asked_for_is_read_in_its_order_and_no_story(
    text: str, routes: list[str]
) -> None:
    assert [intent.route or "other" for intent in (await read(text)).intents] == routes


async def test_two_things_of_one_specialist_are_two_intents() -> None:
    reading = await read("cancel my flight and change my hotel to Friday")
    assert [i.intent for i in reading.intents] == ["cancel_booking", "change_booking"]


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        (
            "cancel my Tuesday flight and refund the baggage fee",
            ["cancel my Tuesday flight", "refund the baggage fee"],
        ),
        (
            "I fell ill! Please cancel my flight to Oslo, and could you refund the seat? Card 1234.",
            [
                "I fell ill! Please cancel my flight to Oslo",
                "could you refund the seat? Card 1234.",
            ],
        ),
        (
            "Cancel my flight to Rome, and refund it!",
            ["Cancel my flight to Rome", "Cancel my flight to Rome refund it!"],
        ),
        (
            "Cancel my hotel. What's my balance? And cancel my flight.",
            ["Cancel my hotel.", "What's my balance?", "cancel my flight."],
        ),
        (
            "I fell ill, cancel my flight. What's the fee? And please cancel that flight today.",
            ["I fell ill, cancel my flight. please cancel that flight today.", "What's the fee?"],
        ),
        (
            "Cancel my flight to Rome and my hotel in Paris, please. Thanks!",
            ["Cancel my flight to Rome", "Cancel my hotel in Paris, please. Thanks!"],
        ),
        (
            "Refund the seat, INV-20417, and the bag, INV-20423",
            ["Refund the seat, INV-20417", "Refund the bag, INV-20423"],
        ),
        (
            "please refund the baggage fee for my flight and my hotel",
            [
                "please refund the baggage fee for my flight",
                "please refund the baggage fee for my hotel",
            ],
        ),
        (
            "can you cancel both MT4821 and MT5107, as well as my hotel?",
            [
                "can you cancel both MT4821",
                "can you cancel MT5107",
                "can you cancel my hotel?",
            ],
        ),
        (
            "book a flight to Rome on Friday and another one to Paris",
            ["book a flight to Rome on Friday", "book another flight to Paris"],
        ),
        ("Cancel my booking MT4821, the flight to Lisbon", [""]),
        ("Please cancel my hotel, I fell ill", [""]),
    ],
    ids=[
        "two",
        "and what leads up to them",
        "one that speaks of the other",
        "one of two things",
        "one said twice",
        "one verb for two",
        "one verb, and references",
        "one verb, and what stands behind the thing",
        "one verb for three",
        "another one",
        "one that is explained",
        "one",
    ],
)
async def test_each_of_several_intents_has_its_part_of_the_message(
    text: str, texts: list[str]
) -> None:
    assert [intent.text for intent in (await read(text)).intents] == texts


@given(st.lists(st.sampled_from(["a b", "?", ". ", " and ", "\n", ", ", "!", "x"])).map("".join))
def test_what_belongs_to_one_request_is_all_of_the_message(text: str) -> None:
    begins = [start for start, _ in words.clauses(text)]
    portions = requests.portions(text, [0] * len(begins))
    assert portions == [text[start:].strip() for start in begins[:1]]
    assert len(requests.portions(text, range(len(begins)))) == len(begins)


async def test_one_thing_that_is_said_twice_is_one_intent() -> None:
    reading = await read(
        "There is a charge I don't know, I think it's fraud. I want to dispute it."
    )
    assert [intent.route for intent in reading.intents] == ["billing"]


@pytest.mark.parametrize(
    ("first", "second", "many"),
    [
        ("cancel my flight", "cancel my hotel", 2),
        ("cancel my flight", "cancel the flight", 1),
        ("cancel my booking", "cancel the flight", 1),
        ("cancel MT4821", "cancel the flight MT4821", 1),
        ("cancel MT4821", "cancel MT5107", 2),
        ("cancel my flight", "cancel my other flight", 2),
        ("cancel my flight to Rome", "cancel my flight to Oslo", 2),
        ("cancel my flight to Rome", "cancel my flight on Friday", 1),
        ("move my flight to Monday", "move my flight to Tuesday", 1),
        ("refund the baggage fee", "refund the seat fee", 2),
        ("get me a human", "get me a manager", 1),
    ],
)
async def test_what_is_asked_for_twice_is_one_thing_unless_two_are_named(
    first: str, second: str, many: int
) -> None:
    intents = (await read(f"{first} and {second}")).intents
    assert len(intents) == many
    assert len({intent.intent for intent in intents}) == 1


async def test_what_a_long_story_asks_for_in_one_of_its_sentences_is_read() -> None:
    reading = await read(
        "We had a splendid time by the lake with the grandparents, though the boat leaked and the "
        "youngest caught a nasty cold from paddling about barefoot. Please cancel my flight home. "
        "The neighbours' cat misses everyone dreadfully, as does the goldfish."
    )
    assert [intent.intent for intent in reading.intents] == ["cancel_booking"]


async def test_nearly_all_of_the_projects_own_messages_are_routed_as_they_should() -> None:
    wrong = [
        f"{route}: {text}"
        for text, route in intents.own_messages()
        if intents.route_of(list((await read(text)).intents)) != route
    ]
    assert len(wrong) <= 6, "\n".join(wrong)


async def test_a_reference_alone_is_no_request_of_its_own() -> None:
    for text in ("Refund my flight to Oslo, INV-20455", "Cancel my hotel: MT4822, please"):
        assert len((await read(text)).intents) == 1
    both = (await read("Refund the seat, INV-20417, and cancel my hotel, MT4822")).intents
    assert [intent.text for intent in both] == [
        "Refund the seat, INV-20417",
        "cancel my hotel, MT4822",
    ]


async def test_a_specialist_that_is_not_there_is_never_a_route() -> None:
    for texts in BY_ROUTE.values():
        for text in texts:
            for intent in (await read(text, [BILLING])).intents:
                assert intent.route in ("billing", "human", None)
            for intent in (await read(text, [])).intents:
                assert intent.route in ("human", None)


@given(st.text(max_size=300))
async def test_any_text_has_a_reading(text: str) -> None:
    reading = await read(text)
    assert reading.intents
    for intent in reading.intents:
        assert 0 <= intent.confidence <= 1


async def test_a_very_long_text_is_read_by_its_beginning() -> None:
    reading = await read("What's my account balance? " + "la " * 200_000)
    assert reading.intents[0].route == "billing"


def test_forms_of_a_word_meet() -> None:
    for forms in (
        ("cancel", "cancelled", "cancelling", "cancellation", "canceled", "cancels"),
        ("change", "changes", "changed", "changing"),
        ("invoice", "invoices", "invoiced"),
        ("reserve", "reservation", "reservations", "reserved"),
        ("family", "families"),
    ):
        assert len({words.stem(form) for form in forms}) == 1


def test_a_typing_error_is_mended_and_a_known_word_is_left_alone() -> None:
    speller = words.Speller({"refund", "balanc", "flight", "fight"})
    assert speller.mend("refnd") == "refund"
    assert speller.mend("refuund") == "refund"
    assert speller.mend("balnc") == "balanc"
    assert speller.mend("fight") == "fight"
    assert speller.mend("zebra") == "zebra"
