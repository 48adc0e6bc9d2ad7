"""Measure intent detection: `A2A_INTENT_DATA=… python -m tools.intents`; the tables of docs/intents.md.

Four procedures, each on every source's test part:

- *shipped*: the rules as they are. Nothing of any source was used in writing them, so each source is one
  that they have never seen.
- *strict*: the same, but a word counts only if another source's training part, an agent's card or one of the
  project's own messages has it, too. What had slipped in from a source would be gone with it.
- *other sources*: the model, trained on the other two sources' training parts.
- *trained*: the model, trained on all training parts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table
from tools import intent_sources
from tools.intent_sources import Example, Source

from a2a_streaming.customer_service import cards
from a2a_streaming.customer_service.detection import Intent, Specialist, vocabulary, words
from a2a_streaming.customer_service.detection.lexicon import Lexicon, phrase
from a2a_streaming.customer_service.detection.model import OTHER, LinearModel
from a2a_streaming.customer_service.detection.offline import Reader
from a2a_streaming.customer_service.detection.training import train

ROUTES = (
    Specialist.from_card("booking", MessageToDict(cards.BOOKING)),
    Specialist.from_card("billing", MessageToDict(cards.BILLING)),
)
SURE = 0.5
"""As the Intent Agent has it: below, the customer is asked, and nobody is bothered."""
OWN = Path(__file__).parent.parent / "tests" / "customer_service" / "messages"

Detect = Callable[[str], list[Intent]]


@dataclass(frozen=True)
class Measured:
    """What one procedure makes of one source.

    Args:
        source: The source's name.
        messages: How many were read.
        right: The share that got the right route.
        misrouted: The share of those for nobody that were sent to a specialist.
        out_of_scope: The same, of the source's out-of-scope messages alone; None if it has none.
        right_out_of_scope: How many of these were left alone, and how many there are.
        micros: Microseconds a message.
    """

    source: str
    messages: int
    right: float
    misrouted: float
    out_of_scope: float | None
    right_out_of_scope: tuple[int, int]
    micros: float


@dataclass(frozen=True)
class Result:
    """What one procedure makes of all sources.

    Args:
        rows: One for each source.
    """

    rows: list[Measured]

    @property
    def mean(self) -> float:
        """The mean over sources of the share that got the right route."""
        return statistics.fmean(row.right for row in self.rows)

    @property
    def spread(self) -> float:
        """The sources' standard deviation."""
        return statistics.pstdev(row.right for row in self.rows)

    @property
    def overall(self) -> float:
        """The share of all test messages, those out of scope among them, that got the right route."""
        right = sum(row.right * row.messages + row.right_out_of_scope[0] for row in self.rows)
        return right / sum(row.messages + row.right_out_of_scope[1] for row in self.rows)

    @property
    def out_of_scope(self) -> float:
        """The share of out-of-scope messages that were sent to a specialist."""
        return max(row.out_of_scope for row in self.rows if row.out_of_scope is not None)


def route_of(intents: list[Intent]) -> str:
    """Return where a message is sent; `other` if nowhere."""
    first = intents[0]
    return (first.route if first.confidence >= SURE else None) or OTHER


def measure(source: Source, detect: Detect) -> Measured:
    """Measure a procedure on a source's test part.

    Args:
        source: The source.
        detect: Reads a message.
    """
    begun = time.process_time()
    told = [(route_of(detect(text)), route) for text, route in source.test]
    micros = (time.process_time() - begun) / len(told) * 1e6
    astray = [route_of(detect(text)) in ("booking", "billing") for text, _ in source.out_of_scope]
    others = [said in ("booking", "billing") for said, route in told if route == OTHER]
    return Measured(
        source.name,
        len(told),
        statistics.fmean(said == route for said, route in told),
        statistics.fmean(others),
        statistics.fmean(astray) if astray else None,
        (len(astray) - sum(astray), len(astray)),
        micros,
    )


def confidence(sources: list[Source], detect: Detect) -> list[tuple[str, int, float]]:
    """Return, by how sure a procedure says that it is, how many messages it routes and how many rightly.

    Args:
        sources: The sources.
        detect: Reads a message.
    """
    bands = [(0.25, SURE), (SURE, 0.7), (0.7, 0.85), (0.85, 1.0)]
    told: list[list[bool]] = [[] for _ in bands]
    for source in sources:
        for text, route in (*source.test, *source.out_of_scope):
            first = detect(text)[0]
            if first.route is not None:
                band = next(n for n, (_, end) in enumerate(bands) if first.confidence <= end)
                told[band].append(first.route == route)
    return [
        (f"{begin:.2f} to {end:.2f}", len(right), statistics.fmean(right) if right else 0.0)
        for (begin, end), right in zip(bands, told, strict=True)
    ]


def shipped(sources: list[Source]) -> Result:
    """Measure the rules as they are."""
    reader = Reader(ROUTES)
    return Result([measure(source, reader.read) for source in sources])


