"""What requests are about: the things that their words name, and whether two clauses name the same; pure.

"Cancel my flight and cancel it by Friday" asks for one thing, "cancel my flight and my hotel" for two, although
the second clause of the latter has no verb. The words before a thing are its request's *head*: what follows
without a verb is asked for by the same head, "cancel my hotel".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from a2a_streaming.customer_service.detection import words

_TOKEN = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*")
_REFERENCE = re.compile(r"(?:[a-z]{2,4}-?\d[\da-f]{2,})", re.IGNORECASE)
_DETERMINER_WORDS = (
    "a an the my our your his her their this that these those both another all mein meine meinen der die das den "
    "ein eine einen mi mis el la los las un una mon ma mes le les une il lo mio mia"
)
_DETERMINERS = frozenset(_DETERMINER_WORDS.split())
_PREPOSITION_WORDS = "to in from at on for of with by near nach von am um für de para en pour per"
_PREPOSITIONS = frozenset(_PREPOSITION_WORDS.split())
_DATE_WORDS = (
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december today tomorrow"
)
_DATES = frozenset(map(words.stem, _DATE_WORDS.split())) | {words.NUMBER}
_VERB_WORDS = (
    "is are was were be been am has have had do does did will would can could should may might must need needs "
    "want wants leave leaves left arrive arrives depart departs fail failed fails go goes cost costs i we you it "
    "they he she who what when where why how if because since as so but not"
)
_VERBS = frozenset(_VERB_WORDS.split())
"""Words that nothing has that only names a thing."""
_LEADING = frozenset({"also", "then", "please", "too"})
_OTHER = frozenset({"another", "other", "second"})
_GENERIC_WORDS = (
    "trip journey ticket booking reservation itinerary order charge thing one please too"
)
_GENERIC = frozenset(map(words.stem, _GENERIC_WORDS.split()))
"""Names for anything: whoever speaks of a trip and of a flight may mean the same."""
_KINDS = {
    "flight": "flight", "way": "flight", "fly": "flight", "stay": "stay", "rental": "car", "vehicle": "car",
    "table": "table", "eatery": "table", "subscription": "subscription", "plan": "subscription", "fee": "fee",
    "bill": "bill",
}  # fmt: skip
"""Concepts that say what kind of thing it is."""
_TRAVEL = frozenset(
    {"flight", "way", "stay", "rental", "vehicle", "table", "trip", "booking", "order"}
)
_MONEY = frozenset({"fee", "charge", "bill", "receipt", "extras"})
_OBJECTS = _TRAVEL | _MONEY | {"subscription", "plan"}
_ANOTHER = re.compile(
    r"^\W*((?:an|the\s+)other|a\s+second)(?:\s+one)?(?=\W*$|\s+(?:to|in|from|on|for)\b)",
    re.IGNORECASE,
)
_PLACE = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+)?\W*")
_BEHIND = re.compile(r"^(.*\b(?:to|in|from|on))\s+[A-Z][a-z]+(?: [A-Z][a-z]+)?$", re.DOTALL)
"""Up to a place or a day, with which a clause ends."""
_LONGEST = 12
"""Words of a clause that only names a thing."""
_CHANGING = ("change", "rebook")

Concepts = Callable[[str], frozenset[str]]
"""Returns the concepts of a text's words."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a clause names.

    Args:
        start: Where in the clause.
        core: What it is called, by kinds and by words of its own: `baggage`, `fee`.
        places: What stands behind a preposition each: `to`, `rome`.
        refs: References of it.
        about: The concepts of its name.
    """

    start: int
    core: frozenset[str]
    places: frozenset[tuple[str, str]]
    refs: frozenset[str]
    about: frozenset[str]

    def is_other(self, other: Thing, intent: str) -> bool:
        """Say whether it surely is another thing than one that was named before.

        Args:
            other: The other thing.
            intent: What is wanted of both.
        """
        if self.refs and other.refs:
            return self.refs.isdisjoint(other.refs)
        if self.core & _OTHER:
            return True
        mine, theirs = self.core - other.core, other.core - self.core
        if mine and theirs:
            return True
        if mine or theirs:
            return False
        dates = intent.startswith(_CHANGING)
        places, others = (
            {(before, said) for before, said in one if not (dates and said in _DATES)}
            for one in (self.places, other.places)
        )
        return any(
            not {s for b, s in places if b == before} & {s for b, s in others if b == before}
            for before in {b for b, _ in places} & {b for b, _ in others}
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The words of a clause that ask also for what is named behind it.

    Args:
        words: The words.
        noun: What the thing is called, where it is only said to be another one.
    """

    words: str
    noun: str = ""

    def ask(self, clause: str) -> str:
        """Return what is asked for.

        Args:
            clause: What is named.
        """
        if self.noun:
            clause = _ANOTHER.sub(rf"\1 {self.noun}", clause, count=1)
        return f"{self.words} {clause}".strip()


