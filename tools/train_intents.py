"""Train the offline detector's model on messages of your own.

`python -m tools.train_intents messages.csv intents.model` reads a table with the columns `text` and
`route` (a specialist's name, `human`, or `other`), and writes the model; a few thousand messages take some
seconds. Take messages that are nobody's business in as `other`, as many as you have.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

from a2a_streaming.customer_service.detection.training import CAUTION, EPOCHS, train


def main() -> int:
    """Train; the exit code is 2 if the table can't be used."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("messages", type=Path, help="a CSV file with the columns text and route")
    arguments.add_argument("model", type=Path, help="where the model is written to")
    arguments.add_argument(
        "--caution", type=float, default=CAUTION, help="how much speaks against every specialist"
    )
    arguments.add_argument("--epochs", type=int, default=EPOCHS, help="how often each is read")
    given = arguments.parse_args()
    try:
        with given.messages.open(newline="") as file:
            examples = [(row["text"], row["route"]) for row in csv.DictReader(file)]
        model = train(examples, caution=given.caution, epochs=given.epochs)
    except KeyError as missing:
        print(f"{given.messages} has no column {missing}. It needs `text` and `route`.")
        return 2
    except (OSError, ValueError) as error:
        print(f"Can't train on {given.messages}: {error}")
        return 2
    model.save(given.model)
    counted = ", ".join(
        f"{n} {route}" for route, n in Counter(r for _, r in examples).most_common()
    )
    print(f"Wrote {given.model}, trained on {len(examples)} messages: {counted}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
