"""The doctor: what it finds in a Redis, in processes, settings and databases, and what its command says."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from a2a_streaming.backbone.census import Queue
from a2a_streaming.backbone.health import KeyFacts, NodeFacts, RedisFacts
from a2a_streaming.event import FORMAT_VERSION
from a2a_streaming.ops.doctor import (
    Finding,
    of_clocks,
    of_keys,
    of_nodes,
    of_queues,
    of_redis,
    of_settings,
)
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from processes import free_port, ran, started
from tasks import accepted, connected, until

WELL = RedisFacts(
    info={
        "server_name": "valkey",
        "valkey_version": "9.1.0",
        "redis_version": "7.2.4",
        "role": "master",
        "aof_enabled": "1",
        "used_memory": "1000000",
    },
    config={"maxmemory-policy": "noeviction", "maxmemory": "0", "appendfsync": "everysec"},
    skew_ms=3.0,
    round_trip_ms=0.2,
)
NODE: dict[str, Any] = {
    "name": "host-1-abc",
    "version": "0.1.0",
    "role": "all",
    "agents": ["echo"],
    "format": FORMAT_VERSION,
    "lagMs": 1.0,
    "load": 0.1,
    "draining": False,
}


def not_well(found: list[Finding]) -> list[tuple[str, str]]:
    """Level and words of what isn't well."""
    return [(one.level, one.said) for one in found if one.level != "ok"]


def with_(info: dict[str, str] | None = None, config: dict[str, str] | None = None) -> RedisFacts:
    """A Redis that is well but for some of what it tells."""
    return replace(
        WELL, info={**WELL.info, **(info or {})}, config={**(WELL.config or {}), **(config or {})}
    )


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (
            with_(config={"maxmemory-policy": "allkeys-lru", "maxmemory": "9000000"}),
            "wrong",
            "allkeys-lru",
        ),
        (with_(config={"maxmemory-policy": "allkeys-lru"}), "warning", "allkeys-lru"),
        (with_(config={"maxmemory": "1100000"}), "wrong", "91% of its memory"),
        (with_({"evicted_keys": "7"}), "wrong", "7 keys were evicted"),
        (with_({"aof_enabled": "0"}), "warning", "keeps nothing"),
        (with_({"aof_enabled": "0"}, {"save": "3600 1"}), "warning", "last snapshot"),
        (with_(config={"appendfsync": "no"}), "warning", "reaches the disk"),
        (with_({"aof_last_write_status": "err"}), "wrong", "last write"),
        (with_({"rdb_last_bgsave_status": "err"}), "wrong", "last snapshot failed"),
        (with_({"role": "slave"}), "wrong", "replica"),
        (with_({"connected_slaves": "1"}), "warning", "failover"),
        (
            with_({"connected_slaves": "1", "slave0": "ip=1,state=online,offset=3,lag=60"}),
            "warning",
            "behind",
        ),
        (with_({"valkey_version": "6.0.9"}), "wrong", "too old"),
        (with_({"connected_clients": "95"}, {"maxclients": "100"}), "warning", "95 of 100"),
        (replace(WELL, config=None), "warning", "may not be asked"),
        (replace(WELL, round_trip_ms=80.0), "warning", "80 ms"),
    ],
)
def test_each_fault_of_redis_is_found_with_a_remedy(
    facts: RedisFacts, level: str, words: str
) -> None:
    assert not_well(of_redis(WELL)) == []
    replicas = int(facts.info.get("connected_slaves", 0))
    found = [one for one in of_redis(facts, replicas=replicas) if one.level != "ok"]
    assert [one.level for one in found] == [level]
    assert words in found[0].said
    assert found[0].remedy


def test_replicas_that_are_asked_for_and_not_there_or_there_and_not_asked_for_are_found() -> None:
    two = with_({"connected_slaves": "2"}, {"min-replicas-to-write": "1"})
    assert not_well(of_redis(two, replicas=2)) == []
    [(level, said)] = not_well(of_redis(two, replicas=3))
    assert (level, "3, and 2 replicas" in said) == ("wrong", True)
    [(level, said)] = not_well(of_redis(two))
    assert (level, "A2A_REDIS_REPLICAS is 0" in said) == ("warning", True)
    assert not_well(of_redis(WELL, replicas=1))[0][0] == "wrong"


