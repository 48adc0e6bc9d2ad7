"""The benchmarks' pure parts: what they make of figures, and what they send."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bench import report
from bench.requests import EACH_ITS_OWN, subscribe
from bench.rounds import Picture, Row, against, alternated, at_least, at_most, thousands
from bench.svg import ceiling, draw
from bench.tasks import Recorder, chunk, recording_log
from bench.template import NUMBER, OFFSET, TEXT, packed, places, write_template

from a2a_streaming.backbone.log import Batch, Grant
from a2a_streaming.event import encode
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings


def test_a_row_tells_the_median_and_whether_it_reaches_its_goal() -> None:
    assert at_most("w", 0.5, [0.9, 0.2, 0.4], "ms") == Row(
        "w", "≤ 0.5 ms", "0.40 (0.20 to 0.90) ms", 0.8, True
    )
    assert at_least("w", 100_000, [50_000], "events/s") == Row(
        "w", "≥ 100 k events/s", "50 k events/s", 0.5, False
    )


def test_a_ratio_is_the_median_of_pairs_of_the_same_round() -> None:
    # Of medians it would be 1: but in each round but one, ours is twice theirs.
    row = against("w", 1.2, "nchan", [20, 200, 30], [10, 100, 60], "deliveries/s")
    assert (row.ratio, row.met) == (2, True)


def test_every_other_round_goes_backwards() -> None:
    assert [alternated(["a", "b", "c"], n) for n in (0, 1)] == [["a", "b", "c"], ["c", "b", "a"]]


@pytest.mark.parametrize(
    ("value", "told"), [(99.5, "99.5"), (967, "967"), (9_949, "9949"), (1_714_000, "1.71 M")]
)
def test_rates_are_told_shortly(value: float, told: str) -> None:
    assert thousands(value) == told


async def test_a_template_is_the_products_own_call_with_places_for_numbers(tmp_path: Path) -> None:
    grant = Grant(
        task_id="t1",
        holder="h",
        epoch=17,
        previous_epoch=16,
        base=Position(16, 1),
        attempt=1,
        canceled=False,
        escalated=False,
        damaged=False,
        task_ended=False,
        begun=False,
        owner="",
        agent="a",
        context="c",
        entry=None,
        task={"id": "t1"},
        steps={},
        tail_bytes=0,
    )
    recorder = Recorder()
    batch = Batch(number=NUMBER, offset=OFFSET, events=[encode(chunk(grant, TEXT))])
    await recording_log(recorder, Settings()).append(grant, batch)
    (command,) = recorder.commands
    head, _, rest = write_template(tmp_path / "template", command).read_bytes().partition(b"\n")
    assert rest == command
    assert [kind for _, _, kind in places(command)] == ["n", "o", "s", "t"]
    for place in head.decode().split():
        at, width, _ = place.split(":")
        assert re.fullmatch(rb"\d+", command[int(at) : int(at) + int(width)])


def test_commands_are_packed_as_redis_reads_them() -> None:
    assert packed(["SET", "ä", 1]) == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa4\r\n$1\r\n1\r\n"


def test_a_connection_may_have_a_json_rpc_id_of_its_own() -> None:
    body = subscribe("t1", EACH_ITS_OWN).replace("{i}", "42")
    assert json.loads(body)["id"] == 42


def test_the_page_gets_the_results_and_pictures_of_whole_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    machine = {"cpu": "x", "cores": "2", "kernel": "6", "python": "3.11", "when": "2026-01-01"}
    picture = {
        "title": "Cost & rate",
        "across": "x",
        "up": "y",
        "curves": {"ours": [[1, 2], [9, 4]]},
    }
    row = {"work": "w", "goal": "≤ 1 ms", "measured": "0.5 ms", "ratio": 0.5, "met": True}
    told = {"machine": machine, "notes": [], "rows": [row]}
    (tmp_path / "a.json").write_text(json.dumps({**told, "pictures": {"cost": picture}}))
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "b.json").write_text(json.dumps({**told, "pictures": {}}))
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- bench:table -->\nold\n<!-- /bench:table -->\nbetween\n"
        "<!-- bench:pictures -->\n<!-- /bench:pictures -->\nafter\n"
    )
    missing = report.write(["a", "b", "c"], page, tmp_path / "pictures")
    assert missing == ["b", "c"]
    text = page.read_text()
    assert "| w | ≤ 1 ms | 0.5 ms | 0.50 | yes |" in text
    assert "![Cost & rate](pictures/cost.svg)" in text
    assert "old" not in text
    assert [text.index(word) for word in ("before", "between", "after")] == sorted(
        text.index(word) for word in ("before", "between", "after")
    )
    assert (tmp_path / "pictures" / "cost.svg").exists()


def test_a_picture_is_well_formed_whatever_its_names() -> None:
    curves = {"<ours> & co": [(1.0, 0.5), (1000.0, 3.1)], "one point": [(10.0, 2.0)]}
    drawn = draw(Picture("a < b", "x & y", "µs", curves))
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - made here
    assert [ceiling(v) for v in (0, 3.1, 9.5, 100, 130)] == [1, 4, 10, 100, 200]
