"""What a message's words say, by concepts and rules: the part of the detector that was written by hand.

text ──► words ──► stems, typing errors mended ──► concepts ──► rules ──► how probable each intent is
                                              └──► words that nobody knows: each makes it less probable
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from a2a_streaming.customer_service.detection import languages, vocabulary, words
from a2a_streaming.customer_service.detection.rules import RULES, Rule

_LONGEST_PHRASE = 4
_UNKNOWN = 0.8
"""What a word that is neither in the vocabulary nor in a card leaves of a rule's probability.

Whoever talks of a wedding that they have to pay for wants something else than whoever talks of a bill.
"""
_KEYWORDS = 3
"""Who writes so few words wants something of us, even if there is neither an I nor a you among them."""
_MOST_UNKNOWN = 12
_SMALL_WORDS = (
    "please from with by not no our us after before during since today tomorrow yesterday next last "
    "week month day year time still yet already again only even much many more most very really "
    "currently recently monday tuesday wednesday thursday friday saturday sunday morning evening night "
    "weekend january february march april june july august september october november december one two "
    "three four five six seven eight nine ten second third"
)
_PLACE_WORDS = "to from in at for on of by near under"
_PLACES = frozenset(_PLACE_WORDS.split())
"""What follows on these is mostly a name or a time, and may be anything."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in a message.

    Args:
        stems: Its words' stems, typing errors mended.
        concepts: What they stand for.
        unknown: How many different ones of them nobody knows.
        phrased: The stems that are part of a known phrase, and mean nothing by themselves: a return flight
            is no return.
    """

    stems: tuple[str, ...]
    concepts: frozenset[str]
    unknown: int
    phrased: frozenset[str] = frozenset()

    @property
    def known_part(self) -> float:
        """What the unknown words leave of a probability."""
        return _UNKNOWN ** min(self.unknown, _MOST_UNKNOWN)


class Lexicon:
    """Looks words up, and applies rules.

    Args:
        concepts: Words by concept, as in `vocabulary.CONCEPTS`.
        rules: What concepts mean together.
        extra: Stems of further words that are known, from the agents' cards.
        claimed: Stems that no longer count as somebody else's business, because a card names them.
    """

    def __init__(
        self,
        concepts: Mapping[str, str] = vocabulary.CONCEPTS,
        rules: Iterable[Rule] = RULES,
        *,
        extra: Collection[str] = (),
        claimed: Collection[str] = (),
    ) -> None:
        self._phrases: dict[tuple[str, ...], list[str]] = {}
        for concept, phrases in concepts.items():
            for text in phrases.split():
                stems = phrase(text)
                if concept != "elsewhere" or not set(stems) <= set(claimed):
                    self._phrases.setdefault(stems, []).append(concept)
        self._rules = tuple(rules)
        self._known = {stem for stems in self._phrases for stem in stems}.union(extra, _SMALL_STEMS)
        ours = {
            stem
            for stems, found in self._phrases.items()
            for stem in stems
            if not {"elsewhere", "general"}.issuperset(found)
        }
        self._speller = words.Speller(ours.union(extra))

    def look(self, text: str) -> Look:
        """Look a message's words up.

        Args:
            text: The message.
        """
        tokens = words.words(text)
        if (told := languages.read(tokens)) is not None:
            return Look(tuple(tokens), told, 0)
        stems: list[str] = []
        unknown: set[str] = set()
        before = ""
        for stem in map(words.stem, tokens):
            meant = stem if stem in self._known else self._speller.mend(stem)
            if meant not in self._known and stem != words.NUMBER and before not in _PLACES:
                unknown.add(meant)
            stems.append(meant)
            before = stem
        found: set[str] = set()
        phrased: set[str] = set()
        for start in range(len(stems)):
            for length in range(1, _LONGEST_PHRASE + 1):
                said = tuple(stems[start : start + length])
                if said in self._phrases:
                    found.update(self._phrases[said])
                    if len(said) > 1:
                        phrased.update(said)
        if not found and (told := languages.guess(tokens)) is not None:
            return Look(tuple(tokens), told, 0)
        if len(stems) <= _KEYWORDS:
            found.add("frame")
        return Look(tuple(stems), frozenset(found), len(unknown), frozenset(phrased))

    def apply(self, look: Look) -> dict[tuple[str, str], float]:
        """Return how probable each intent is by the rules, by intent and route.

        Args:
            look: What was found in the message.
        """
        scores: dict[tuple[str, str], float] = {}
        for rule in self._rules:
            if rule.needs <= look.concepts and rule.without.isdisjoint(look.concepts):
                key = (rule.intent, rule.route)
                scores[key] = max(scores.get(key, 0.0), rule.p)
        return {key: p * look.known_part for key, p in scores.items()}


def phrase(text: str) -> tuple[str, ...]:
    """Return the stems of a phrase of the vocabulary: `money_back` → `money`, `back`."""
    return tuple(words.stem(word) for word in text.split("_"))


_SMALL_STEMS = frozenset(words.stem(word) for word in (*words.STOPWORDS, *_SMALL_WORDS.split()))
