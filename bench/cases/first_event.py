"""The first event of a task that begins: one at a time, and 50 at once, against a2a-sdk's own server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from bench.loading import Loaded, load, undisturbed
from bench.machine import until_quiet
from bench.requests import JSON, V1, send_streaming, send_subscribe
from bench.rounds import Bench, Outcome, against, alternated, at_most
from bench.servers import Server, product, redis, sdk

_TEXT = "What is it?"
_WAYS: dict[str, tuple[Callable[[str], str], Sequence[str]]] = {
    "tasks/sendSubscribe": (lambda name: send_subscribe(name, _TEXT), ()),
    "SendStreamingMessage": (lambda name: send_streaming(name, _TEXT), (V1,)),
}
_SDK = "a2a-sdk"


def run(bench: Bench) -> Outcome:
    """Measure first events, and requests a second; each stream is read to its end."""
    outcome = Outcome()
    alone: dict[str, list[Loaded]] = {name: [] for name in (*_WAYS, _SDK)}
    crowd: dict[str, list[float]] = {name: [] for name in (*_WAYS, _SDK)}
    with (
        redis(bench.folder) as store,
        product("bench.agents:AnsweringAgent", store, bench.folder) as ours,
        sdk(bench.folder) as peer,
    ):
        servers = {**dict.fromkeys(_WAYS, ours), _SDK: peer}

        def measured(name: str, conns: int, total: int) -> Loaded:
            until_quiet([ours.process, peer.process])
            return undisturbed(lambda: _ask(servers[name], name, conns, total), bench.deadline)

        for name, server in servers.items():
            _ask(server, name, 10, 300)
        for number in bench.each_round():
            for name in alternated(list(servers), number):
                alone[name].append(measured(name, 1, bench.scaled(1000, 200)))
                many = measured(name, 50, bench.scaled(2000, 400))
                crowd[name].append(many.requests_a_second)
    for name in _WAYS:
        for quantile, goal in (("p50", 0.5), ("p99", 1.0)):
            values = [one.ms("first", quantile) for one in alone[name]]
            outcome.rows.append(at_most(f"first event of {name}, {quantile}", goal, values, "ms"))
        work = f"{name}, 50 at once"
        outcome.rows.append(against(work, 5, _SDK, crowd[name], crowd[_SDK], "requests/s"))
    outcome.details = {
        "alone": {name: [dict(one.told) for one in runs] for name, runs in alone.items()},
        "requests a second, 50 at once": crowd,
    }
    return outcome


def _ask(server: Server, name: str, conns: int, total: int) -> Loaded:
    made, headers = _WAYS.get(name, _WAYS["SendStreamingMessage"])
    return load(
        server.process,
        {
            "mode": "ask",
            "port": server.port,
            "header": [JSON, *headers],
            "body": made(f"first-{uuid.uuid4().hex[:8]}-{{n}}"),
            "conns": conns,
            "total": total,
            "until": "close",
            "seconds": 60,
        },
    )
