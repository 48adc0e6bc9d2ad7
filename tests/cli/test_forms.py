"""Questions that agents ask by forms, as a terminal asks them."""

from __future__ import annotations

from typing import Any

import pytest

from a2a_streaming.cli.forms import Question, answer_message, questions_of
from a2a_streaming.cli.listing import seconds_of


def form(**properties: Any) -> list[dict[str, Any]]:
    """What an agent says with a form."""
    schema = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return [
        {"type": "text", "text": "And?"},
        {"type": "data", "data": {"question": "x", "form": schema}},
    ]


def test_a_choice_is_made_by_its_number_its_words_or_its_value() -> None:
    booking = {"type": "string", "oneOf": [{"const": "BK-1", "title": "Rome"}, {"const": "BK-2"}]}
    [question] = questions_of(form(booking=booking))
    assert question.hint == "1-2"
    assert [question.read(told) for told in ("1", "rome", "bk-2", " 2 ")] == [
        *("BK-1", "BK-1", "BK-2", "BK-2")
    ]
    for wrong in ("0", "3", "Paris"):
        with pytest.raises(ValueError, match="1 to 2"):
            question.read(wrong)


def test_answers_are_read_by_their_kinds() -> None:
    asked = form(
        confirm={"type": "boolean", "title": "Go ahead?"},
        nights={"type": "integer"},
        day={"type": "string", "format": "date"},
        seat={"enum": ["aisle", "window"]},
    )
    confirm, nights, day, seat = questions_of(asked)
    assert (confirm.title, confirm.required, nights.required) == ("Go ahead?", True, False)
    assert [confirm.read("Yes"), confirm.read("n")] == [True, False]
    assert nights.read("3") == 3
    assert day.read("2026-12-24") == "2026-12-24"
    assert seat.read("2") == "window"
    for question, wrong in ((confirm, "maybe"), (nights, "three"), (day, "tomorrow")):
        with pytest.raises(ValueError, match=r"yes or no|nvalid"):
            question.read(wrong)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"type": "text", "text": "And?"}],
        [{"type": "data", "data": 7}],
        [{"type": "data", "data": {"form": []}}],
        [{"type": "data", "data": {"form": {"properties": []}}}],
        form(deep={"type": "object", "properties": {}}),
    ],
)
def test_what_is_no_form_for_a_terminal_asks_for_words(parts: list[dict[str, Any]]) -> None:
    assert questions_of(parts) == []


def test_an_answer_is_sent_as_data() -> None:
    assert answer_message({"nights": 3})["parts"] == [{"type": "data", "data": {"nights": 3}}]
    assert Question("name", "Your name?").hint == ""


def test_ages_are_seconds_or_have_a_unit() -> None:
    told = ["90", "1.5", "15m", "2h", "3d", "1w", "10s"]
    assert [seconds_of(one) for one in told] == [90, 1.5, 900, 7200, 259_200, 604_800, 10]
    for wrong in ("", "soon", "-1", "2y", "1h30m"):
        with pytest.raises(Exception, match="no age"):
            seconds_of(wrong)
