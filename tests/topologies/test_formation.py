"""What the doctor says of how Redis' servers stand together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2a_streaming.backbone.formation import ClusterFacts, SentinelFacts, read_nodes
from a2a_streaming.ops.doctor import of_formation

WELL = ClusterFacts(3, 0)
WATCHED = SentinelFacts(3, 0, 3, 2, 1, 1, "")
NODES = """\
aa 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [93->-bb]
bb 127.0.0.1:7001@17001,host master - 0 0 2 connected 5461-10921
cc 127.0.0.1:7002@17002 master,fail - 0 0 3 disconnected 10922-16382
dd 127.0.0.1:7003@17003 slave aa 0 0 1 connected
ee 127.0.0.1:7004@17004 master - 0 0 4 connected 16383
"""


def test_what_a_cluster_tells_is_read() -> None:
    facts = read_nodes([NODES], ["127.0.0.1:7000"])
    assert facts == ClusterFacts(
        primaries=3,
        uncovered=5461,
        alone=["127.0.0.1:7001", "127.0.0.1:7004"],
        down=["127.0.0.1:7002"],
        failing=["127.0.0.1:7000"],
        moving=["127.0.0.1:7000"],
    )


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (WELL, "ok", "3 primaries, each with a replica"),
        (replace(WELL, uncovered=1), "wrong", "1 of 16384 slots"),
        (replace(WELL, failing=["a:1"]), "wrong", "takes no commands"),
        (replace(WELL, down=["a:1"]), "warning", "a:1 is down"),
        (replace(WELL, alone=["a:1"]), "warning", "no replica"),
        (replace(WELL, moving=["a:1"]), "warning", "on their way"),
        (WATCHED, "ok", "quorum 2"),
        (replace(WATCHED, problem="NOQUORUM"), "wrong", "can't do a failover: NOQUORUM"),
        (replace(WATCHED, agree=2), "wrong", "2 different primaries"),
        (replace(WATCHED, silent=1), "warning", "1 of the 3"),
        (replace(WATCHED, known=2, quorum=1), "warning", "2 sentinels, of which 1 must agree"),
        (replace(WATCHED, replicas=0), "wrong", "no replica"),
    ],
)
def test_each_fault_of_a_formation_is_found_with_a_remedy(
    facts: ClusterFacts | SentinelFacts, level: str, words: str
) -> None:
    [finding] = of_formation(facts)
    assert finding.level == level
    assert words in finding.said
    assert bool(finding.remedy) == (level != "ok")


def test_a_server_alone_has_no_formation() -> None:
    assert of_formation(None) == []
