"""Run the protocol's conformance kit against a real server of ours, over every transport.

The kit is fetched by whoever runs this (a2aproject/a2a-tck, branch 1.0-dev), and named by A2A_TCK.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
CACHE = ROOT / ".cache" / "conformance"


def main() -> int:
    """Run it; the exit code is the kit's."""
    kit = Path(os.environ.get("A2A_TCK", ""))
    if not (kit / "run_tck.py").is_file():
        print("Set A2A_TCK to the folder of the kit: a2aproject/a2a-tck, branch 1.0-dev.")
        return 2
    python = _prepared(kit)
    http, grpc = _free_port(), _free_port()
    program = [sys.executable, "-m", "a2a_streaming", "serve", "apps.conformance:Conformance"]
    ports = ["--port", str(http), "--grpc-port", str(grpc)]
    with tempfile.TemporaryDirectory() as data:
        env = {
            **os.environ,
            "A2A_DATA_DIR": data,
            "A2A_PUSH_PRIVATE": "true",
            "A2A_LOG_LEVEL": "error",
        }
        with subprocess.Popen([*program, *ports], cwd=TESTS, env=env) as server:
            try:
                _until_ready(http)
                options = ["--sut-host", f"http://127.0.0.1:{http}", "--"]
                plugin = ["-p", "conformance_plugin", "-ra", *sys.argv[1:]]
                kit_env = {**os.environ, "PYTHONPATH": str(TESTS)}
                run = [str(python), "run_tck.py", *options, *plugin]
                return subprocess.run(run, cwd=kit, env=kit_env, check=False).returncode
            finally:
                server.send_signal(signal.SIGTERM)


def _prepared(kit: Path) -> Path:
    """Return a Python that has what the kit needs."""
    python = CACHE / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", str(CACHE)], check=True)
        install = ["pip", "install", "--quiet", "--python", str(python), "-r", "pyproject.toml"]
        subprocess.run([*uv, *install], cwd=kit, check=True)
    return python


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("The server didn't start.")


if __name__ == "__main__":
    sys.exit(main())