def test_clocks_are_compared_with_redis() -> None:
    settings = Settings(lease_seconds=5)
    nodes = [NodeFacts(NODE, 4.0)]
    assert not_well(of_clocks(WELL, nodes, settings)) == []
    late = [NodeFacts(NODE, -2500.0)]
    assert not_well(of_clocks(WELL, late, settings)) == [
        ("warning", "The clock of host-1-abc is 2.5 s behind Redis'.")
    ]
    [(level, said)] = not_well(of_clocks(replace(WELL, skew_ms=-8000.0), nodes, settings))
    assert (level, said) == ("wrong", "The clock of this machine is 8.0 s ahead of Redis'.")
    unsure = replace(WELL, skew_ms=1500.0, round_trip_ms=2000.0)
    assert not_well(of_clocks(unsure, nodes, settings)) == []


def test_processes_of_several_versions_or_formats_and_late_ones_are_found() -> None:
    assert not_well(of_nodes([NodeFacts(NODE, 0)], FORMAT_VERSION)) == []
    mixed = [NodeFacts(NODE, 0), NodeFacts({**NODE, "version": "0.2.0"}, 0)]
    assert "1 of 0.1.0, 1 of 0.2.0" in not_well(of_nodes(mixed, FORMAT_VERSION))[0][1]
    [(level, said)] = not_well(of_nodes([NodeFacts(NODE, 0)], FORMAT_VERSION + 1))
    assert level == "wrong"
    assert "host-1-abc can't read it" in said
    late = [NodeFacts({**NODE, "lagMs": 1200.0}, 0)]
    assert "1.2 s late" in not_well(of_nodes(late, FORMAT_VERSION))[0][1]


def test_work_that_nobody_does_is_found() -> None:
    nodes = [NodeFacts(NODE, 0), NodeFacts({**NODE, "agents": ["shown"], "role": "front"}, 0)]
    queues = [Queue("echo", 0, 3, None), Queue("gone", 2, 1, 50), Queue("shown", 1, 0, 1)]
    assert not_well(of_queues(queues, nodes)) == [
        ("wrong", "3 tasks wait for the agent gone, and no process runs it."),
        ("wrong", "1 tasks wait for the agent shown, and no process runs it."),
    ]
    [(level, _)] = not_well(of_queues([Queue("echo", 5, 0, 60_000)], nodes))
    assert level == "warning"


def test_keys_without_a_lifetime_are_named() -> None:
    assert not_well(of_keys(KeyFacts(10, True, 0, []))) == []
    [(_, said)] = not_well(of_keys(KeyFacts(10, False, 4, ["a", "b", "c", "d"])))
    assert "4 of 10 keys (not all: there are too many) have no lifetime: a, b, c …" in said


def test_the_default_settings_contradict_nothing() -> None:
    assert not_well(of_settings(Settings(), files=None)) == []


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"handover_seconds": 400.0}, "wrong", "A2A_HANDOVER_SECONDS"),
        ({"redis_timeout": 9.0}, "warning", "A2A_REDIS_TIMEOUT"),
        ({"heartbeat_seconds": 60.0}, "wrong", "A2A_HEARTBEAT_SECONDS"),
        ({"send_seconds": 90.0}, "warning", "A2A_SEND_SECONDS"),
        ({"snapshot_ttl": 60}, "warning", "A2A_SNAPSHOT_TTL"),
        ({"open_ttl": 60}, "wrong", "A2A_OPEN_TTL"),
        ({"auth_audience": "support"}, "wrong", "A2A_AUTH_ISSUER"),
        ({"auth_secret": "x" * 32}, "warning", "nobody signs in"),
        ({"cors_origins": ["*"]}, "wrong", "A2A_CORS_ORIGINS"),
        ({"card_signing_jku": "https://x.example"}, "warning", "aren't signed"),
        ({"redis_url": "redis://:pw@far.example"}, "warning", "in the clear"),
        ({"database_url": "postgresql://localhost/x"}, "warning", "embedded store"),
        ({"auth_keys": True}, "warning", "A2A_PUBLIC_URL"),
        ({"auth_keys": True, "public_url": "http://shop.example"}, "wrong", "in the clear"),
    ],
)
def test_settings_that_contradict_each_other_are_found(
    changed: dict[str, Any], level: str, words: str
) -> None:
    [(found, said)] = not_well(of_settings(Settings(**changed), files=None))
    assert found == level
    assert words in said
    [(_, said)] = not_well(of_settings(Settings(), files=1024))
    assert "may open 1024 files" in said


