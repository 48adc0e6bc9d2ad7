"""`keys`, as an operator uses it: on the embedded store, beside a running server and without one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx2

from processes import ran, started
from streams import message, request

AGENT = ("serve", "apps.greeting:GreetingAgent")


def keys(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `keys` says."""
    return ran("keys", *arguments, A2A_DATA_DIR=str(data))


def made(data: Path, *arguments: str) -> str:
    """A new key."""
    told = keys(data, *arguments)
    assert told.returncode == 0, told.stderr
    key = told.stdout.strip()
    assert re.fullmatch(r"a2a_[0-9a-f]{12}_[A-Za-z0-9-]{43}", key)
    return key


def id_of(key: str) -> str:
    """A key's public part."""
    return key.split("_")[1]


def listed(data: Path) -> list[list[str]]:
    """The rows of the list: id, role, owner, dates, name."""
    return [line.split() for line in keys(data, "list").stdout.splitlines()[1:]]


def sent(url: str, key: str) -> int:
    """The status of a message that is sent with a key."""
    body = request("tasks/send", "t1", message("hello"))
    return httpx2.post(f"{url}/", json=body, headers={"X-API-Key": key}, timeout=20).status_code


def test_a_key_is_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = made(data, "create", "anna", "--name", "phone")
    [row] = listed(data)
    assert row[:3] == [id_of(key), "customer", "anna"]
    assert row[-1] == "phone"
    with started(*AGENT, data_dir=data, A2A_AUTH_KEYS="true") as server:
        assert sent(server.url, key) == 200
        assert sent(server.url, "a2a_nobody") == 401
        new = made(data, "rotate", id_of(key), "--grace-hours", "0")
        assert sent(server.url, new) == 200
        [row] = listed(data)
        assert row[:3] == [id_of(new), "customer", "anna"]
        assert "is revoked" in keys(data, "revoke", id_of(new)).stdout
        assert listed(data) == []
    with started(*AGENT, data_dir=data, A2A_AUTH_KEYS="true") as server:
        assert sent(server.url, new) == sent(server.url, key) == 401


def test_a_rotated_key_is_good_for_a_while(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old = made(data, "create", "shop", "--role", "service")
    new = made(data, "rotate", id_of(old))
    assert [row[:3] for row in listed(data)] == [
        [id_of(key), "service", "shop"] for key in (old, new)
    ]


def test_what_isnt_there_or_cant_be_is_said_so(tmp_path: Path) -> None:
    for wrong in (("revoke", "0123456789ab"), ("rotate", "0123456789ab")):
        told = keys(tmp_path / "data", *wrong)
        assert told.returncode == 1
        assert "keys list" in told.stderr
    for wrong in (("create", " "), ("create", "anna", "--role", "king"), ("create",)):
        assert keys(tmp_path / "data", *wrong).returncode == 2


def test_with_authentication_it_listens_beyond_loopback_and_without_it_says_why_not(
    tmp_path: Path,
) -> None:
    beyond = (*AGENT, "--host", "0.0.0.0")
    told = ran(*beyond, "--port", "1", A2A_DATA_DIR=str(tmp_path))
    assert told.returncode == 1
    assert "A2A_AUTH_KEYS" in told.stderr
    with started(*beyond, data_dir=tmp_path / "data", A2A_AUTH_KEYS="true") as server:
        assert sent(server.url, "a2a_nobody") == 401


def test_a_users_tools_send_a_token(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = made(data, "create", "anna")
    with started(*AGENT, data_dir=data, A2A_AUTH_KEYS="true") as server:
        for token, code in ((key, 0), ("a2a_nobody", 1)):
            told = ran("send", "you", "--task", "t1", "--url", server.url, "--token", token)
            assert told.returncode == code, told.stderr
            assert ("completed" in told.stdout) == (code == 0)
