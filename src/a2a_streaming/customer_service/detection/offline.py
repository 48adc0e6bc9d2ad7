"""The offline detector: hand-written rules over words, and likeness to what the agents' cards say.

It needs no download and no network, and takes well under a millisecond. Rules read what booking and
billing agents and people are asked for; an agent that nobody thought of when they were written is found by
its card. A model that was trained on messages of one's own may take the rules' place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from a2a_streaming.customer_service.detection import requests, things, vocabulary, words
from a2a_streaming.customer_service.detection.asked import Asked
from a2a_streaming.customer_service.detection.lexicon import Lexicon, Look, phrase
from a2a_streaming.customer_service.detection.likeness import Cards
from a2a_streaming.customer_service.detection.model import LinearModel
from a2a_streaming.customer_service.detection.reading import (
    HUMAN,
    OUT_OF_SCOPE,
    SPEAK_TO_HUMAN,
    Intent,
    Reading,
    Specialist,
)
from a2a_streaming.customer_service.detection.rules import RULES

_LONGEST_PHRASE = 6
_SEVERAL = 0.6
"""How sure each of several intents must be to be read beside the others."""
_AGAIN = 0.4
"""How sure one that goes on with the same as the one before must be; that it goes on makes it surer."""
_NOTHING = 0.25
"""What is less probable than this isn't meant at all."""
_STORY = 25
"""Words of a message that tells a story."""
_DOUBTFUL = frozenset({"elsewhere", "general"})
_DOUBT = 0.6
"""What such a concept leaves of a likeness to an example of an agent that rules know."""
_OTHERS = 3
"""The most alternatives that are told."""
_CEILING = 0.97
"""No rule knows for sure."""

Scores = dict[tuple[str, str], float]
"""How probable each intent is, by intent and route."""


class OfflineDetector:
    """Reads intents by rules and by the agents' cards.

    Args:
        model: Trained on messages of one's own (`python -m tools.train_intents`); None to go by rules.
    """

    def __init__(self, model: LinearModel | None = None) -> None:
        self._model = model

    async def detect(
        self,
        text: str,
        routes: Sequence[Specialist],
        *,
        ledger: object = None,  # noqa: ARG002 - it costs nothing
    ) -> Reading:
        """Read a message.

        Args:
            text: What the customer says.
            routes: The specialists that there are.
            ledger: What the task has spent on models; stays as it is.
        """
        reader = _reader(tuple(routes))
        intents = tuple(reader.read(text, self._model))
        return Reading(
            intents, "offline", alternatives=reader.alternatives(text, intents, self._model)
        )

    async def aclose(self) -> None:
        """Close nothing: it holds nothing open."""


