"""From a customer's text to comparable words: lower case, stems, small typing errors mended; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+")
_CLAUSE = re.compile(
    r"[.;?!\n]+|,?\s+(?:and(?:\s+(?:also|then))?|also|then|plus)\s+", re.IGNORECASE
)
_REFERENCES = (
    (re.compile(r"\b(?:inv|chg)-[0-9a-f]{3,12}\b"), " invoiceref "),
    (re.compile(r"\b[a-z]{2}\d{4}\b"), " bookingref "),
)
"""Numbers of things that say what kind of thing they are of; each is read as one word."""
_VOWEL = re.compile(r"[aeiouy]")
_CONTRACTIONS = {
    "can't": "can not",
    "won't": "will not",
    "n't": " not",
    "'re": " are",
    "'ve": " have",
    "'ll": " will",
    "'m": " am",
    "'d": " would",
    "'s": "",
}
_MENDABLE = 5
"""The shortest word in which a typing error is looked for."""
_MAX_TEXT = 4000
"""Characters that are read; what a customer wants stands at the beginning."""

_STOPWORDS = (
    "a about all am an and any are as at be been by can could did do does doing for from get give go "
    "got had has have help hello hey hi how i if in into is it its just know let like make may me my "
    "need no not now of off on one or our out over please show so some tell than that the their them "
    "then there these they this those to too up us want was we were what when where which who why "
    "will with would you your"
)
STOPWORDS = frozenset(_STOPWORDS.split())
"""Words that say nothing of what a request is about."""


def clauses(text: str) -> list[str]:
    """Split a text where one request may end and another begin."""
    return [part for part in _CLAUSE.split(text[:_MAX_TEXT]) if part.strip()]


def words(text: str) -> list[str]:
    """Return a text's words in lower case, contractions written out."""
    text = text[:_MAX_TEXT].lower().replace("\u2019", "'")
    if "'" in text:
        for short, full in _CONTRACTIONS.items():
            text = text.replace(short, full)
    for pattern, word in _REFERENCES:
        text = pattern.sub(word, text)
    return _WORD.findall(text)


def stem(word: str) -> str:
    """Return what a word's forms share: `cancelled`, `cancelling`, `cancellation` → `cancel`.

    Rough on purpose: what matters is that forms meet, not that the result is a word.
    """
    if len(word) <= 3 or word.isdigit():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "ches", "shes", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix, least in (("ation", 4), ("ing", 3), ("ed", 3), ("ly", 4)):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= least and _VOWEL.search(rest):
            word = rest
            if word[-1] == word[-2] and word[-1] != "s":
                word = word[:-1]
            break
    if word.endswith("ll"):
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def stems(text: str) -> list[str]:
    """Return the stems of a text's words, in order."""
    return [stem(word) for word in words(text)]


def content(text: str) -> frozenset[str]:
    """Return the stems of the words that say what a text is about."""
    return frozenset(stem(word) for word in words(text) if word not in STOPWORDS)


class Speller:
    """Mends words that are one typing error away from a known one.

    Two words are one error apart if leaving out at most one letter of each makes them the same, so it
    is enough to remember the known words with each of their letters left out.

    Args:
        known: Stems that are known.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._near: dict[str, str] = {}
        for word in sorted(self._known):
            if len(word) >= _MENDABLE:
                for near in _shortened(word):
                    self._near.setdefault(near, word)

    def mend(self, word: str) -> str:
        """Return the known word that was meant; the word itself if there is none."""
        if len(word) < _MENDABLE or word in self._known or word in STOPWORDS:
            return word
        for near in (word, *_shortened(word)):
            meant = near if near in self._known else self._near.get(near)
            if meant is not None and len(meant) >= _MENDABLE and meant[0] == word[0]:
                return meant
        return word


def _shortened(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1 :] for i in range(len(word)))
