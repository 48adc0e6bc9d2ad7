"""The rights of Redis users: the tables are as the code has them, and each role works under its own, and no more."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis.asyncio
from redis.exceptions import NoPermissionError, ResponseError

import a2a_streaming.backbone
from a2a_streaming.backbone.keys import KEYS
from a2a_streaming.backbone.rights import ACCESS, CHANNELS, COMMANDS, ROLES, Role, rules, user
from agents import true
from processes import ran, started
from receivers import receiving
from streams import called, message, states
from tasks import until

BACKBONE = Path(a2a_streaming.backbone.__file__).parent
CONTAINERS = {"CLIENT", "CONFIG", "SCRIPT", "XGROUP", "XINFO"}
AGENT = "apps.overseen:OverseenAgent"
TOLD = {
    *("BEHIND", "BUSY", "GONE", "INBOX", "TERMINAL", "OOM", "NOSCRIPT", "CREATED", "BUSYGROUP"),
    *("NOGROUP", "COUNT", "AUTH", "NOPERM"),
}
"""Words in capitals that are no commands that need a right."""
LIMITS = """
[[limits]]
name = "slow"
measure = "working"
seconds = 0.3
"""


def called_by(script: str) -> set[str]:
    """The commands that a Lua script calls."""
    source = (BACKBONE / "lua" / f"{script}.lua").read_text()
    return set(re.findall(r"redis\.p?call\('([A-Z]+)'", source))


def asked_by(source: str) -> set[str]:
    """The commands that a module of the backbone asks for, by the lists and calls that begin with one."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        name = ""
        match node:
            case ast.List(elts=words) | ast.Tuple(elts=words):
                pass
            case ast.Call(args=words):
                name = getattr(node.func, "id", "")
            case _:
                continue
        match [word.value if isinstance(word, ast.Constant) else "" for word in words[:2]]:
            case [str(first), *_] if name == "Script":
                found |= called_by(first)
            case [str(first), *rest] if re.fullmatch(r"[A-Z]{3,}", first) and first not in TOLD:
                found.add(f"{first}|{rest[0]}" if first in CONTAINERS else first)
            case _:
                pass
    return {command.lower() for command in found}


def test_each_module_of_the_backbone_may_do_what_it_does_and_nothing_else() -> None:
    asked = {file.stem: asked_by(file.read_text()) for file in BACKBONE.glob("*.py")}
    allowed: dict[str, set[str]] = {}
    for module, _, commands in COMMANDS:
        allowed.setdefault(module, set()).update(commands.split())
    assert {module: told for module, told in asked.items() if told} == allowed


def test_every_key_and_channel_has_its_rights() -> None:
    assert {k.pattern for k in KEYS if k.type != "channel"} == set(ACCESS)
    assert {k.pattern for k in KEYS if k.type == "channel"} == set(CHANNELS)


def test_a_prefix_is_taken_as_it_is() -> None:
    assert r"~a\*b:task:{*}:meta" in rules("front", prefix="a*b:")
    assert r"&a\*b:channel:control" in rules("operator", prefix="a*b:")


