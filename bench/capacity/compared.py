"""What was played on a cluster, against what prices say of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.capacity.costs import BYTES, CPU, THINGS, Amounts, Costs
from bench.capacity.scene import Observed, Scene

SIMULATED = Path(__file__).parent / "simulated.json"
"""What the last simulation has found."""
ALLOWED = 0.2
"""How far off a prediction may be, as a share of what was measured."""


@dataclass(frozen=True)
class Played:
    """What a scene was, and has used: the median of its rounds.

    Args:
        scene: Its name.
        about: What it is.
        amounts: What happened a second.
        used: What was used of each resource, in the units of `Costs.use`.
        foreign: The share of the machine that others have used meanwhile.
    """

    scene: str
    about: str
    amounts: Amounts
    used: Mapping[str, float]
    foreign: float


@dataclass(frozen=True)
class Compared:
    """One figure.

    Args:
        what: What was played.
        resource: Of what; `connections` are those of the product to all primaries.
        measured: In cores, bytes a second, or connections.
        predicted: Likewise.
    """

    what: str
    resource: str
    measured: float
    predicted: float

    @property
    def off(self) -> float:
        """How far off the prediction is, as a share of what was measured."""
        return self.predicted / self.measured - 1

    @property
    def met(self) -> bool:
        """Whether it is near enough."""
        return abs(self.off) <= ALLOWED


def played(scene: Scene, seen: Sequence[Observed]) -> Played:
    """Return the medians of what came of a scene, played several times."""

    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    amounts = Amounts(**{n: middle([getattr(one.amounts, n) for one in seen]) for n in THINGS})
    used = {name: middle([one.used[name] for one in seen]) for name in seen[0].used}
    return Played(scene.name, scene.about, amounts, used, middle([one.foreign for one in seen]))


def compare(one: Played, costs: Costs) -> list[Compared]:
    """Compare what a scene has used with what prices say."""
    return [
        Compared(one.scene, resource, one.used[resource], costs.use(resource, one.amounts))
        for resource in (*CPU, *BYTES)
        if one.used[resource]
    ]


@dataclass(frozen=True)
class Simulation:
    """A whole simulation.

    Args:
        machine: As `bench.machine.about` tells it.
        servers: Redis servers.
        fronts: Processes that serve clients.
        workers: Processes that run agents.
        scenes: What was played.
        connections: Connections of the product to all primaries, counted and expected.
    """

    machine: Mapping[str, str]
    servers: int
    fronts: int
    workers: int
    scenes: Sequence[Played]
    connections: tuple[int, int]

    @property
    def foreign(self) -> float:
        """The share of the machine that others have used meanwhile."""
        return statistics.mean([one.foreign for one in self.scenes])

    def compared(self, costs: Costs) -> list[Compared]:
        """Return all its figures against what prices say."""
        there, expected = self.connections
        found = [figure for one in self.scenes for figure in compare(one, costs)]
        return [*found, Compared("all", "connections", there, expected)]

    def write(self, path: Path) -> None:
        """Write it into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path = SIMULATED) -> Simulation:
        """Read it from a file."""
        told: Any = json.loads(path.read_text())
        scenes = [Played(**{**one, "amounts": Amounts(**one["amounts"])}) for one in told["scenes"]]
        return cls(**{**told, "scenes": scenes, "connections": tuple(told["connections"])})
