"""How alike a message is to what the agents' cards say: how a new agent is found, by its card alone.

An agent that the rules don't know speaks through its card. The words of its skills' names and tags, and
those that come again in its examples, are its *keywords*; one of them makes the agent probable, further
words of the card make it more so. A message that is like one of a card's examples is for that agent, too,
whether rules know it or not.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from a2a_streaming.customer_service.detection import vocabulary, words
from a2a_streaming.customer_service.detection.reading import HUMAN, Specialist
from a2a_streaming.customer_service.detection.rules import RULES

_KEYWORD = 0.62
"""How probable a new agent is from one of its keywords."""
_WORD = 0.25
"""How much another word of its card adds."""
_EXAMPLE = 0.95
"""How probable a skill is from one of its examples, said word for word."""
_OTHERS_WORD = 0.72
"""What a keyword of a new agent leaves of what rules make of a message for another."""
_GENERIC_CONCEPTS = ("mine", "frame", "general", "you", "cancel", "change", "make", "look", "accept", "status",
                     "extra", "method", "talk", "person")  # fmt: skip
_GENERIC_WORDS = (
    "start begin report file open close help answer tell question customer client company service "
    "support request handle manage agent task skill way new old thing something anything give send "
    "use work come go know say try ask information detail day time one order item article product "
    "account card money pay number online please thank status"
)
"""Words that say nothing of which agent is meant, even if a card has them."""


class Cards:
    """What the specialists' cards say.

    Args:
        specialists: The specialists.
    """

    def __init__(self, specialists: tuple[Specialist, ...]) -> None:
        ruled = {rule.route for rule in RULES}
        self._new = {s.name for s in specialists if s.name not in ruled and s.name != HUMAN}
        self._keywords: dict[str, list[tuple[str, str]]] = {}
        self._words: dict[str, list[tuple[str, str]]] = {}
        self._examples: list[tuple[str, str, frozenset[str]]] = []
        in_skills: dict[str, set[tuple[str, str]]] = {}
        for specialist in specialists:
            for skill in specialist.skills:
                key = (specialist.name, skill.id)
                for example in (skill.name, *skill.examples):
                    about = words.content(example)
                    if about - _GENERIC:
                        self._examples.append((*key, about))
                    for stem in about:
                        in_skills.setdefault(stem, set()).add(key)
            if specialist.name in self._new:
                self._read(specialist)
        count = 1 + sum(len(specialist.skills) for specialist in specialists)
        self._weight = {w: math.log(1 + count / len(keys)) for w, keys in in_skills.items()}
        self._unknown = math.log(1 + count)

    @property
    def known(self) -> frozenset[str]:
        """The stems of all words that cards have."""
        return frozenset(self._weight).union(self._words, self._keywords)

    @property
    def keywords(self) -> frozenset[str]:
        """The stems by which new agents are known."""
        return frozenset(self._keywords)

    def discount(self, stems: frozenset[str]) -> float:
        """Return what is left of the probability that a message is for an agent that rules know.

        Args:
            stems: The message's stems that may be keywords.
        """
        return 1.0 if stems.isdisjoint(self._keywords) else _OTHERS_WORD

    def likeness(
        self, stems: frozenset[str], *, keywords: frozenset[str]
    ) -> dict[tuple[str, str], float]:
        """Return, by skill and route, how probably a message is one for it.

        Args:
            stems: The message's stems.
            keywords: Those among them that may be a new agent's keywords.
        """
        about = stems - _STOP
        found: dict[tuple[str, str], float] = {}
        named: set[str] = set()
        for stem in about & keywords:
            for route, skill in self._keywords.get(stem, ()):
                _add(found, (skill, route), _KEYWORD)
                named.add(route)
        for stem in about:
            for route, skill in self._words.get(stem, ()):
                if route in named:
                    _add(found, (skill, route), _WORD)
        size = math.sqrt(sum(self._weigh(stem) ** 2 for stem in about)) or 1.0
        best: dict[tuple[str, str], float] = {}
        for route, skill, example in self._examples:
            shared = about & example
            if shared - _GENERIC:
                norm = size * math.sqrt(sum(self._weigh(stem) ** 2 for stem in example))
                cosine = sum(self._weigh(stem) ** 2 for stem in shared) / norm
                best[skill, route] = max(best.get((skill, route), 0.0), cosine**1.5 * _EXAMPLE)
        for key, p in best.items():
            _add(found, key, p)
        return found

    def _read(self, specialist: Specialist) -> None:
        """Take the keywords and the other words of a new agent's card."""
        for skill in specialist.skills:
            key = (specialist.name, skill.id)
            again = Counter(stem for text in skill.examples for stem in set(_topics([text])))
            told = {*_topics(skill.tags)} | {stem for stem, n in again.items() if n > 1}
            named = {*_topics([skill.name, skill.id])}
            # What rules read for another agent is this one's if its skills are named so.
            keywords = (named | (told - _RULED)) - _GENERIC
            others = {*_topics([skill.description, *skill.tags, *skill.examples])} - keywords
            _enter(self._keywords, keywords, key)
            _enter(self._words, others, key)
        if not specialist.skills:
            _enter(self._keywords, {*_topics([specialist.description])} - _GENERIC, (specialist.name, specialist.name))  # fmt: skip
        elif (name := {*_topics([specialist.name])} - _GENERIC).isdisjoint(self._keywords):
            _enter(self._keywords, name, (specialist.name, specialist.skills[0].id))

    def _weigh(self, stem: str) -> float:
        return self._weight.get(stem, self._unknown)


def _topics(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from words.content(re.sub(r"[_-]+", " ", text))


def _enter(
    index: dict[str, list[tuple[str, str]]], stems: Iterable[str], key: tuple[str, str]
) -> None:
    for stem in stems:
        index.setdefault(stem, []).append(key)


def _add(found: dict[tuple[str, str], float], key: tuple[str, str], p: float) -> None:
    """Add a reason that is independent of the others: none holds only if all fail."""
    found[key] = 1 - (1 - found.get(key, 0.0)) * (1 - p)


_RULED = {
    words.stem(word)
    for concept in {name for rule in RULES for name in rule.needs}
    for word in vocabulary.CONCEPTS[concept].split()
    if "_" not in word
}
_STOP = frozenset(words.stem(word) for word in words.STOPWORDS)
_GENERIC = _STOP | {
    words.stem(word)
    for concept in _GENERIC_CONCEPTS
    for word in vocabulary.CONCEPTS.get(concept, "").split()
    if "_" not in word
} | {words.stem(word) for word in _GENERIC_WORDS.split()}  # fmt: skip