def test_a_password_is_told_as_its_digest_alone(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    told = ran(
        *("acl", "--role", "front", "--name", "web", "--password-file", str(file), "--commands")
    ).stdout
    digest = hashlib.sha256(b"correct horse").hexdigest()
    assert told.startswith(f"ACL SETUSER web reset on #{digest} resetkeys")
    assert '"(+del ~auth:key:*)"' in told
    assert "horse" not in told


@pytest.fixture
async def users(raw: redis.asyncio.Redis, redis_socket: Path) -> AsyncIterator[dict[Role, str]]:
    """An address for each role, with a user of its own; at the end nobody was refused anything."""
    for role in ROLES:
        told = user(role, role, password="right", apart=await tells_apart(raw))  # noqa: S106
        words = re.findall(r"\([^)]*\)|\S+", told)
        await raw.execute_command("ACL", "SETUSER", *words[1:])
    await raw.execute_command("ACL", "LOG", "RESET")
    yield {role: f"unix://{role}:right@{redis_socket}" for role in ROLES}
    flat: Any = await raw.execute_command("ACL", "LOG")
    await raw.execute_command("ACL", "DELUSER", *ROLES)
    refused = [dict(zip(one[::2], one[1::2], strict=True)) for one in flat]
    # As ops, `doctor --repair` does without the configuration.
    of_doctor = (b"ops", b"config")
    missed = [
        one for one in refused if (one[b"username"], one[b"object"].partition(b"|")[0]) != of_doctor
    ]
    assert missed == []


async def tells_apart(raw: redis.asyncio.Redis) -> bool:
    """Whether the server tells reading from writing."""
    info: Any = await raw.info("server")
    return "valkey_version" in info or not info["redis_version"].startswith("6.")


@pytest.mark.timeout(180)  # it starts eight processes, on whatever machine
async def test_each_role_does_all_its_work_under_its_own_rights(
    users: dict[Role, str], raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    limits = tmp_path / "sla.toml"
    limits.write_text(LIMITS)

    def under(role: Role) -> dict[str, Any]:
        return {
            "A2A_REDIS_URL": users[role],
            "A2A_AUTH_KEYS": "true",
            "A2A_JANITOR_SECONDS": "0.2",
            "A2A_PUSH_PRIVATE": "true",
            "A2A_SEND_SECONDS": "0.2",
            "A2A_ARCHIVE_URL": f"file://{tmp_path}/archive",
            "A2A_SLA": str(limits),
            "data_dir": tmp_path / role,
        }

    def key(role: str, who: str) -> str:
        told = ran("keys", "create", who, "--role", role, A2A_REDIS_URL=users["operator"])
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()

    customer, operator = key("customer", "anna"), key("operator", "otto")
    serve = ("serve", AGENT, "--role")
    with (
        started(*serve, "front", **under("front")) as front,
        started(*serve, "worker", **under("worker")) as worker,
        started("ops", **under("ops")) as ops,
    ):
        async with (
            receiving() as receiver,
            httpx2.AsyncClient(timeout=20, headers={"X-API-Key": customer}) as anna,
            httpx2.AsyncClient(timeout=20, headers={"X-API-Key": operator}) as otto,
        ):
            url = f"{front.url}/"
            told = await called(anna, url, "tasks/sendSubscribe", "t1", message("hello"))
            assert states(told) == ["submitted", "completed"]
            assert (await called(anna, url, "tasks/resubscribe", "t1"))[-1].id == told[-1].id
            asking = await called(anna, url, "tasks/sendSubscribe", "t2", message("ask"))
            assert states(asking)[-1] == "input-required"
            hook = {"url": receiver.url}
            body = {"id": "t2", "pushNotificationConfig": hook}
            await rpc(anna, url, "tasks/pushNotification/set", body)
            await rpc(anna, url, "tasks/cancel", {"id": "t2"})
            await until(lambda: true(receiver.taken))
            await rpc(anna, url, "tasks/send", {"id": "t3", "message": message("hang")})
            api = f"{front.url}/ops/api"

            async def alerts() -> list[Any]:
                answer = (await otto.get(f"{api}/alerts")).json()
                return answer["alerts"]

            await until(alerts)
            [alert, *_] = await alerts()
            reason = {"reason": "to see"}
            for asked in (
                await otto.post(f"{api}/alerts/{alert['id']}/acknowledge", json=reason),
                await otto.get(f"{api}/summary"),
                await otto.get(f"{api}/tasks"),
                await otto.get(f"{api}/dead-letters"),
                await otto.post(f"{api}/tasks/{alert['task']}/retry", json=reason),
                await otto.get(f"{api}/tasks/{alert['task']}"),
                await otto.get(f"{ops.url}/ops/api/summary"),
                await otto.get(f"{ops.url}/ops/api/customer", params={"owner": "anna"}),
                await otto.get(f"{front.url}/metrics"),
                await otto.get(f"{worker.url}/metrics"),
                await otto.get(f"{ops.url}/metrics"),
            ):
                assert asked.status_code == 200, (asked.url, asked.text)
            await until(lambda: true((tmp_path / "archive").exists()))
            done = await called(anna, url, "tasks/resubscribe", "t3")
            assert states(done)[-1] == "completed"
            erased = await otto.post(f"{api}/customer/erase", json={"owner": "anna", **reason})
            assert erased.status_code == 200, erased.text
            assert await raw.zcard("auth:keys") == 1, "her key is gone with her"
            found = ran("doctor", "--json", A2A_REDIS_URL=users["operator"])
            assert '"check":"Redis: version","level":"ok"' in found.stdout
            repaired = ran("doctor", "--repair", A2A_REDIS_URL=users["ops"])
            assert "Cleaned up" in repaired.stdout
            janitor: Any = await raw.get("janitor")
            assert janitor is not None


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_may_do_what_their_role_neednt(
    users: dict[Role, str], raw: redis.asyncio.Redis, role: Role
) -> None:
    theirs = redis.asyncio.Redis.from_url(users[role], protocol=2)
    await raw.set("another:program", "its own")
    try:
        assert await theirs.execute_command("PING")
        for command in (
            *("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "SHUTDOWN", "MONITOR"),
            *("ACL LIST", "ACL WHOAMI", "CLIENT LIST", "CLIENT KILL ID 1", "SAVE"),
            *(
                "SWAPDB 0 1",
                "REPLICAOF no one",
                "RENAME task:{t} x",
                "SCRIPT FLUSH",
                "PSUBSCRIBE *",
            ),
            *("GET another:program", "HGETALL another:program", "DEL another:program"),
            "PUBLISH another:channel hello",
        ):
            with pytest.raises(NoPermissionError):
                await theirs.execute_command(*command.split())
        if not await tells_apart(raw):
            return
        if role != "operator":
            with pytest.raises(NoPermissionError):  # nobody makes keys but operators
                await theirs.execute_command("HSET", "auth:key:mine", "role", "operator")
            script = "return redis.call('HSET', 'auth:key:mine', 'role', 'operator')"
            with pytest.raises(ResponseError, match=r"(?i)perm|can't access"):
                await theirs.execute_command("EVAL", script, 0)
        else:
            with pytest.raises(NoPermissionError):
                await theirs.execute_command("GET", "auth:secret")
        if role == "front":
            for command in (
                "SCAN 0",
                "XREADGROUP GROUP workers me STREAMS work:a >",
                "GET janitor",
            ):
                with pytest.raises(NoPermissionError):
                    await theirs.execute_command(*command.split())
    finally:
        await theirs.aclose()
        await raw.execute_command("ACL", "LOG", "RESET")


async def rpc(http: httpx2.AsyncClient, url: str, method: str, params: dict[str, Any]) -> Any:
    """The result of a call."""
    body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
    answer = (await http.post(url, json=body)).json()
    assert "result" in answer, answer
    return answer["result"]