def named(clause: str, concepts: Concepts) -> list[Thing]:
    """Return the things that a clause names, in order.

    Args:
        clause: The clause.
        concepts: Returns the concepts of some words.
    """
    tokens = [(found[0], found.start()) for found in _TOKEN.finditer(clause)]
    things: list[Thing] = []
    at = 0
    while at < len(tokens):
        end = _end_of_name(tokens, at, concepts)
        if end is None:
            at += 1
            continue
        follows = end
        while follows < len(tokens) and _end_of_name(tokens, follows, concepts) is None:
            follows += 1
        things.append(_thing(tokens, at, end, follows, concepts))
        at = max(follows, at + 1)
    return things


def without_verb(clause: str, concepts: Concepts) -> bool:
    """Say whether a clause only names a thing, or a place.

    Args:
        clause: The clause.
        concepts: Returns the concepts of some words.
    """
    tokens = [(found[0], found.start()) for found in _TOKEN.finditer(clause)]
    while tokens and tokens[0][0].lower() in _LEADING:
        tokens.pop(0)
    if not tokens or len(tokens) > _LONGEST:
        return False
    if any(word.lower() in _VERBS for word, _ in tokens):
        return False
    if _ANOTHER.search(clause) or _PLACE.fullmatch(clause.strip()):
        return True
    return _end_of_name(tokens, 0, concepts) is not None


def head_for(before: str, clause: str, concepts: Concepts) -> Head | None:
    """Return the words of a clause that ask also for what is named behind it; None if there are none.

    It is asked for as the thing of the same kind is: in "refund the fee for my flight and my hotel" it is the
    fee for the hotel, in "refund the fee for my flight and the surcharge" it is the surcharge.

    Args:
        before: The clause that asks.
        clause: What is named behind it.
        concepts: Returns the concepts of some words.
    """
    known, new = named(before, concepts), named(clause, concepts)
    if not known:
        return None
    if _ANOTHER.search(clause):
        name = before[known[0].start :].split()
        noun = next((word for word in name if _is_noun(word, concepts)), "one")
        return Head(_asking(before, known[0]), noun)
    if not new:
        place = _BEHIND.search(before)
        is_place = place is not None and _PLACE.fullmatch(clause.strip())
        return Head(place[1]) if place is not None and is_place else None
    alike = [one for one in known if _group(one) == _group(new[0])]
    asking = _asking(before, (alike or known)[-1])
    return Head(asking) if asking else None


def _asking(clause: str, thing: Thing) -> str:
    return re.sub(r"\s+both$", "", clause[: thing.start].strip(), flags=re.IGNORECASE)


def _end_of_name(tokens: Sequence[tuple[str, int]], at: int, concepts: Concepts) -> int | None:
    """Return where the name of a thing ends that begins with a token; None if none begins there."""
    word = tokens[at][0]
    if _REFERENCE.fullmatch(word):
        return at + 1
    determined = word.lower() in _DETERMINERS
    if not determined and not _is_noun(word, concepts):
        return None
    end = at + 1
    while end < len(tokens) and tokens[end][0].lower() not in _PREPOSITIONS | _VERBS | _DETERMINERS:
        end += 1
    name = " ".join(token for token, _ in tokens[at:end])
    if determined and concepts(name).isdisjoint(_OBJECTS) and not _REFERENCE.search(name):
        return None
    return end


def _is_noun(word: str, concepts: Concepts) -> bool:
    """Say whether a word alone names a thing; who reserves something also speaks of a reservation."""
    found = concepts(word)
    return not found.isdisjoint(_OBJECTS) and "book" not in found


def _thing(
    tokens: Sequence[tuple[str, int]], at: int, end: int, follows: int, concepts: Concepts
) -> Thing:
    name = [token for token, _ in tokens[at:end]]
    rest = [token for token, _ in tokens[end:follows]]
    core: set[str] = set()
    for word in name:
        stem = words.stem(word.lower())
        kinds = {_KINDS[concept] for concept in concepts(word) if concept in _KINDS}
        if kinds:
            core |= kinds
        elif word.lower() in _OTHER or (
            word.lower() not in words.STOPWORDS | _DETERMINERS
            and stem not in _GENERIC
            and not _REFERENCE.fullmatch(word)
        ):
            core.add(stem)
    places: set[tuple[str, str]] = set()
    for before, word, more in zip(rest, rest[1:], [*rest[2:], ""], strict=False):
        if before.lower() in _PREPOSITIONS:
            said = more if word.lower() in _DETERMINERS else word
            places.add((before.lower(), words.stem(said.lower())))
    refs = {word.upper() for word in (*name, *rest) if _REFERENCE.fullmatch(word)}
    about = concepts(" ".join(name))
    return Thing(tokens[at][1], frozenset(core), frozenset(places), frozenset(refs), about)


def _group(thing: Thing) -> str:
    """Return of what sort a thing is: what follows "and" is mostly of the same."""
    if not thing.about.isdisjoint(_MONEY):
        return "money"
    if not thing.about.isdisjoint(_TRAVEL):
        return "travel"
    return "other"
