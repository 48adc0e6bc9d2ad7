"""The labelled messages by which intent detection is measured: read from where A2A_INTENT_DATA says.

None of them are part of the project. Their folder holds `clinc150` (Larson et al., EMNLP 2019, CC-BY 3.0),
`bitext_intent` (Bitext, CDLA-Sharing 1.0) and `banking77` (Casanueva et al., 2020, CC-BY 4.0), as they were
published; the tables below map their labels to this product's routes.
"""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

Example = tuple[str, str]
"""A message, and the route that is right for it: a specialist's name, `human`, or `other`."""

_CLINC = {
    "booking": "book_flight book_hotel car_rental flight_status restaurant_reservation "
    "cancel_reservation confirm_reservation accept_reservations",
    "billing": "balance bill_balance bill_due pay_bill min_payment report_fraud transactions",
}
_BITEXT = {
    "ORDER": "booking",
    "PAYMENT": "billing",
    "INVOICE": "billing",
    "REFUND": "billing",
    "CANCELLATION_FEE": "billing",
    "CONTACT": "human",
}
_BANKING_BILLING = re.compile(r"refund|charge|fee|payment|balance", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One published set of messages.

    Args:
        name: Its folder.
        train: What may be trained on.
        test: What is measured on.
        out_of_scope: Messages of the test that belong to nobody, apart from `test`.
    """

    name: str
    train: list[Example]
    test: list[Example]
    out_of_scope: list[Example] = field(default_factory=list[Example])


def folder() -> Path | None:
    """Return where the messages lie; None if A2A_INTENT_DATA doesn't say."""
    named = os.environ.get("A2A_INTENT_DATA")
    return Path(named) if named else None


def load(data: Path) -> list[Source]:
    """Read the sources.

    Args:
        data: The folder that holds theirs.

    Raises:
        FileNotFoundError: One isn't there.
    """
    return [
        _clinc(data / "clinc150"),
        _bitext(data / "bitext_intent"),
        _banking(data / "banking77"),
    ]


def _clinc(data: Path) -> Source:
    parts = json.loads((data / "data_full.json").read_text())

    def examples(name: str) -> list[Example]:
        return [(text, _clinc_route(label)) for text, label in parts[name]]

    return Source(
        "clinc150",
        [*examples("train"), *examples("oos_train")],
        examples("test"),
        examples("oos_test"),
    )


def _clinc_route(label: str) -> str:
    return next((route for route, labels in _CLINC.items() if label in labels.split()), "other")


def _bitext(data: Path) -> Source:
    def examples(name: str) -> list[Example]:
        with (data / f"{name}.csv").open(newline="") as file:
            return [
                (row["utterance"], _BITEXT.get(row["category"], "other"))
                for row in csv.DictReader(file)
            ]

    return Source("bitext_intent", examples("train"), examples("test"))


def _banking(data: Path) -> Source:
    def examples(name: str) -> list[Example]:
        with (data / f"{name}.csv").open(newline="") as file:
            return [
                (row["text"], "billing" if _BANKING_BILLING.search(row["category"]) else "other")
                for row in csv.DictReader(file)
            ]

    return Source("banking77", examples("train"), examples("test"))
