"""Which faults happen, to whom and when: drawn by a seed, all of it beforehand."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        kind: What happens.
        after: How many events the agents' tasks have to move on since the fault before, until it does.
        who: To whom it happens, as a share of those there are, in [0, 1).
        much: How much of it, in [0, 1): a time, a number of bytes, a choice, as the kind has it.
    """

    kind: str
    after: int
    who: float
    much: float

    def __str__(self) -> str:
        return f"+{self.after} {self.kind} ({self.who:.3f}, {self.much:.3f})"

    def whom(self, count: int) -> int:
        """Whom of so many."""
        return int(self.who * count)

    def between(self, least: float, most: float) -> float:
        """How much, on a scale."""
        return least + self.much * (most - least)


def draw(seed: int, count: int, weights: Mapping[str, float], *, pace: int) -> list[Fault]:
    """Draw a schedule.

    Args:
        seed: The seed.
        count: How many faults.
        weights: The kinds, and how often each comes by comparison.
        pace: How many events lie between two faults at most.
    """
    chance = random.Random(seed)
    kinds = chance.choices([*weights], weights=[*weights.values()], k=count)
    return [Fault(kind, chance.randint(0, pace), _short(chance), _short(chance)) for kind in kinds]


def dump(faults: Sequence[Fault]) -> str:
    """Write a schedule as JSON, a fault a line."""
    return "[\n" + ",\n".join(json.dumps(asdict(fault)) for fault in faults) + "\n]\n"


def load(text: str) -> list[Fault]:
    """Read what `dump` has written."""
    return [Fault(**one) for one in json.loads(text)]


def _short(chance: random.Random) -> float:
    """A number from 0 to 0.999 that is told as it is."""
    return chance.randrange(1000) / 1000