async def test_facts_come_from_a_real_redis_and_its_processes(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    async with connected(settings, beat_seconds=0.5) as manager:
        await accepted(manager)
        health = manager.health
        facts, *_ = await health.redis()
        assert facts.product in ("valkey", "redis")
        assert facts.version[0].isdigit()
        assert abs(facts.skew_ms) < 500
        assert not [one for one in of_redis(facts) if one.level == "wrong"]
        assert (await health.keys(10)).endless == 0
        told = {**NODE, "seen": 0, "beatMs": 500}
        seconds, micros = await raw.time()
        told["seen"] = int(seconds) * 1000 + int(micros) // 1000 + 3000
        await manager.nodes.beat(NODE["name"], told, agents=["echo"], listed=True, moved=None)
        [node] = await health.nodes()
        assert 2500 < node.ahead_ms < 3500
        assert await manager.format.newest() == FORMAT_VERSION


def doctor(code: int, *arguments: str, **told: str) -> dict[str, list[dict[str, str]]]:
    """What the doctor finds, by what it looked at."""
    ended = ran("doctor", "--json", *arguments, **told)
    assert ended.returncode == code, ended.stdout + ended.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for line in ended.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one["check"], []).append(one)
    return found


def test_an_empty_data_directory_is_well_and_stays_empty(tmp_path: Path) -> None:
    found = doctor(0, "--data-dir", str(tmp_path / "data"))
    assert found["Redis"][0]["level"] == found["Database"][0]["level"] == "ok"
    assert not (tmp_path / "data").exists()
    words = ran("doctor", "--data-dir", str(tmp_path / "data"))
    assert "0 wrong" in words.stdout


def test_a_redis_that_cant_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"redis://user:secret@127.0.0.1:{free_port()}"
    ended = ran("doctor", A2A_REDIS_URL=url, A2A_DATA_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert "A2A_REDIS_URL" in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


async def test_what_is_wrong_is_found_and_repaired(
    redis_url: str, raw: redis.asyncio.Redis, settings: Settings, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    told = {"A2A_REDIS_URL": redis_url, "A2A_DATA_DIR": str(data)}
    with started("serve", "billing", data_dir=data, A2A_REDIS_URL=told["A2A_REDIS_URL"]) as server:
        async with connected(settings) as manager:
            await accepted(manager)
            await manager.index.record(
                "t1", owner="", context="c1", agent="lost", state=State.SUBMITTED, was=None
            )
            await manager.work("lost").prepare()
            await manager.work("lost").hint("t1")
            await raw.zadd("index:agents", {"lost": 9e15})
            await raw.persist("task:{t1}")
            await raw.zadd("index:owner:", {"gone": 1})
        found = doctor(
            1, **told, A2A_AGENTS=f"{server.url},http://127.0.0.1:{free_port()}/agents/none"
        )
        levels = {check: [one["level"] for one in all_] for check, all_ in found.items()}
        assert levels["Work"] == ["wrong"]
        assert levels["Keys"] == ["warning"]
        assert levels["Database"] == ["ok"]
        assert levels["Clocks"] == ["ok"]
        assert "1 of version" in found["Processes"][0]["said"]
        specialists = [
            one for check, all_ in found.items() if "Specialist" in check for one in all_
        ]
        assert [one["level"] for one in specialists] == ["ok", "wrong"]
        assert "Billing" in specialists[0]["said"]

        repaired = doctor(1, "--repair", **told)
        assert "1 keys, 1 tasks" in repaired["Repair"][0]["said"]
        assert repaired["Keys"][0]["level"] == "ok"
        assert await raw.zscore("index:owner:", "gone") is None
    await until(lambda: _none(raw))
    with closing(sqlite3.connect(data / "records.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    await raw.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = doctor(1, **told)
    finally:
        await raw.config_set("maxmemory-policy", "noeviction")
    assert found["Database"][0]["level"] == "wrong"
    assert "9999" in found["Database"][0]["said"]
    assert "allkeys-lru" in found["Redis: memory"][0]["said"]


async def _none(raw: redis.asyncio.Redis) -> bool:
    return not [key async for key in raw.scan_iter("node:*")]
