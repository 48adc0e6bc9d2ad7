"""Reverse proxies as they are shipped, before fronts of a test's."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from processes import environment, free_port
from programs import path_of

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
Fronts = Sequence[str]
"""Addresses as `127.0.0.1:8000`."""
Prepare = Callable[[int, Fronts, Path], tuple[list[str], dict[str, str]]]
"""Writes a proxy's configuration into a folder, and tells its command and its environment."""


def nginx(port: int, fronts: Fronts, folder: Path) -> tuple[list[str], dict[str, str]]:
    """nginx by our template, in the frame that Debian's package brings."""
    text = (DEPLOY / "nginx" / "a2a-streaming.conf.template").read_text()
    filled = {
        "A2A_LISTEN": f"127.0.0.1:{port}",
        "A2A_NAME": "127.0.0.1",
        "A2A_FRONTS": " ".join(f"server {front};" for front in fronts),
    }
    for name, value in filled.items():
        text = text.replace(f"${{{name}}}", value)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 2; pid {folder}/pid; error_log stderr warn;\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off; {places}\n{text}}}\n"
    )
    command = [
        path_of("nginx"),
        "-e",
        "stderr",
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
    ]
    return command, {}


def caddy(port: int, fronts: Fronts, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Caddy by our Caddyfile."""
    command = [path_of("caddy"), "run", "--adapter", "caddyfile"]
    kept = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    told = {"A2A_SITE": f"http://127.0.0.1:{port}", "A2A_FRONTS": " ".join(fronts)}
    # Its own port for operators is everybody's on a machine: not in a test.
    text = (DEPLOY / "caddy" / "Caddyfile").read_text()
    text = text.replace("\tgrace_period", "\tadmin off\n\tgrace_period", 1)
    (folder / "Caddyfile").write_text(text)
    return [*command, "--config", str(folder / "Caddyfile")], {**kept, **told}


def envoy(port: int, fronts: Fronts, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Envoy by our example, with other addresses."""
    config = yaml.safe_load((DEPLOY / "envoy" / "envoy.yaml").read_text())
    [listener], [cluster] = (
        config["static_resources"]["listeners"],
        config["static_resources"]["clusters"],
    )
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    cluster["load_assignment"]["endpoints"] = [
        {"lb_endpoints": [_endpoint(front) for front in fronts]}
    ]
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    command = [path_of("envoy"), "-c", str(folder / "envoy.yaml"), "--log-level", "warning"]
    return [*command, "--concurrency", "1", "--disable-hot-restart"], {}


def _endpoint(front: str) -> dict[str, object]:
    host, _, port = front.partition(":")
    address = {"socket_address": {"address": host, "port_value": int(port)}}
    return {"endpoint": {"address": address}}


@contextmanager
def running(prepare: Prepare, fronts: Fronts, folder: Path) -> Iterator[str]:
    """A proxy before fronts; its URL."""
    port = free_port()
    command, told = prepare(port, fronts, folder)
    with (folder / "said").open("w+") as said:
        proxy = subprocess.Popen(
            command, env=environment(**told), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            _until_listening(port, proxy)
            yield f"http://127.0.0.1:{port}"
        finally:
            proxy.terminate()
            try:
                proxy.wait(5)
            except subprocess.TimeoutExpired:  # a test has failed, and left streams open
                proxy.kill()
                proxy.wait(5)
            said.seek(0)
            print(said.read())


def _until_listening(port: int, proxy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert proxy.poll() is None, "the proxy ended at its start"
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the proxy doesn't listen")
