"""From a customer's text to comparable words: no accents, stems, small typing errors mended; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+")
_CLAUSE = re.compile(
    r"[;?!\n]+|[.,]+(?=\s|$)|,?\s+(?:and(?:\s+(?:also|then))?|also|then|plus|&|as\s+well\s+as|und|sowie|y|e|et|puis)\s+",
    re.IGNORECASE,
)
_REFERENCES = (
    (re.compile(r"\b(?:inv|chg)-[0-9a-f]{3,12}\b"), " invoiceref "),
    (re.compile(r"\b[a-z]{2}\d{3,4}\b"), " bookingref "),
)
"""Numbers of things that say what kind of thing they are of; each is read as one word."""
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu)'(?=[a-z]{3})")
"""French: the article or pronoun before a vowel; English writes nothing like it."""
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
_IRREGULAR_FORMS = (
    "booking:booking bookings:booking plane:plane planes:plane paid:pay flew:fly flown:fly "
    "bought:buy spent:spend balanced:balanced balancing:balanced sent:send took:take taken:take "
    "taking:take making:make made:make having:have has:have had:have got:get getting:get "
    "left:leave lost:lose stolen:steal stole:steal told:tell spoke:speak spoken:speak "
    "wrote:write human:human humans:human customers:customer services:service please:please "
    "plan:plan plans:plans savings:savings done:do did:do does:do doing:do went:go gone:go going:go is:be are:be "
    "was:be were:be been:be am:be canceled:cancel flights:flight owed:owe owing:owe"
)
_IRREGULAR = {
    form: stem for form, _, stem in (pair.partition(":") for pair in _IRREGULAR_FORMS.split())
}
"""Forms that the rules of `stem` don't bring together, or would bring together wrongly: a plane is no plan,
a booking no book."""
_MENDABLE = 5
"""The shortest word in which a typing error is looked for."""
_LONGEST_MENDABLE = 24
"""The longest: what is longer is no word, and would take its square in time."""
NUMBER = "#"
"""The stem of every number."""
_MAX_TEXT = 2000
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


def clauses(text: str) -> list[tuple[int, int]]:
    """Return where a text's clauses begin and end: where one request may end and another begin."""
    text = text[:_MAX_TEXT]
    ends = [(found.start(), found.end()) for found in _CLAUSE.finditer(text)]
    spans = zip((0, *(end for _, end in ends)), (*(end for end, _ in ends), len(text)), strict=True)
    return [(start, end) for start, end in spans if text[start:end].strip()]


def words(text: str) -> list[str]:
    """Return a text's words in lower case, contractions written out."""
    text = text[:_MAX_TEXT].lower().replace("\u2019", "'")
    if not text.isascii():
        text = _plain(text)
    if "'" in text:
        text = _ELISION.sub(" ", text)
        for short, full in _CONTRACTIONS.items():
            text = text.replace(short, full)
    for pattern, word in _REFERENCES:
        text = pattern.sub(word, text)
    return _WORD.findall(text)


def _plain(text: str) -> str:
    """Return a text without accents: `hôtel` → `hotel`, `Straße` → `strasse`."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def stem(word: str) -> str:
    """Return what a word's forms share: `cancelled`, `cancelling`, `cancellation` → `cancel`.

    Rough on purpose: what matters is that forms meet, not that the result is a word. Numbers are `#`.
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.isdigit():
        return NUMBER
    return word if len(word) <= 3 else _without_endings(word)


def _without_endings(word: str) -> str:
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
        known: Stems that are known. To the shortest that are mended at all, only swapped letters lead:
            they have too many neighbours (a report is no resort).
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._near: dict[str, str] = {}
        self._swapped: dict[str, str] = {}
        for word in sorted(self._known):
            if len(word) > _MENDABLE:
                for near in _shortened(word):
                    self._near.setdefault(near, word)
            if len(word) >= _MENDABLE:
                for at in range(1, len(word) - 1):
                    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
                    self._swapped.setdefault(swapped, word)

    def mend(self, word: str) -> str:
        """Return the known word that was meant; the word itself if there is none."""
        if (
            not _MENDABLE <= len(word) <= _LONGEST_MENDABLE
            or word in self._known
            or word in STOPWORDS
        ):
            return word
        if word in self._swapped:
            return self._swapped[word]
        for near in (word, *_shortened(word)):
            meant = near if near in self._known else self._near.get(near)
            if meant is not None and len(meant) > _MENDABLE and meant[0] == word[0]:
                return meant
        return word


def _shortened(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1 :] for i in range(len(word)))
