"""The model that may be trained on messages of one's own."""

from __future__ import annotations

import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.intents import ROUTES, own_messages, route_of

from a2a_streaming.customer_service.detection import OfflineDetector
from a2a_streaming.customer_service.detection.lexicon import Lexicon
from a2a_streaming.customer_service.detection.model import LinearModel
from a2a_streaming.customer_service.detection.training import train
from a2a_streaming.customer_service.platform import Platform
from a2a_streaming.errors import SetupError
from a2a_streaming.settings import Settings
from customer_service.platforms import artifact, front, story
from customer_service.test_new_specialists import RETURNS

BITS = 14


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return train(own_messages(), bits=BITS)


async def test_it_learns_what_it_is_shown(model: LinearModel) -> None:
    detector = OfflineDetector(model)
    right = [
        route_of(list((await detector.detect(text, list(ROUTES))).intents)) == route
        for text, route in own_messages()
    ]
    assert sum(right) / len(right) > 0.95


async def test_intents_have_their_names_by_rules_and_cards(model: LinearModel) -> None:
    reading = await OfflineDetector(model).detect("please cancel the hotel", list(ROUTES))
    assert (reading.intents[0].intent, reading.intents[0].route) == ("cancel_booking", "booking")


async def test_an_agent_that_it_was_not_trained_for_is_found_by_its_card(
    model: LinearModel,
) -> None:
    reading = await OfflineDetector(model).detect("I want to return a jacket", [*ROUTES, RETURNS])
    assert reading.intents[0].route == "returns"


async def test_a_route_that_is_not_there_is_never_named(model: LinearModel) -> None:
    for text, _ in own_messages():
        reading = await OfflineDetector(model).detect(text, [ROUTES[1]])
        assert all(intent.route in ("billing", "human", None) for intent in reading.intents)


def test_what_is_saved_says_the_same(model: LinearModel, tmp_path: Path) -> None:
    model.save(tmp_path / "intents.model")
    again = LinearModel.load(tmp_path / "intents.model")
    look = Lexicon().look("move my flight to Friday")
    assert again.probabilities(look) == model.probabilities(look)
    assert (again.classes, again.bits, again.caution) == (model.classes, BITS, model.caution)


def test_the_same_messages_make_the_same_model(model: LinearModel) -> None:
    assert train(own_messages(), bits=BITS).weights == model.weights


@pytest.mark.parametrize(
    "damage", [lambda b: b[:0], lambda b: b[:40], lambda b: b[:-9], lambda b: b"x" + b]
)
def test_a_file_that_is_no_model_is_refused_and_how_to_make_one_is_told(
    model: LinearModel, tmp_path: Path, damage: object
) -> None:
    path = tmp_path / "intents.model"
    model.save(path)
    path.write_bytes(damage(path.read_bytes()))  # pyright: ignore[reportCallIssue]
    with pytest.raises(SetupError, match=r"no intent model.*tools\.train_intents"):
        LinearModel.load(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="Can't read"):
        LinearModel.load(tmp_path / "nothing")


def test_a_model_of_another_vocabulary_is_refused(
    model: LinearModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "intents.model"
    model.save(path)
    monkeypatch.setitem(vocabulary_of(), "balance", "balance equilibrium")
    with pytest.raises(SetupError, match="another vocabulary"):
        LinearModel.load(path)


def vocabulary_of() -> dict[str, str]:
    from a2a_streaming.customer_service.detection.vocabulary import CONCEPTS  # noqa: PLC0415

    return CONCEPTS


@given(st.text(max_size=200))
def test_probabilities_are_probabilities(text: str) -> None:
    model = LinearModel(["billing", "booking", "other"], 6, array("f", [0.25] * (3 << 6)))
    told = model.probabilities(Lexicon().look(text))
    assert set(told) == {"billing", "booking"}
    assert all(0 <= p <= 1 for p in told.values())
    assert sum(told.values()) <= 1 + 1e-9


def test_more_caution_sends_less_to_specialists(model: LinearModel) -> None:
    look = Lexicon().look("what is this fee for")
    bold = LinearModel(model.classes, model.bits, model.weights, caution=0)
    shy = LinearModel(model.classes, model.bits, model.weights, caution=4)
    assert sum(shy.probabilities(look).values()) < sum(bold.probabilities(look).values())


async def test_the_platform_reads_with_the_model_that_the_settings_name(
    settings: Settings, kazoo_model: Path
) -> None:
    named = settings.model_copy(update={"intent_model": str(kazoo_model)})
    async with front([], named) as at, at.customer() as client:
        events = await story(client, "t1", "kazoo")
    _, told = artifact(events, "intent")
    [intent] = told["intents"]
    assert (intent["intent"], intent["route"]) == ("speak_to_human", "human")


def test_the_platform_says_what_is_wrong_with_a_model(settings: Settings) -> None:
    named = settings.model_copy(update={"intent_model": "nothing.model"})
    with pytest.raises(SetupError, match="Can't read the intent model"):
        Platform(named, "http://127.0.0.1:8000")


def test_one_route_alone_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="nothing to tell apart"):
        train([("hello", "other")])


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.train_intents", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent.parent,
    )


def test_the_command_trains_on_a_table(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    table.write_text(
        "text,route\ncancel my flight,booking\nwhere is my refund,billing\ntell me a joke,other\n"
    )
    made = run(str(table), str(tmp_path / "intents.model"))
    assert made.returncode == 0, made.stderr
    assert "3 messages" in made.stdout
    assert LinearModel.load(tmp_path / "intents.model").routes == {"billing", "booking"}


def test_the_command_says_what_a_table_lacks(tmp_path: Path) -> None:
    table = tmp_path / "messages.csv"
    table.write_text("message,route\nhello,other\n")
    refused = run(str(table), str(tmp_path / "intents.model"))
    assert refused.returncode == 2
    assert "no column 'text'" in refused.stdout
