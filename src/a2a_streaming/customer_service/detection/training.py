"""Training the linear model on labelled messages: AdaGrad, in plain Python, a minute for 30,000 messages.

Source: Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", JMLR 12 (2011).
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence

from a2a_streaming.customer_service.detection.lexicon import Lexicon
from a2a_streaming.customer_service.detection.model import OTHER, LinearModel, features, softmax

BITS = 18
EPOCHS = 5
CAUTION = 1.0
"""With it, none of the messages that were held back as out of scope went to a specialist."""
_RATE = 0.3
_SETTLED = 0.02
"""Errors of a probability below which an example teaches nothing more in this epoch."""


def train(
    examples: Sequence[tuple[str, str]],
    *,
    lexicon: Lexicon | None = None,
    bits: int = BITS,
    epochs: int = EPOCHS,
    caution: float = CAUTION,
    seed: int = 1,
) -> LinearModel:
    """Train a model.

    Args:
        examples: Messages, each with its route; `other` for what is nobody's.
        lexicon: Looks the messages up; the detector's own by default.
        bits: The table has 2^bits rows.
        epochs: How often each example is seen.
        caution: What is added to the score of `other`: more of it sends fewer messages to specialists,
            rightly and wrongly.
        seed: Draws the order of the examples.

    Raises:
        ValueError: The examples name fewer than two routes.
    """
    classes = sorted({route for _, route in examples} | {OTHER})
    if len(classes) < 2:
        raise ValueError("The examples name one route only: there is nothing to tell apart.")
    lexicon = lexicon if lexicon is not None else Lexicon()
    index = {name: number for number, name in enumerate(classes)}
    rows = [
        (array("l", features(lexicon.look(text), bits)), index[route]) for text, route in examples
    ]
    width = len(classes)
    weights = array("f", bytes(4 * width << bits))
    squares = array("f", bytes(4 * width << bits))
    order = list(range(len(rows)))
    shuffle = random.Random(seed).shuffle
    for _ in range(epochs):
        shuffle(order)
        for number in order:
            _learn(*rows[number], weights, squares, width)
    return LinearModel(classes, bits, weights, caution=caution)


def _learn(
    row: array[int], truth: int, weights: array[float], squares: array[float], width: int
) -> None:
    """Take one step towards an example's class."""
    scale = 1 / math.sqrt(len(row) or 1)
    scores = [0.0] * width
    starts = [number * width for number in row]
    for number in range(width):
        scores[number] = scale * sum([weights[start + number] for start in starts])
    for number, p in enumerate(softmax(scores)):
        error = p - (number == truth)
        if abs(error) < _SETTLED:
            continue
        gradient = error * scale
        square = gradient * gradient
        step = _RATE * gradient
        for start in starts:
            at = start + number
            squares[at] += square
            weights[at] -= step / math.sqrt(squares[at])
