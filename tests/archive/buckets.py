"""A server that speaks S3, in a process of its own: moto's."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from processes import free_port

_SERVE = "import sys; from moto.server import main; main(sys.argv[1:])"


@contextmanager
def s3() -> Iterator[str]:
    """Serve S3; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_up(url, process)
        yield url
    finally:
        process.kill()
        process.wait(10)


def _until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        assert process.poll() is None, "the S3 server ended at its start"
        try:
            httpx2.get(url, timeout=5)
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the S3 server didn't come up")


def bucket(url: str) -> dict[str, Any]:
    """Make a bucket; the settings that name it."""
    name = f"tasks-{uuid.uuid4().hex[:12]}"
    assert httpx2.put(f"{url}/{name}", timeout=10).status_code == 200
    return {
        "archive_url": f"s3://{name}/some/where",
        "archive_endpoint": url,
        "archive_region": "us-east-1",
        "archive_key_id": "key",
        "archive_secret": "secret",
    }
