"""`audit` and `customers`, as operators use them: over HTTP, and on a file without any server."""

from __future__ import annotations

import json
from pathlib import Path

from test_api_keys import AGENT, made, sent

from processes import ran, started


def test_a_task_is_exported_checked_offline_and_its_customer_deleted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key, boss = made(data, "create", "anna"), made(data, "create", "boss", "--role", "operator")
    with started(*AGENT, data_dir=data, A2A_AUTH_KEYS="true") as server:
        asked = {"A2A_URL": server.url, "A2A_TOKEN": boss}
        assert sent(server.url, key) == 200
        own = ran("audit", "t1", "--url", server.url, "--token", key)
        assert own.returncode == 0, own.stderr
        lines = [json.loads(line)["entry"] for line in own.stdout.splitlines()]
        assert [line["kind"] for line in lines][:3] == ["task", "snapshot", "event"]
        head = own.stderr.split()[-1]
        file = tmp_path / "t1.jsonl"
        told = ran("audit", lines[0]["id"], "--to", str(file), **asked)
        assert told.returncode == 0, told.stderr
        assert head not in told.stderr  # it tells who has looked, too
        head = told.stderr.split()[-1]
        trail = ran("audit", **asked)
        assert head in trail.stdout
        refused = ran("audit", "t9", **asked)
        assert refused.returncode == 1
        assert refused.stderr.startswith("a2a-streaming: The agent answered with error 404")
        everything = ran("customers", "export", "anna", **asked)
        assert everything.returncode == 0, everything.stderr
        assert '"kind":"customer","owner":"anna"' in everything.stdout
        erased = ran("customers", "erase", "anna", "--yes", "--reason", "asked", **asked)
        assert erased.returncode == 0, erased.stderr
        assert json.loads(erased.stdout)["tasks"] == 1
        assert sent(server.url, key) == 401

    # The server is gone; the file proves itself.
    whole = ran("audit", "--verify", str(file), "--head", head)
    assert whole.returncode == 0, whole.stderr
    assert f"head {head}" in whole.stdout
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    cut = ran("audit", "--verify", str(file))
    assert cut.returncode == 1
    assert "the file was cut off" in cut.stderr
    assert ran("audit", "t1", "--verify", str(file)).returncode == 2
    away = ran("audit", "t1", "--url", "http://127.0.0.1:9")
    assert away.returncode == 1
    assert "No usable answer" in away.stderr
