"""What a fault run did and found, for people and for programs."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.schedule import Fault
from chaos.stories import Violation


@dataclass
class Finding:
    """A violation, with what is needed to look into it.

    Args:
        violation: What must not be.
        seed: The seed of the round.
        timeline: What was broken before.
        log: What the processes said of the task.
    """

    violation: Violation
    seed: int
    timeline: list[str]
    log: list[str]


@dataclass
class Report:
    """What a run did and found.

    Args:
        name: Which run.
        seed: Draws it.
    """

    name: str
    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter[str])
    deliveries: int = 0
    figures: Counter[str] = field(default_factory=Counter[str])
    """What else was counted."""
    measured: dict[str, Any] = field(default_factory=dict[str, Any])
    """What was measured, by name."""
    resets: Counter[str] = field(default_factory=Counter[str])
    recovery: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict[str, list[float]](list)
    )
    """By fault, seconds until a watcher that was cut had its next event."""
    attempts: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict[str, list[float]](list)
    )
    """By fault, seconds until another process went on with a task."""
    findings: list[Finding] = field(default_factory=list[Finding])
    broken: list[Fault] = field(default_factory=list[Fault])
    """What was broken in the latest round."""
    complaints: list[str] = field(default_factory=list[str])
    """What the processes logged as errors."""

    def find(
        self,
        violation: Violation,
        seed: int = 0,
        timeline: Sequence[str] = (),
        log: Sequence[str] = (),
    ) -> None:
        """Take note of a violation, unless enough that are alike are known."""
        alike = [one for one in self.findings if one.violation.alike(violation)]
        if len(alike) < 3:
            self.findings.append(Finding(violation, seed or self.seed, [*timeline], [*log]))

    @property
    def failed(self) -> bool:
        """Whether something was found."""
        return bool(self.findings)

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "name": self.name,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "faults": dict(self.faults.most_common()),
            "faultsInAll": self.faults.total(),
            "deliveries": self.deliveries,
            "figures": dict(self.figures),
            "measured": self.measured,
            "resets": dict(self.resets),
            "recoverySeconds": {kind: percentiles(v) for kind, v in sorted(self.recovery.items())},
            "nextAttemptSeconds": {
                kind: percentiles(v) for kind, v in sorted(self.attempts.items())
            },
            "violations": [
                {
                    "invariant": one.violation.invariant,
                    "task": one.violation.task,
                    "what": one.violation.what,
                    "seed": one.seed,
                    "timeline": one.timeline,
                    "log": one.log,
                }
                for one in self.findings
            ],
            "complaints": self.complaints[:50],
        }

    def as_text(self) -> str:
        """All of it, for people, in Markdown."""
        told = [("seconds", f"{self.seconds:.0f}"), ("faults", f"{self.faults.total():,}")]
        told.append(("deliveries checked", f"{self.deliveries:,}"))
        told += [(name, f"{count:,}") for name, count in self.figures.items()]
        told += [(name, str(value)) for name, value in self.measured.items()]
        told += [(f"resets: {reason}", f"{count:,}") for reason, count in self.resets.items()]
        told.append(("violations", str(len(self.findings))))
        parts = [f"{self.name}, seed {self.seed}", table(("figure", "value"), told)]
        if self.faults:
            rows = [(kind, f"{count:,}") for kind, count in self.faults.most_common()]
            parts.append(table(("fault", "times"), rows))
        for title, samples in (
            ("until a watcher that was cut has its next event, after", self.recovery),
            ("until another process goes on with a task, after", self.attempts),
        ):
            rows = [
                (kind, len(seconds), *(f"{percentiles(seconds)[p]:.2f} s" for p in _SHARES))
                for kind, seconds in sorted(samples.items())
            ]
            if rows:
                parts.append(table((title, "times", *_SHARES), rows))
        shown: set[int] = set()
        for one in self.findings[:20]:
            lines = [f"seed {one.seed}: {one.violation}"]
            if one.seed not in shown:  # they have the timeline in common
                lines += [f"    {line}" for line in one.timeline]
                shown.add(one.seed)
            parts.append("\n".join([*lines, *(f"  | {line}" for line in one.log)]))
        if self.complaints:
            parts.append(f"errors in the processes' logs: {len(self.complaints)}")
            parts.append("\n".join(self.complaints[:10]))
        return "\n\n".join(parts)

    def write(self, path: str) -> None:
        """Write it as JSON."""
        with Path(path).open("w", encoding="utf-8") as file:
            json.dump(self.as_json(), file, indent=1)
            file.write("\n")


_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The smallest value that each share of the values doesn't exceed."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(_SHARES, math.nan)
    return {
        name: round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)
        for name, share in _SHARES.items()
    }


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