def strict(sources: list[Source]) -> Result:
    """Measure the rules with what words each source's absence leaves them."""
    return Result([measure(s, Reader(ROUTES, without(s, sources)).read) for s in sources])


def other_sources(sources: list[Source]) -> Result:
    """Measure the model on each source, trained on the others, with the words that they leave."""
    rows: list[Measured] = []
    for source in sources:
        concepts = without(source, sources)
        examples = [e for other in sources if other is not source for e in other.train]
        model = train(examples, lexicon=Lexicon(concepts))
        rows.append(measure(source, _with(Reader(ROUTES, concepts), model)))
    return Result(rows)


def trained(sources: list[Source]) -> Result:
    """Measure the model, trained on all training parts."""
    detect = trained_detect(sources)
    return Result([measure(source, detect) for source in sources])


def trained_detect(sources: list[Source]) -> Detect:
    """Train on all training parts, and return what reads by it."""
    model = train([example for source in sources for example in source.train])
    return _with(Reader(ROUTES), model)


def without(held_out: Source, sources: Iterable[Source]) -> Mapping[str, str]:
    """Return the vocabulary without the words that nothing but one source has.

    Args:
        held_out: The source.
        sources: All of them.
    """
    texts = [text for s in sources if s is not held_out for text, _ in s.train]
    texts += [text for text, _ in own_messages()]
    texts += [
        text
        for specialist in ROUTES
        for skill in specialist.skills
        for text in (skill.name, skill.description, *skill.tags, *skill.examples)
    ]
    seen = {stem for text in texts for stem in words.stems(text)}
    return {
        concept: " ".join(p for p in phrases.split() if seen.issuperset(phrase(p)))
        for concept, phrases in vocabulary.CONCEPTS.items()
    }


def own_messages() -> list[Example]:
    """Return the project's own messages, each with its route."""
    examples: list[Example] = []
    route = OTHER
    for line in (OWN / "single.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            route = line[2:]
        elif line:
            examples.append((line, route))
    return examples


def own_compounds() -> list[tuple[str, list[str]]]:
    """Return the project's own messages with several intents or a story, each with its routes in order."""
    lines = (OWN / "several.txt").read_text(encoding="utf-8").splitlines()
    parted = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    return [(text, routes.split()) for routes, _, text in parted]


def _with(reader: Reader, model: LinearModel) -> Detect:
    return lambda text: reader.read(text, model)


def _table(title: str, result: Result) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("source", "messages", "right", "to a specialist, for nobody", "out of scope, to a specialist", "µs each"):  # fmt: skip
        table.add_column(name, justify="left" if name == "source" else "right")
    for row in result.rows:
        table.add_row(
            row.source,
            str(row.messages),
            f"{row.right:.1%}",
            f"{row.misrouted:.1%}",
            "" if row.out_of_scope is None else f"{row.out_of_scope:.1%}",
            f"{row.micros:.0f}",
        )
    table.add_section()
    table.add_row("mean over sources", "", f"{result.mean:.1%} ± {result.spread:.1%}")
    table.add_row("all messages", "", f"{result.overall:.1%}", "", f"{result.out_of_scope:.1%}")
    return table


def _confidences(title: str, bands: list[tuple[str, int, float]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("confidence", "messages with a route", "it is right"):
        table.add_column(name, justify="right")
    for band, messages, right in bands:
        table.add_row(band, str(messages), f"{right:.0%}")
    return table


def main() -> int:
    """Measure, and print tables; the exit code is 2 without data."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--quick", action="store_true", help="leave out what is trained")
    given = arguments.parse_args()
    os.environ.setdefault("COLUMNS", "110")
    console = Console()
    read = Reader(ROUTES).read
    single = [route_of(read(text)) == route for text, route in own_messages()]
    several = [[i.route or OTHER for i in read(text)] == told for text, told in own_compounds()]
    console.print(f"the project's own messages: {sum(single)} of {len(single)} right")
    console.print(f"those with several intents, or a story: {sum(several)} of {len(several)} right")
    data = intent_sources.folder()
    if data is None:
        print("Set A2A_INTENT_DATA to the folder that holds clinc150, bitext_intent and banking77.")
        return 2
    sources = intent_sources.load(data)
    console.print(_table("shipped: rules that no source was used for", shipped(sources)))
    by_rules = confidence(sources, Reader(ROUTES).read)
    console.print(_confidences("shipped, by confidence", by_rules))
    console.print(
        _table("strict: without the words that only the source itself has", strict(sources))
    )
    if not given.quick:
        console.print(
            _table("other sources: the model, trained on the other two", other_sources(sources))
        )
        console.print(_table("trained: the model, trained on all training parts", trained(sources)))
        by_model = confidence(sources, trained_detect(sources))
        console.print(_confidences("trained, by confidence", by_model))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
