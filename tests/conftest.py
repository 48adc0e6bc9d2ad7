"""Fixtures: a real Redis for each test process, a real server, real HTTP clients."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import jsonschema
import pytest
import redis.asyncio
import uvicorn
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from starlette.types import ASGIApp

from a2a_streaming.settings import Settings
from customer_service.records.databases import Filled, postgresql, program
from servers import Cluster, Server, Watched, client_of, cluster, sentinel, single, wanted

hypothesis_settings.register_profile(
    "suite",
    deadline=None,  # timing belongs in the benchmarks
    max_examples=50,  # the suite's minutes are few; each run draws others
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what looks at one server's own doings, where there are several."""
    if wanted().kind == "single":
        return
    for item in items:
        if (mark := item.get_closest_marker("one_server")) is not None:
            item.add_marker(pytest.mark.skip(reason=f"needs one server: {mark.args[0]}"))


@pytest.fixture(scope="session")
def store() -> Iterator[Server | Cluster | Watched]:
    """The Redis of this test process's own: one server, or what A2A_TEST_STORE says."""
    kind, binary = wanted()
    begun = {"single": single, "cluster": cluster, "sentinel": sentinel}[kind](binary)
    with begun as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_url(store: Server | Cluster | Watched) -> str:
    """Its address."""
    return store.url


@pytest.fixture(scope="session")
def redis_socket(store: Server | Cluster | Watched) -> Path:
    """The socket of its only server, for what needs that: a proxy in between, or a server's own commands."""
    if not isinstance(store, Server):
        pytest.skip("needs a store of one server")
    return store.socket


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[None]:
    """Fail a test in which our code blocks the event loop."""
    with blockbuster_ctx("a2a_streaming") as buster:
        # redis-py looks up its own version when a client is made, once.
        for function in buster.functions.values():
            function.can_block_in("importlib/metadata/__init__.py", "mtime")
            function.can_block_in("importlib/metadata/__init__.py", "read_text")
            # Our canned replies are read when their module is imported, wherever a test is the first to do so.
            function.can_block_in("handover/canned.py", "_load")
            # asyncpg looks for a file of passwords when a connection is made.
            function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")
        yield


@pytest.fixture
async def raw(store: Server | Cluster | Watched) -> AsyncIterator[redis.asyncio.Redis]:
    """A plain client of an empty Redis, to look at what is stored."""
    client = client_of(store)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def settings(redis_url: str, raw: redis.asyncio.Redis, tmp_path: Path) -> Settings:
    """Settings of a process that uses the test's Redis; quick enough for tests."""
    return Settings(
        redis_url=redis_url,
        data_dir=tmp_path / "data",
        lease_seconds=2.0,
        cancel_seconds=1.0,
    )


SCHEMA = "A2A_V01_SCHEMA"
Validate = Callable[[str, Any], None]
"""Validates a value as what the first dialect's schema calls by that name."""


@pytest.fixture(scope="session")
def validate() -> Validate:
    """The first dialect's own schema, where there is a copy of it."""
    path = os.environ.get(SCHEMA)
    if not path:
        pytest.skip(f"{SCHEMA} doesn't name the JSON schema of the first dialect")
    schema = json.loads(Path(path).read_text())
    kinds: dict[str, jsonschema.Draft7Validator] = {}

    def check(kind: str, value: Any) -> None:
        if kind not in kinds:
            kinds[kind] = jsonschema.Draft7Validator(
                {"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]}
            )
        kinds[kind].validate(value)

    return check


class Served:
    """A real server in this process: uvicorn on a loopback port."""

    def __init__(self, url: str, server: uvicorn.Server, task: asyncio.Task[None]) -> None:
        self.url = url
        self.server = server
        self.task = task


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    lifespan: Literal["on", "off"] = "on",
    config: Callable[[ASGIApp], uvicorn.Config] | None = None,
) -> AsyncIterator[Served]:
    """Serve an application over real HTTP: as any server does, or by a configuration of ours."""
    # Named, because asyncio switches Nagle's algorithm off only where it knows that it is TCP.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    configured = config(app) if config is not None else uvicorn.Config(app, log_config=None)
    configured.lifespan = lifespan
    configured.access_log = False
    configured.timeout_graceful_shutdown = 2
    server = uvicorn.Server(configured)
    task = asyncio.create_task(server._serve([listening]))
    while not server.started:
        if task.done():
            task.result()
            raise AssertionError("the server ended at its start")
        await asyncio.sleep(0.005)
    try:
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", server, task)
    finally:
        server.should_exit = True
        await task
        listening.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client."""
    async with httpx2.AsyncClient(timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Copies databases that were filled with the demo company's books before."""
    return Filled(tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL of this test process's own; a URL without a database's name."""
    if program("postgres") is None and os.environ.get("CI") != "true":
        pytest.skip("not on PATH: postgres")
    with postgresql() as url:
        yield url
