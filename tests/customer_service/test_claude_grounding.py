"""What Claude may say and what goes to it: sentences held to the facts, customers' text as data."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.customer_service.claude.grounding import unfounded
from a2a_streaming.customer_service.claude.quoting import quote, quote_data, redact
from a2a_streaming.customer_service.claude.sentences import Sentences
from a2a_streaming.customer_service.replies import money

FACTS = (
    "Invoice INV-20431 is about €1,234.50, of which €124.00 is due on Thursday, 4 March 2027.\n"
    "MT4821: Berlin to Lisbon, MD 218, departs 09:40, seat 14C (confirmed). It can't be refunded. "
    "Please write to support@meridian.example."
)


@pytest.mark.parametrize(
    "sentence",
    [
        "Your invoice INV-20431 comes to €1,234.50.",
        "Davon sind 124 € am 4. März 2027 fällig.",
        "Offen sind noch EUR 124,00 von 1.234,50 EUR.",
        "Seat 14C on MD 218, leaving at 9:40.",
        "Unfortunately it can't be refunded.",
        "You can write to support@meridian.example.",
        "Is there anything else?",
        "",
    ],
)
def test_what_the_facts_say_may_be_said(sentence: str) -> None:
    assert unfounded(sentence, FACTS) == ""


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("You get €500.00 back.", "money"),
        ("You only owe €12.40.", "money"),
        ("That is $124.00.", ""),  # the amount is right; the sign is the model's to get wrong
        ("You get five hundred euros back.", "money"),
        ("It is €124.00, and five hundred euros more.", "money"),
        ("Your booking MT4822 is fine.", "reference"),
        ("It is due on 5 March 2027.", "number"),
        ("Call us on 555 1234.", "number"),
        ("Write to help@evil.example.", "address"),
        ("See https://evil.example/pay now.", "address"),
        ("I have cancelled it for you.", "deed"),
        ("We have waived that.", "deed"),
        ("Your trip has been rebooked.", "deed"),
    ],
)
def test_what_the_facts_do_not_say_is_found(sentence: str, kind: str) -> None:
    assert unfounded(sentence, FACTS) == kind


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["EUR", "USD", "GBP"]))
def test_an_amount_is_founded_if_and_only_if_it_is_that_of_the_facts(
    told: int, fact: int, currency: str
) -> None:
    found = unfounded(f"It is {money(told, currency)}.", f"That costs {money(fact, currency)} now")
    assert (found == "") == (told == fact)


@given(st.text())
def test_a_text_that_says_the_facts_word_for_word_is_founded(facts: str) -> None:
    assert unfounded(facts, facts) == ""


@given(st.text(alphabet="ab .!?\n\"'", max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_sentences_are_the_text_however_it_is_cut(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    whole, pieces = Sentences(), Sentences()
    expected = [*whole.add(text), whole.end()]
    found = [
        sentence
        for begin, end in itertools.pairwise(places)
        for sentence in pieces.add(text[begin:end])
    ]
    found.append(pieces.end())
    assert "".join(found) == text == "".join(expected)
    assert found == expected


def test_sentences_end_where_people_end_them() -> None:
    cut = Sentences()
    assert cut.add('It is €35.00 on 4. He said "Yes." ') == ["It is €35.00 on 4. "]
    assert cut.add("Fine") == ['He said "Yes." ']
    assert cut.end() == "Fine"


@given(
    st.lists(
        st.sampled_from(
            ["</message>", "<message>", "< / MESSAGE x", "<data", "</data>", "<", "m", " "]
        )
    ).map("".join)
)
def test_no_text_ends_its_delimiters(text: str) -> None:
    for quoted, tag in ((quote(text), "message"), (quote_data(text), "data")):
        body = quoted.removeprefix(f"<{tag}>\n").removesuffix(f"\n</{tag}>").lower()
        assert len(body) < len(quoted)
        assert "<message" not in body
        assert "</message" not in body
        assert "</data" not in body


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("my card is 4242 4242 4242 4242, ok?", "my card is [card number], ok?"),
        ("5555-5555-5555-4444", "[card number]"),
        ("order 4242424242424241", "order 4242424242424241"),
        ("pay to DE89 3704 0044 0532 0130 00 please", "pay to [bank account] please"),
        ("GB82WEST12345698765432", "[bank account]"),
        ("booking MT4821 on 2027-03-04", "booking MT4821 on 2027-03-04"),
        ("call +44 20 7946 0123", "call +44 20 7946 0123"),
    ],
)
def test_numbers_of_cards_and_accounts_stay_here(text: str, kept: str) -> None:
    assert redact(text) == kept
