"""What is taken out of texts, what is left, and where: JSON, logs, and the policy in the settings."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from a2a_streaming.position import Position
from a2a_streaming.redaction import KINDS, Redactor, redacting
from a2a_streaming.settings import Settings
from a2a_streaming.telemetry import configure_logging, get_logger

ALL = Redactor(KINDS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("card 4242 4242 4242 4242, ok?", "card [card number], ok?"),
        ("4242424242424242", "[card number]"),
        ("5555-5555-5555-4444.", "[card number]."),
        ("Amex 3782 822463 10005", "Amex [card number]"),
        ("pay to DE89 3704 0044 0532 0130 00 please", "pay to [bank account] please"),
        ("write to Anna.Smith+x@mail.example.co.uk!", "write to [email]!"),
        ("call +44 20 7946 0123 or 030/1234567", "call [phone number] or [phone number]"),
        ("(555) 010-9999, 555-010-9999", "[phone number], [phone number]"),
    ],
)
def test_cards_accounts_addresses_and_telephones_are_taken_out(text: str, kept: str) -> None:
    assert ALL.text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "order 4242424242424241",  # no card's last digit
        "booking MT600001 on 2026-11-27, EUR 1,234.50",
        "invoice INV-10234, RF-0123456789, MD 0218 2026-11-27",
        "2026-11-27T14:02:54.123456+00:00",
        "task-123~e60d09db33d321b88c91",
        "127.0.0.1:8000, 10.20.30.40",
        "@handle, me@home, a@b",
        "1763862667123456-7",
    ],
)
def test_what_the_platform_needs_is_left(text: str) -> None:
    assert ALL.text(text) == text


@given(st.integers(1, 2**53), st.integers(1, 10**6))
def test_a_position_is_never_taken_for_anything(epoch: int, offset: int) -> None:
    position = str(Position(epoch, offset))
    assert ALL.text(position) == position
    assert ALL.text(f"after {position}, then") == f"after {position}, then"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_json_stays_json_of_the_same_shape(value: Any) -> None:
    told = ALL.value(value)
    assert type(told) is type(value)
    if isinstance(value, dict):
        assert told.keys() == value.keys()


def test_numbers_and_names_in_json_are_left_and_texts_are_not() -> None:
    value = {"a@b.example": [4242424242424242, "4242424242424242", {"x": ("me@home.example",)}]}
    assert ALL.value(value) == {
        "a@b.example": [4242424242424242, "[card number]", {"x": ["[email]"]}]
    }


def test_the_policy_is_a_setting() -> None:
    text = "4242424242424242 me@home.example X-17"
    assert redacting(Settings(redact=["cards"])).text(text) == "[card number] me@home.example X-17"
    own = Settings(redact=[], redact_pattern=r"X-\d+")
    assert redacting(own).text(text) == "4242424242424242 me@home.example [redacted]"
    assert not redacting(Settings(redact=[]))
    with pytest.raises(ValidationError, match="must name some of"):
        Settings(redact=["faces"])
    with pytest.raises(ValidationError, match="must be a regular expression"):
        Settings(redact_pattern="(")


@pytest.fixture
def logging_back() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("how", ["json", "console"])
def test_no_log_line_tells_what_is_taken_out_nor_does_a_traceback(
    how: Literal["json", "console"],
    level: Literal["info", "debug"],
    logging_back: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    configure_logging(how, level, ALL)
    log = get_logger("test")
    log.warning("refused", task="t1", position="1763862667123456-7", reason="card 4242424242424242")
    logging.getLogger("other").warning("from %s", "me@home.example")
    try:
        raise LookupError("no me@home.example")  # noqa: TRY301
    except LookupError:
        log.exception("it failed")
    text = said.getvalue()
    assert "4242" not in text
    assert "me@home" not in text
    assert "1763862667123456-7" in text
    # An exception's words are told with debug lines alone.
    assert ("LookupError: no [email]" in text) == (level == "debug")
    assert "LookupError" in text
    if how == "json":
        assert orjson.loads(text.splitlines()[0])["reason"] == "card [card number]"
