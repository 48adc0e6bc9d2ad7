"""Tells prices, needs and the simulation as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.capacity.compared import ALLOWED, Simulation
from bench.capacity.costs import BYTES, CPU, HELD, THINGS, Costs
from bench.capacity.model import GIB, Needs, Part
from bench.capacity.shapes import Shape

_WORDS = {
    "fronts": "a front, for a second",
    "workers": "a worker, for a second",
    "primaries": "a primary, for a second",
    "members": "its part in a cluster of six, for a second",
    "processes": "a process's connections, for a second",
    "tasks": "a task's begin and end, with its sender's stream",
    "runs": "a run under way, for a second",
    "events": "an event written",
    "event_kib": "and each KiB of it",
    "hearings": "an event heard by a front",
    "hearing_kib": "and each KiB of it",
    "deliveries": "an event told to a watcher",
    "delivery_kib": "and each KiB of it",
    "watchers": "an open stream, for a second",
    "feeds": "a watched task on a front, for a second",
    "opens": "a stream opened and closed",
    "firsts": "the same, of a task that nobody else watches there",
    "opened_kib": "and each KiB of text so far",
    "kept": "a task that Redis holds",
    "kept_events": "each event of it",
    "kept_kib": "and each KiB of it",
}
_RESOURCES = {
    "front": "fronts",
    "worker": "workers",
    "redis": "primaries",
    "replica": "replicas",
    "to_redis": "to Redis",
    "from_redis": "from Redis",
    "replication": "replication",
    "to_clients": "to watchers",
    "connections": "connections to Redis",
}


def prices(costs: Mapping[str, Costs], of: Iterable[str]) -> str:
    """Return a table of prices: a line for each thing, a column for each resource.

    Args:
        costs: By pace; where there are two, a cell tells both.
        of: The resources.
    """
    columns = [name for name in of if any(name in one.prices for one in costs.values())]
    rows: list[list[str]] = []
    for thing in THINGS:
        cells = [
            _cell([one.price(name, thing) for one in costs.values()], name) for name in columns
        ]
        if any(cells):
            word = _word(thing) if set(columns) <= set(HELD) else _WORDS[thing]
            rows.append([word, *cells])
    heads = [_RESOURCES.get(name, name.removesuffix("_memory") + "s") for name in columns]
    heads = [head.replace("rediss", "primaries") for head in heads]
    return _table(["", *heads], rows)


def _word(thing: str) -> str:
    """Name a thing, where no second is meant; what is told of KiB says of what."""
    of = {"event_kib": "KiB written", "hearing_kib": "KiB heard", "delivery_kib": "KiB told"}
    return of.get(thing) or _WORDS[thing].removesuffix(", for a second")


def _cell(found: Sequence[float], resource: str) -> str:
    if not any(found):
        return ""
    if resource in CPU:
        return " / ".join(_figures(one) for one in found)
    return _bytes(found[0])


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(value: float) -> str:
    for unit, size in (("TiB", 1024 * GIB), ("GiB", GIB), ("MiB", 1024**2), ("KiB", 1024)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} B" if value >= 10 else f"{value:.2g} B"


def _rate(value: float) -> str:
    """Tell bytes a second as networks do, in bits."""
    bits = value * 8
    return f"{bits / 1e9:.3g} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:.3g} Mbit/s"


def needed(found: Sequence[tuple[str, Needs]]) -> str:
    """Return a table of what workloads need, a column for each."""

    def part(one: Part) -> str:
        return f"{one.count:,} ({one.why}); {one.cores:.3g} cores, {_bytes(one.memory)}"

    def mostly(one: Part) -> str:
        thing, share = one.mostly
        return f"{_word(thing)} ({share:.0%})"

    rows = [
        ["fronts", *(part(one.fronts) for _, one in found)],
        ["workers", *(part(one.workers) for _, one in found)],
        ["primaries", *(part(one.primaries) for _, one in found)],
        ["most of fronts' CPU", *(mostly(one.fronts) for _, one in found)],
        ["most of workers'", *(mostly(one.workers) for _, one in found)],
        ["most of primaries'", *(mostly(one.primaries) for _, one in found)],
        ["replicas, one each", *(f"{one.replica_cores:.3g} cores" for _, one in found)],
        ["deliveries", *(f"{one.amounts.deliveries:,.0f}/s" for _, one in found)],
        ["heard by fronts", *(f"{one.amounts.hearings:,.0f}/s" for _, one in found)],
        *(
            [f"{_RESOURCES[name]}", *(_rate(getattr(one, name)) for _, one in found)]
            for name in BYTES
        ),
        ["connections to a primary", *(f"{one.connections:,.0f}" for _, one in found)],
        ["most is needed of", *(one.first for _, one in found)],
    ]
    return _table(["", *(name for name, _ in found)], rows)


def warned(found: Sequence[tuple[str, Needs]]) -> str:
    """Return what can't be had by more processes, as a list."""
    lines = [f"- {name}: {warning}" for name, one in found for warning in one.warnings]
    return "\n".join(lines)


def shapes(listed: Sequence[Shape]) -> str:
    """Return what shapes are, as a list."""
    return "\n".join(f"- **{one.name}**: {one.about}." for one in listed)


def simulated(simulation: Simulation, costs: Costs) -> str:
    """Return a simulation's figures against what prices say: a table of all, and how many are near enough."""
    figures = simulation.compared(costs)
    near = sum(one.met for one in figures)
    about = {one.scene: one.about for one in simulation.scenes}
    rows = [
        [
            f"{one.what}: {about[one.what]}" if one.what in about else one.what,
            _RESOURCES[one.resource],
            _amount(one.predicted, one.resource),
            _amount(one.measured, one.resource),
            f"{one.off:+.0%}" if one.met else f"**{one.off:+.0%}**",
        ]
        for one in figures
    ]
    said = (
        f"{machine(simulation.machine)}; {simulation.servers} Redis servers, {simulation.fronts} fronts, "
        f"{simulation.workers} workers; others used {simulation.foreign:.0%} of the machine meanwhile. "
        f"{near} of {len(figures)} figures are within {ALLOWED:.0%}."
    )
    return f"{said}\n\n{_table(['played', 'of', 'predicted', 'measured', 'off'], rows)}"


def _amount(value: float, resource: str) -> str:
    if resource in CPU:
        return f"{value * 1e3:.1f} ms/s"
    return _rate(value) if resource in BYTES else f"{value:.0f}"


def machine(told: Mapping[str, str]) -> str:
    """Tell where and when something was measured."""
    return (
        f"{told['when']}, {told['cores']} cores ({told['cpu']}), Linux {told['kernel']}, "
        f"Python {told['python']}"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


MEMORY = tuple(HELD)
