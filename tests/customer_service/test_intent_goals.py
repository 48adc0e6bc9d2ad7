"""Intent detection against published messages, where A2A_INTENT_DATA says that they are.

They aren't part of the project, so without them this is left out; `docs/intents.md` has the figures.
"""

from __future__ import annotations

import pytest
from tools import intent_sources, intents
from tools.intent_sources import Source

from a2a_streaming.customer_service.detection import words

pytestmark = pytest.mark.skipif(
    intent_sources.folder() is None, reason="A2A_INTENT_DATA names no labelled messages"
)


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    data = intent_sources.folder()
    assert data is not None
    return intent_sources.load(data)


def test_sources_that_the_rules_have_never_seen_are_read(sources: list[Source]) -> None:
    for procedure in (intents.shipped, intents.strict):
        result = procedure(sources)
        assert result.mean >= 0.88
        assert result.out_of_scope <= 0.03


def test_a_model_that_is_trained_on_them_reads_them_better(sources: list[Source]) -> None:
    result = intents.trained(sources)
    assert result.mean >= 0.975
    assert result.overall >= 0.975
    assert result.out_of_scope <= 0.02


def test_none_of_their_sentences_is_among_ours(sources: list[Source]) -> None:
    theirs = {
        " ".join(words.words(text))
        for source in sources
        for text, _ in (*source.train, *source.test, *source.out_of_scope)
    }
    ours = [text for text, _ in (*intents.own_messages(), *intents.own_compounds())]
    assert [text for text in ours if " ".join(words.words(text)) in theirs] == []
