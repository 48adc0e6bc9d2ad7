"""A linear model over words, pairs of words and concepts: what may be trained on messages of one's own.

It is multinomial logistic regression over hashed features. A feature's weights are looked up by the
checksum of its text, so that the file holds numbers alone and none of the messages that it was made of.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from array import array
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from a2a_streaming.customer_service.detection import rules, vocabulary
from a2a_streaming.customer_service.detection.lexicon import Look
from a2a_streaming.errors import SetupError

OTHER = "other"
"""The class of what is no specialist's and no person's."""
_MAGIC = b"A2A-INTENTS-1\n"
_MOST_WORDS = 40
"""Of a longer message only the beginning is read: pairs grow with the square."""


class LinearModel:
    """Says how probable each route is.

    Args:
        classes: The routes, and `other`.
        bits: The table has 2^bits rows.
        weights: A row for each feature's hash, with a number for each class.
        caution: What is added to the score of `other`.
    """

    def __init__(
        self, classes: Sequence[str], bits: int, weights: array[float], *, caution: float = 0.0
    ) -> None:
        self.classes = tuple(classes)
        self.bits = bits
        self.weights = weights
        self.caution = caution

    @property
    def routes(self) -> frozenset[str]:
        """The routes that it knows."""
        return frozenset(self.classes) - {OTHER}

    def probabilities(self, look: Look) -> dict[str, float]:
        """Return how probable each route is, `other` left out.

        Args:
            look: What was found in the message.
        """
        hashes = features(look, self.bits)
        scores = [0.0] * len(self.classes)
        weights, width = self.weights, len(self.classes)
        for row in hashes:
            start = row * width
            for number in range(width):
                scores[number] += weights[start + number]
        scale = 1 / math.sqrt(len(hashes) or 1)
        scores = [score * scale for score in scores]
        if OTHER in self.classes:
            scores[self.classes.index(OTHER)] += self.caution
        return {
            name: p for name, p in zip(self.classes, softmax(scores), strict=True) if name != OTHER
        }

    def save(self, path: Path) -> None:
        """Write it to a file.

        Args:
            path: Where to.
        """
        head = json.dumps(
            {
                "classes": self.classes,
                "bits": self.bits,
                "caution": self.caution,
                "vocabulary": vocabulary_digest(),
            }
        ).encode()
        body = zlib.compress(self.weights.tobytes(), 6)
        path.write_bytes(_MAGIC + struct.pack("<I", len(head)) + head + body)

    @classmethod
    def load(cls, path: Path) -> LinearModel:
        """Read one from a file.

        Args:
            path: Where it was saved.

        Raises:
            SetupError: It isn't there, isn't a model, or was trained with another vocabulary.
        """
        again = "Train it with `python -m tools.train_intents`."
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SetupError(f"Can't read the intent model {path}: {error}. {again}") from error
        try:
            head, model = cls._read(data)
        except (ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
            raise SetupError(f"{path} is no intent model: {error}. {again}") from error
        if head.get("vocabulary") != vocabulary_digest():
            raise SetupError(f"{path} was trained with another vocabulary than ours. {again}")
        return model

    @classmethod
    def _read(cls, data: bytes) -> tuple[dict[str, Any], LinearModel]:
        if not data.startswith(_MAGIC):
            raise ValueError("it begins with something else")
        at = len(_MAGIC) + 4
        (size,) = struct.unpack("<I", data[at - 4 : at])
        head: dict[str, Any] = json.loads(data[at : at + size])
        weights = array("f")
        weights.frombytes(zlib.decompress(data[at + size :]))
        model = cls(head["classes"], head["bits"], weights, caution=head["caution"])
        if len(weights) != len(model.classes) << model.bits:
            raise ValueError("its table has another size than it says")
        return head, model


def features(look: Look, bits: int) -> list[int]:
    """Return the hashes of what a message is made of: words, neighbours, pairs, concepts and their pairs.

    Args:
        look: What was found in the message.
        bits: How many bits of each hash to keep.
    """
    stems = look.stems[:_MOST_WORDS]
    texts = [f"w {stem}" for stem in stems]
    texts += [f"n {a} {b}" for a, b in zip(("^", *stems), (*stems, "$"), strict=True)]
    texts += [f"p {a} {b}" for a, b in combinations(sorted(set(stems)), 2)]
    concepts = sorted(look.concepts)
    texts += [f"c {concept}" for concept in concepts]
    texts += [f"d {a} {b}" for a, b in combinations(concepts, 2)]
    mask = (1 << bits) - 1
    return list({zlib.crc32(text.encode()) & mask for text in texts})


def softmax(scores: Sequence[float]) -> list[float]:
    """Return probabilities that are in proportion to the exponentials of scores."""
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def vocabulary_digest() -> str:
    """Return what tells one vocabulary from another: concepts are features, so they must be the same."""
    told = [
        [rule.intent, rule.route, rule.p, sorted(rule.needs), sorted(rule.without)]
        for rule in rules.RULES
    ]
    text = json.dumps([vocabulary.CONCEPTS, told], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
