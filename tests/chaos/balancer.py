"""nginx before several fronts: no stickiness, nothing buffered, whoever doesn't answer is passed by."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from processes import free_port

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream fronts {{
{servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://fronts;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_connect_timeout 2s;
            # A front that ends answers new requests with 503: nothing of them was done, so another one may.
            proxy_next_upstream error timeout http_503 non_idempotent;
        }}
    }}
}}
"""


def nginx() -> str | None:
    """Where nginx is; None where there is none."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Balancer:
    """One nginx.

    Args:
        fronts: The fronts' ports.
        directory: For its files.
    """

    def __init__(self, fronts: Sequence[int], directory: Path) -> None:
        self._fronts = fronts
        self._directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        program = nginx()
        assert program is not None, "nginx is needed: apt-get install nginx"
        self._directory.mkdir(parents=True, exist_ok=True)
        servers = "\n".join(
            f"        server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in self._fronts
        )
        file = self._directory / "nginx.conf"
        file.write_text(
            _CONFIGURATION.format(directory=self._directory, servers=servers, port=self.port)
        )
        command = [program, "-p", str(self._directory), "-c", str(file)]
        self._process = subprocess.Popen([*command, "-e", str(self._directory / "nginx.log")])
        deadline = time.monotonic() + 20
        while not self._listens():
            assert self._process.poll() is None, "nginx ended at its start"
            assert time.monotonic() < deadline, "nginx doesn't listen"
        return self

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