class Reader:
    """Reads messages for a set of specialists.

    Args:
        routes: The specialists.
        concepts: The vocabulary.
    """

    def __init__(
        self,
        routes: tuple[Specialist, ...],
        concepts: Mapping[str, str] = vocabulary.CONCEPTS,
    ) -> None:
        self._routes = {specialist.name for specialist in routes} | {HUMAN}
        self._cards = Cards(routes)
        self._lexicon = Lexicon(concepts, extra=self._cards.known, claimed=self._cards.keywords)

    def read(self, text: str, model: LinearModel | None = None) -> list[Intent]:
        """Read what a customer wants.

        Args:
            text: What they say.
            model: A trained model, if there is one.

        Returns:
            One intent; several, in the order in which they are said, if the text's clauses surely ask
            for several things, each with the part of the text that is about it.
        """
        tokens = words.stems(text)
        if smalltalk := _smalltalk(tokens):
            return [smalltalk]
        whole = _best(self.scores(text, model))
        parts = requests.split(text)
        if len(parts) < 2:
            return [whole]
        found = self._several(text, parts, model)
        if len(found.asked) > 1:
            return self._with_texts(text, found)
        # A story has much that nobody knows; what one of its sentences asks for is plain all the same.
        lost = len(tokens) > _STORY and (whole.route is None or whole.confidence < _SEVERAL)
        return found.asked if found.asked and (lost or whole.route in found.told) else [whole]

    def _several(self, text: str, parts: list[str], model: LinearModel | None) -> Asked:
        """Read a message clause by clause."""
        concepts = cache(self._concepts)
        found = Asked(concepts)
        listed = requests.listed(text)
        for part, goes_on in zip(parts, listed, strict=True):
            bare = bool(found.asked) and goes_on and things.without_verb(part, concepts)
            if bare and (head := found.head_for(part)) is not None:
                intent = _best(self.scores(head.ask(part), model))
                if intent.intent == found.asked[-1].intent and intent.confidence >= _AGAIN:
                    intent = replace(intent, confidence=max(intent.confidence, _SEVERAL))
                if intent.route is not None and intent.confidence >= _SEVERAL:
                    found.add(intent, part, head)
                    continue
            if found.asked and requests.is_reference(part):
                found.belongs(part)
                continue
            intent = _best(self.scores(part, model))
            if intent.route is None or intent.confidence < _SEVERAL:
                found.leads_up()
            elif requests.is_background(part, intent.intent):
                found.told.add(intent.route)
                found.leads_up()
            else:
                found.add(intent, part)
        return found

    def _concepts(self, text: str) -> frozenset[str]:
        return self._lexicon.look(text).concepts

    def _with_texts(self, text: str, found: Asked) -> list[Intent]:
        """Return several intents, each with what of the message is about it."""
        last = len(found.asked) - 1
        texts = requests.portions(text, [min(owner, last) for owner in found.owners])
        for number, head in enumerate(found.heads):
            if head is not None:
                texts[number] = head.ask(texts[number])
            elif number and "pronoun" in self._concepts(texts[number]):
                # "Show me MT4821, and cancel it" speaks of what was named before.
                texts[number] = f"{texts[number - 1]} {texts[number]}"
        return [replace(intent, text=said) for intent, said in zip(found.asked, texts, strict=True)]

    def scores(self, text: str, model: LinearModel | None) -> Scores:
        """Return how probable each intent is.

        Args:
            text: A message, or a clause of one.
            model: A trained model, if there is one.
        """
        look = self._lexicon.look(text)
        stems = frozenset(look.stems) - look.phrased
        ruled = self._lexicon.apply(look)
        alike = self._cards.likeness(frozenset(look.stems), keywords=stems)
        if model is not None:
            return self._by_model(model, look, ruled, alike)
        discount = self._cards.discount(stems)
        scores = {key: p * discount for key, p in ruled.items() if key[1] in self._routes}
        doubt = look.known_part * (1.0 if look.concepts.isdisjoint(_DOUBTFUL) else _DOUBT)
        for key, p in alike.items():
            if key[1] not in _RULED:
                scores[key] = p
            elif (
                discount < 1.0
            ):  # a new agent has a claim: rule and card are two reasons against it
                scores[key] = 1 - (1 - scores.get(key, 0.0)) * (1 - p * doubt)
            else:  # rules were written with the card's words in mind
                scores[key] = max(scores.get(key, 0.0), p * doubt)
        return scores

    def alternatives(
        self, text: str, intents: tuple[Intent, ...], model: LinearModel | None = None
    ) -> tuple[Intent, ...]:
        """Return what else a message may mean, the most probable first.

        Args:
            text: The message.
            intents: What it was read as.
            model: The model that read it, if one did.
        """
        if intents[0].route is None and intents[0].intent != OUT_OF_SCOPE:
            return ()  # small talk
        known = {(intent.intent, intent.route) for intent in intents}
        scores = sorted(self.scores(text, model).items(), key=lambda item: -item[1])
        return tuple(
            Intent(intent, min(p, _CEILING), route)
            for (intent, route), p in scores
            if (intent, route) not in known and p >= _NOTHING
        )[:_OTHERS]

    def _by_model(self, model: LinearModel, look: Look, ruled: Scores, alike: Scores) -> Scores:
        """Return the scores by a trained model, whose routes rules and cards give intents' names."""
        scores = {key: p for key, p in alike.items() if key[1] not in model.routes}
        discount = self._cards.discount(frozenset(look.stems) - look.phrased)
        for route, p in model.probabilities(look).items():
            if route in self._routes:
                scores[_name(route, ruled, alike), route] = p * discount
        return scores


def _name(route: str, *reasons: Scores) -> str:
    """Return the intent that is most probable for a route by the first reason that knows one."""
    for scores in reasons:
        of_route = {intent: p for (intent, name), p in scores.items() if name == route}
        if of_route:
            return max(of_route, key=lambda intent: of_route[intent])
    return SPEAK_TO_HUMAN if route == HUMAN else f"{route.replace('-', '_')}_request"


def _smalltalk(tokens: list[str]) -> Intent | None:
    """Return the small talk that a message consists of; None if it says more than that."""
    covered = [False] * len(tokens)
    found: str | None = None
    for start in range(len(tokens)):
        for length in range(min(_LONGEST_PHRASE, len(tokens) - start), 0, -1):
            name = _SMALLTALK.get(tuple(tokens[start : start + length]))
            if name is not None:
                # "Hello, what can you do?" asks for help; "Thanks, bye" is a goodbye.
                found = name
                covered[start : start + length] = [True] * length
                break
    rest = [t for t, c in zip(tokens, covered, strict=True) if not c and t not in _FILLERS]
    return Intent(found, 0.95, None) if found and not rest else None


def _best(scores: Scores) -> Intent:
    """Return the most probable intent."""
    if not scores:
        return Intent(OUT_OF_SCOPE, 0.8, None)
    (intent, route), p = max(scores.items(), key=lambda item: item[1])
    if p < _NOTHING:
        return Intent(OUT_OF_SCOPE, 0.8, None)
    return Intent(intent, min(p, _CEILING), route)


@lru_cache(maxsize=8)
def _reader(routes: tuple[Specialist, ...]) -> Reader:
    return Reader(routes)


_RULED = frozenset(rule.route for rule in RULES)
_SMALLTALK = {
    phrase(text): name
    for name, phrases in vocabulary.SMALLTALK_WORDS.items()
    for text in phrases.split()
}
_FILLERS = frozenset(words.stem(word) for word in vocabulary.FILLERS)
