"""The offline detector: word groups and rules, and likeness to the examples on the agents' cards.

It needs no model and no network, and takes well under a millisecond. An agent that nobody thought of
when the rules were written is found by its card: by how alike a message is to its skills' examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from a2a_streaming.customer_service.detection import vocabulary, words
from a2a_streaming.customer_service.detection.reading import (
    HUMAN,
    OUT_OF_SCOPE,
    Intent,
    Reading,
    Specialist,
)

_LONGEST_PHRASE = 6
_SEVERAL = 0.7
"""How sure each of several intents must be to be read beside the others."""
_NOTHING = 0.25
"""What is less probable than this isn't meant at all."""
_TAG = 0.35
"""How probable a skill is from one of its tags alone."""
_OTHERS = 3
"""The most alternatives that are told."""
_CEILING = 0.97
"""No rule knows for sure."""


class OfflineDetector:
    """Reads intents by rules and by the agents' cards."""

    async def detect(self, text: str, routes: Sequence[Specialist]) -> Reading:
        """Read a message.

        Args:
            text: What the customer says.
            routes: The specialists that there are.
        """
        intents = tuple(read(text, tuple(routes)))
        return Reading(intents, "offline", _alternatives(text, tuple(routes), intents))

    async def aclose(self) -> None:
        """Close nothing: it holds nothing open."""


def read(text: str, routes: tuple[Specialist, ...]) -> list[Intent]:
    """Read what a customer wants.

    Args:
        text: What they say.
        routes: The specialists that there are.

    Returns:
        One intent; several if the text's clauses surely want things of different routes.
    """
    tokens = words.stems(text)
    if smalltalk := _smalltalk(tokens):
        return [smalltalk]
    whole = _scores(text, routes)
    several: dict[str | None, Intent] = {}
    for clause in words.clauses(text):
        part = _best(_scores(clause, routes))
        # What the rest of the message excludes isn't wanted: "I cancelled. May I have a refund?"
        meant = whole.get((part.intent, part.route), 0.0) >= _SEVERAL / 2
        if part.route is not None and part.confidence >= _SEVERAL and meant:
            several.setdefault(part.route, part)
    return list(several.values()) if len(several) > 1 else [_best(whole)]


def _alternatives(
    text: str, routes: tuple[Specialist, ...], intents: tuple[Intent, ...]
) -> tuple[Intent, ...]:
    """Return what else a message may mean, the most probable first."""
    read_ = {(intent.intent, intent.route) for intent in intents}
    if intents[0].route is None and intents[0].intent != OUT_OF_SCOPE:
        return ()  # small talk
    scores = sorted(_scores(text, routes).items(), key=lambda item: -item[1])
    return tuple(
        Intent(intent, min(p, _CEILING), route)
        for (intent, route), p in scores
        if (intent, route) not in read_ and p >= _NOTHING
    )[:_OTHERS]


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


def _best(scores: dict[tuple[str, str | None], float]) -> Intent:
    """Return the most probable intent."""
    nothing = ((OUT_OF_SCOPE, None), 0.0)
    (intent, route), p = max(scores.items(), key=lambda item: item[1], default=nothing)
    if p < _NOTHING:
        return Intent(OUT_OF_SCOPE, 0.8, None)
    return Intent(intent, min(p, _CEILING), route)


def _scores(text: str, routes: tuple[Specialist, ...]) -> dict[tuple[str, str | None], float]:
    """Return how probable each intent is, by intent and route."""
    index = _index(routes)
    tokens = [index.speller.mend(token) for token in words.stems(text)]
    groups = _groups(tokens)
    known = {specialist.name for specialist in routes} | {HUMAN}
    scores: dict[tuple[str, str | None], float] = {}
    for rule in vocabulary.RULES:
        if (
            rule.route in known
            and groups.issuperset(rule.needs)
            and groups.isdisjoint(rule.without)
        ):
            key = (rule.intent, rule.route)
            scores[key] = max(scores.get(key, 0.0), rule.p)
    about = frozenset(tokens) - _STOP_STEMS
    for (route, intent), likeness in index.likeness(about).items():
        # Two independent reasons: neither holds only if both fail.
        scores[intent, route] = 1 - (1 - scores.get((intent, route), 0.0)) * (1 - likeness)
    return scores


def _groups(tokens: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(len(tokens)):
        for length in range(1, 5):
            found.update(_PHRASES.get(tuple(tokens[start : start + length]), ()))
    return found


class _CardIndex:
    """How alike a message is to what the cards say.

    Args:
        routes: The specialists.
    """

    def __init__(self, routes: tuple[Specialist, ...]) -> None:
        self._examples: list[tuple[str, str, frozenset[str]]] = []
        self._tags: list[tuple[str, str, frozenset[str]]] = []
        in_skills: dict[str, set[str]] = {}
        for specialist in routes:
            for skill in specialist.skills:
                key = (specialist.name, skill.id)
                for example in (skill.name, *skill.examples):
                    about = words.content(example)
                    if about:
                        self._examples.append((*key, about))
                    for word in about:
                        in_skills.setdefault(word, set()).add(f"{key}")
                self._tags += [(*key, about) for tag in skill.tags if (about := words.content(tag))]
        count = 1 + sum(len(specialist.skills) for specialist in routes)
        self._weight = {w: math.log(1 + count / len(in_)) for w, in_ in in_skills.items()}
        self._unknown = math.log(1 + count)
        self.speller = words.Speller(
            _VOCABULARY.union(in_skills, *(tag for _, _, tag in self._tags))
        )

    def likeness(self, about: frozenset[str]) -> dict[tuple[str, str], float]:
        """Return, by route and skill, how probably a message is one for it.

        Args:
            about: The stems that say what the message is about.
        """
        weigh = self._weigh
        found: dict[tuple[str, str], float] = {}
        size = math.sqrt(sum(weigh(word) ** 2 for word in about)) or 1.0
        for route, skill, example in self._examples:
            shared = about & example
            if shared:
                norm = size * math.sqrt(sum(weigh(word) ** 2 for word in example))
                cosine = sum(weigh(word) ** 2 for word in shared) / norm
                key = (route, skill)
                found[key] = max(found.get(key, 0.0), cosine**1.5 * 0.95)
        for route, skill, tag in self._tags:
            if tag <= about:
                key = (route, skill)
                found[key] = 1 - (1 - found.get(key, 0.0)) * (1 - _TAG)
        return found

    def _weigh(self, word: str) -> float:
        return self._weight.get(word, self._unknown)


@lru_cache(maxsize=8)
def _index(routes: tuple[Specialist, ...]) -> _CardIndex:
    return _CardIndex(routes)


def _phrase(text: str) -> tuple[str, ...]:
    return tuple(words.stem(word) for word in text.split("_"))


def _phrases() -> dict[tuple[str, ...], tuple[str, ...]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for group, phrases in vocabulary.GROUPS.items():
        for phrase in phrases.split():
            found.setdefault(_phrase(phrase), []).append(group)
    return {phrase: tuple(groups) for phrase, groups in found.items()}


_PHRASES = _phrases()
_VOCABULARY = frozenset(word for phrase in _PHRASES for word in phrase)
_SMALLTALK = {
    _phrase(phrase): name
    for name, phrases in vocabulary.SMALLTALK_WORDS.items()
    for phrase in phrases.split()
}
_FILLERS = frozenset(words.stem(word) for word in vocabulary.FILLERS)
_STOP_STEMS = frozenset(words.stem(word) for word in words.STOPWORDS)
