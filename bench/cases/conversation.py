"""Whole conversations: a customer, the Intent Agent, a specialist over A2A on loopback, and its system of record."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.loading import Loaded, load
from bench.machine import CORES, LOAD_CORE, SERVER_CORE, Process, until_quiet
from bench.requests import JSON, send_subscribe
from bench.rounds import Bench, Outcome, Row, at_least, at_most, spread
from bench.servers import Server, product, redis

_GOAL = 150
_ASKED = (
    "What's my account balance?",
    "Show me my bookings",
    "Show me my invoices",
    "When is my flight to Oslo?",
)


def run(bench: Bench) -> Outcome:
    """Measure conversations: how many a second, what each costs, and how long it takes at half of that."""
    outcome = Outcome()
    rates: list[float] = []
    costs: list[float] = []
    paced: list[Loaded] = []
    count = bench.scaled(600, 100)
    with _platforms(bench) as (servers, store):
        _talk(servers, 16, 100)
        for _ in bench.each_round():
            until_quiet(_processes(servers))
            before = _cpu([*servers, store])
            loaded = _talk(servers, 32, count)
            costs.append((_cpu([*servers, store]) - before) * 1e3 / count)
            rates.append(loaded.requests_a_second)
            until_quiet(_processes(servers))
            pace = min(_GOAL, rates[-1]) / 2
            paced.append(_talk(servers, 200, int(pace * bench.scaled(4, 2)), pace))
    work = "whole conversation"
    outcome.rows.append(at_least(f"{work}s on two cores", _GOAL, rates, "a second"))
    outcome.rows.append(Row(f"{work}, CPU", "", f"{spread(costs, lambda v: f'{v:.1f}')} ms"))
    half = min(_GOAL, statistics.median(rates)) / 2
    values = [one.ms("whole", "p99") for one in paced]
    outcome.rows.append(at_most(f"{work}, p99 at {half:.0f} a second", 100, values, "ms", 1))
    where = _where(bench)
    outcome.rows += [Row(f"{work}, CPU of {who}", "", f"{ms:.1f} ms") for who, ms in where.items()]
    outcome.details = {
        "conversations a second": rates,
        "CPU ms": costs,
        "paced": [dict(one.told) for one in paced],
        "CPU ms by process": where,
    }
    return outcome


def _processes(servers: Sequence[Server]) -> list[Process]:
    return [server.process for server in servers]


@contextmanager
def _platforms(bench: Bench) -> Iterator[tuple[list[Server], Server]]:
    """Run the whole platform twice, a process a core, on one Redis and one database."""
    data = bench.folder / "platform"
    data.mkdir(exist_ok=True)
    with ExitStack() as stack:
        store = stack.enter_context(redis(bench.folder, core=CORES))
        servers = [
            stack.enter_context(product("up", store, bench.folder, core=core, data=data))
            for core in dict.fromkeys((SERVER_CORE, LOAD_CORE))
        ]
        yield servers, store


def _where(bench: Bench) -> dict[str, float]:
    """Return how many milliseconds of CPU a conversation costs each process, where each agent has its own."""
    with ExitStack() as stack:
        store = stack.enter_context(redis(bench.folder, core=CORES))
        data = bench.folder / "specialists"
        data.mkdir(exist_ok=True)
        specialists = {
            name: stack.enter_context(product(name, store, bench.folder, core=CORES, data=data))
            for name in ("booking", "billing")
        }
        agents = ",".join(server.url for server in specialists.values())
        intent = stack.enter_context(
            product("intent", store, bench.folder, core=CORES, settings={"A2A_AGENTS": agents})
        )
        processes = {"the Intent Agent": [intent], "Redis": [store]}
        processes["the specialists"] = list(specialists.values())
        _talk([intent], 8, 40)
        until_quiet(_processes([intent, *specialists.values()]))
        before = {who: _cpu(servers) for who, servers in processes.items()}
        count = bench.scaled(300, 60)
        _talk([intent], 16, count)
        return {
            who: (_cpu(servers) - before[who]) * 1e3 / count for who, servers in processes.items()
        }


def _cpu(servers: Sequence[Server]) -> float:
    return sum(server.process.cpu() for server in servers)


def _talk(servers: Sequence[Server], at_once: int, count: int, rate: float = 0) -> Loaded:
    prefix = uuid.uuid4().hex[:8]
    bodies = [send_subscribe(f"c-{prefix}-{{n}}", text) for text in _ASKED]
    return load(
        _processes(servers),
        {
            "mode": "ask",
            "port": [server.port for server in servers],
            "header": JSON,
            "body": bodies,
            "conns": at_once,
            "total": count,
            "until": "close",
            "seconds": 90,
            **({"rate": rate} if rate else {}),
        },
    )
