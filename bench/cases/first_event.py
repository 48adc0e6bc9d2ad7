"""The first event: of a task that begins, and of one that goes on; with and without authentication."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence

from bench.issuer import issuer
from bench.loading import JSON, V1, Loaded, load, undisturbed
from bench.machine import ROOT, until_quiet
from bench.rounds import Bench, Outcome, Row, against, alternated, at_most, spread
from bench.servers import Server, product, redis, sdk

_LIMITS = {"A2A_LIMIT_RATE": "1000000/second", "A2A_LIMIT_STREAMS": "100000"}
_SEND = (
    '{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":'
    '{"messageId":"m-%s-{n}","role":"ROLE_USER","parts":[{"text":"What is it?"}]}}}'
)
_SEND_FIRST = (
    '{"jsonrpc":"2.0","id":1,"method":"tasks/sendSubscribe","params":{"id":"t-%s-{n}","message":'
    '{"role":"user","parts":[{"type":"text","text":"What is it?"}]}}}'
)


def _begin(
    server: Server, body: str, conns: int, total: int, headers: Sequence[str] = (V1,)
) -> Loaded:
    return load(
        process=server.process,
        mode="ask",
        port=server.port,
        header=[JSON, *headers],
        body=body % uuid.uuid4().hex[:8],
        conns=conns,
        total=total,
        until="close",
        seconds=60,
    )


def run(bench: Bench) -> Outcome:
    """Measure first events of tasks that begin, one at a time and 50 at once."""
    outcome = Outcome()
    ways = {"tasks/sendSubscribe": (_SEND_FIRST, ()), "SendStreamingMessage": (_SEND, (V1,))}
    alone: dict[str, list[Loaded]] = {name: [] for name in ways}
    crowd: dict[str, list[float]] = {name: [] for name in (*ways, "a2a-sdk")}
    theirs: list[Loaded] = []
    with (
        redis(bench.folder) as store,
        product("bench.agents:AnsweringAgent", store, bench.folder) as ours,
        sdk(bench.folder) as peer,
    ):
        for body, headers in ways.values():
            _begin(ours, body, 10, 300, headers)
        _begin(peer, _SEND, 10, 300)
        for number in bench.each_round():
            if number and bench.late:
                break
            for name in alternated([*ways, "a2a-sdk"], number):
                body, headers = ways.get(name, (_SEND, (V1,)))
                server = ours if name in ways else peer
                until_quiet([ours.process, peer.process])
                one = undisturbed(
                    lambda s=server, b=body, h=headers: _begin(s, b, 1, bench.scaled(1000, 200), h),
                    bench.deadline,
                )
                (alone[name] if name in ways else theirs).append(one)
                many = undisturbed(
                    lambda s=server, b=body, h=headers: _begin(
                        s, b, 50, bench.scaled(2000, 400), h
                    ),
                    bench.deadline,
                )
                crowd[name].append(many.requests_a_second)
    for name, runs in alone.items():
        for quantile, goal in (("p50", 0.5), ("p99", 1.0)):
            values = [one.ms("first", quantile) for one in runs]
            outcome.rows.append(at_most(f"first event of {name}, {quantile}", goal, values, "ms"))
        work = f"{name}, 50 at once"
        outcome.rows.append(
            against(work, 5, "a2a-sdk", crowd[name], crowd["a2a-sdk"], "requests/s")
        )
    outcome.details = {
        "alone": {name: [dict(one.told) for one in runs] for name, runs in alone.items()},
        "a2a-sdk alone, first event, ms": [one.ms("first", "p50") for one in theirs],
        "requests a second, 50 at once": crowd,
    }
    return outcome


def run_resubscribe(bench: Bench) -> Outcome:
    """Measure first events of tasks that go on: without authentication, with an API key, with a JWT."""
    outcome = Outcome()
    found: dict[str, list[Loaded]] = {}
    with redis(bench.folder) as store, issuer() as signs:
        # Key prefixes tell the three installations apart on one Redis.
        keys = {"A2A_AUTH_KEYS": "true", "A2A_KEY_PREFIX": "keys-", **_LIMITS}
        tokens = {**signs.settings, "A2A_KEY_PREFIX": "jwt-", **_LIMITS}
        agent = "bench.agents:HoldingAgent"
        with (
            product(agent, store, bench.folder) as plain,
            product(agent, store, bench.folder, **keys) as keyed,
            product(agent, store, bench.folder, **tokens) as signed,
        ):
            servers: dict[str, tuple[Server, list[str]]] = {
                "no authentication": (plain, []),
                "API key": (keyed, [f"X-API-Key: {_make_key(store, keys)}"]),
                "JWT": (signed, [f"Authorization: Bearer {signs.token('customer-1')}"]),
            }
            for name, (server, headers) in servers.items():
                _hold(server, headers)
                _resume(server, headers, 200)
                found[name] = []
            for number in bench.each_round():
                if number and bench.late:
                    break
                for name in alternated(list(servers), number):
                    server, headers = servers[name]
                    until_quiet([server.process])
                    total = bench.scaled(1500, 300)
                    found[name].append(
                        undisturbed(
                            lambda s=server, h=headers, n=total: _resume(s, h, n), bench.deadline
                        )
                    )
    for name, more in (("no authentication", 0.0), ("API key", 0.1)):
        for quantile, goal in (("p50", 0.25), ("p99", 0.5)):
            work = f"first event of a resubscribe, {name}, {quantile}"
            values = [one.ms("first", quantile) for one in found[name]]
            outcome.rows.append(at_most(work, goal + more, values, "ms"))
    for quantile in ("p50", "p99"):
        told = spread([one.ms("first", quantile) for one in found["JWT"]], lambda v: f"{v:.2f}")
        outcome.rows.append(Row(f"first event of a resubscribe, JWT, {quantile}", "", f"{told} ms"))
    outcome.details = {name: [dict(one.told) for one in runs] for name, runs in found.items()}
    return outcome


def _make_key(store: Server, settings: Mapping[str, str]) -> str:
    """Make an API key as a user would."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("A2A_")}
    made = subprocess.run(
        [sys.executable, "-m", "a2a_streaming", "keys", "create", "customer-1"],
        env={**environ, **settings, "A2A_REDIS_URL": f"redis://127.0.0.1:{store.port}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.splitlines()[0]


def _hold(server: Server, headers: Sequence[str]) -> None:
    """Begin a task of 20 events that stays open."""
    sent = dict(one.split(": ", 1) for one in headers)
    message = {"messageId": "hold", "role": "ROLE_USER", "parts": [{"text": "20"}]}
    params = {"message": message, "configuration": {"returnImmediately": True}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
    answer = server.post("/", body, {**sent, "A2A-Version": "1.0"})
    if "error" in answer:
        raise RuntimeError(json.dumps(answer["error"]))
    _TASKS[server.port] = answer["result"]["task"]["id"]
    time.sleep(0.3)


_TASKS: dict[int, str] = {}


def _resume(server: Server, headers: Sequence[str], total: int) -> Loaded:
    task = _TASKS[server.port]
    return load(
        process=server.process,
        mode="ask",
        port=server.port,
        header=[JSON, *headers],
        body=f'{{"jsonrpc":"2.0","id":1,"method":"tasks/resubscribe","params":{{"id":"{task}"}}}}',
        path="/rpc/0.1",
        conns=1,
        total=total,
        until="first",
        seconds=60,
    )
