"""The servers that are measured: the product, its peers, and the limit."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2a_streaming.backbone.server import find_server
from bench.machine import (
    CACHE,
    LOAD_CORE,
    ROOT,
    SERVER_CORE,
    Process,
    free_port,
    process,
    until_listening,
)

NCHAN_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/local/lib/nginx/modules/ngx_nchan_module.so"),
)


@dataclass(frozen=True)
class Server:
    """A server.

    Args:
        port: Where it listens.
        process: Its process.
    """

    port: int
    process: Process

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Send JSON, and return what is answered."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())


@contextmanager
def redis(
    folder: Path, *, core: int | Iterable[int] = LOAD_CORE, fsync: str = "everysec"
) -> Iterator[Server]:
    """Run a Redis of its own, on a port, with the embedded store's options.

    Args:
        folder: Where it may keep its files.
        core: Its core.
        fsync: When it syncs what it has appended to its file; `off` keeps no file.
    """
    port = free_port()
    data = folder / f"redis-{port}"
    data.mkdir()
    kept = ["--appendonly", "no"] if fsync == "off" else ["--appendonly", "yes"]
    policy = [] if fsync == "off" else ["--appendfsync", fsync]
    command = [str(find_server()), "--bind", "127.0.0.1", "--port", str(port)]
    options = ["--dir", str(data), "--save", "", "--maxmemory-policy", "noeviction"]
    with process([*command, *options, *kept, *policy], core=core, log=folder / "redis.log") as p:
        until_listening(port, p)
        yield Server(port, p)


@contextmanager
def product(
    target: str,
    store: Server | None,
    folder: Path,
    *options: str,
    core: int | Iterable[int] = SERVER_CORE,
    data: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the product as a user would, and wait until it is ready.

    Args:
        target: `up`, or what `serve` serves.
        store: Its Redis; None for the embedded one.
        folder: Where it may keep its files.
        options: More of the command line's options.
        core: Its core.
        data: Its data directory, if it is shared.
        settings: Settings.
    """
    port = free_port()
    command = [sys.executable, "-m", "a2a_streaming"]
    command += ["up"] if target == "up" else ["serve", target]
    environment = {
        "A2A_DATA_DIR": str(data or folder / f"data-{port}"),
        "A2A_LOG_LEVEL": "error",
        **(settings or {}),
    }
    if store is not None:
        environment["A2A_REDIS_URL"] = f"redis://127.0.0.1:{store.port}"
    log = folder / f"product-{port}.log"
    whole = [*command, "--port", str(port), *options]
    with process(whole, core=core, log=log, env=environment) as p:
        server = Server(port, p)
        until_ready(server)
        yield server


def until_ready(server: Server, seconds: float = 30) -> None:
    """Wait until the product says that it is ready.

    Raises:
        RuntimeError: It has ended, or takes too long.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        server.process.check()
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    raise RuntimeError("the product didn't become ready")


@contextmanager
def limit() -> Iterator[Server]:
    """Run the C program that does nothing but send."""
    port = free_port()
    log = CACHE / "limit.log"
    with process([str(CACHE / "limit"), str(port)], core=SERVER_CORE, log=log) as p:
        until_listening(port, p)
        yield Server(port, p)


def has_nchan() -> bool:
    """Whether nginx with nchan is on this machine."""
    return shutil.which("nginx") is not None and _nchan_module() is not None


def _nchan_module() -> Path | None:
    return next((path for path in NCHAN_MODULES if path.exists()), None)


_NGINX = """
{user}
load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile {files}; pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections {connections}; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  nchan_shared_memory_size 256M; nchan_message_buffer_length 50000; nchan_message_timeout 10m;
  upstream store {{ nchan_redis_server redis://127.0.0.1:{store}; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/publish/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_redis_pass store; }}
    location ~ ^/watch/(.+)$ {{
      nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest;
      nchan_redis_pass store;
    }}
    location ~ ^/replay/(.+)$ {{
      nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message oldest;
      nchan_redis_pass store;
    }}
  }}
}}
"""


@contextmanager
def nchan(store: Server, folder: Path, files: int) -> Iterator[Server]:
    """Run nginx with nchan, one worker, on a Redis.

    Args:
        store: The Redis.
        folder: Where it may keep its files.
        files: How many files it may open.
    """
    port = free_port()
    place = folder / f"nginx-{port}"
    place.mkdir()
    (place / "nginx.conf").write_text(
        _NGINX.format(
            user="user root;" if _is_root() else "",
            module=_nchan_module(),
            folder=place,
            store=store.port,
            port=port,
            files=files,
            connections=max(1024, files - 500),
        )
    )
    command = ["nginx", "-p", str(place), "-c", str(place / "nginx.conf")]
    command += ["-e", str(place / "nginx-error.log")]
    with process(command, core=SERVER_CORE, log=place / "nginx.log") as p:
        until_listening(port, p)
        time.sleep(1)  # it answers before it has reached its Redis
        yield Server(port, p)


def _is_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


@contextmanager
def sdk(folder: Path) -> Iterator[Server]:
    """Run a2a-sdk's own server, with its default handler and store."""
    port = free_port()
    command = [sys.executable, "-m", "bench.peer_sdk", str(port)]
    with process(command, core=SERVER_CORE, log=folder / "sdk.log", cwd=ROOT) as p:
        until_listening(port, p)
        yield Server(port, p)
