"""What watchers that read nothing cost a process.

python -m chaos.stalled --watchers 200
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
import time
from pathlib import Path

import httpx2

from processes import started


def resident(pid: int) -> int:
    """KiB of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def cost(watchers: int, events: int) -> float:
    """KiB a watcher that has asked for a long story and reads none of it."""
    with (
        tempfile.TemporaryDirectory(prefix="a2a-stalled-") as directory,
        started(
            *("serve", "apps.talking:TalkingAgent"),
            data_dir=Path(directory) / "data",
            A2A_HISTORY_MAXLEN="100000",
            A2A_STALL_SECONDS="600",
        ) as up,
    ):
        async with httpx2.AsyncClient(timeout=120) as http:
            said = {"role": "user", "parts": [{"type": "text", "text": str(events)}]}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/send"}
            params = {"id": "t1", "message": said}
            await http.post(f"{up.url}/", json={**body, "params": params})
            await http.get(f"{up.url}/tasks/resubscribe?id=t1")
        host, port = up.url.removeprefix("http://").split(":")
        before = resident(up.process.pid)
        stalled = []
        for _ in range(watchers):
            watcher = socket.socket()
            watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            watcher.connect((host, int(port)))
            watcher.sendall(b"GET /tasks/resubscribe?id=t1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            stalled.append(watcher)
        after, steady = resident(up.process.pid), 0
        while steady < 3:
            time.sleep(1)
            now = resident(up.process.pid)
            steady, after = (steady + 1, now) if abs(now - after) < 100 else (0, now)
        for watcher in stalled:
            watcher.close()
        return (after - before) / watchers


def main() -> None:
    """Print the cost."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--watchers", type=int, default=200)
    options.add_argument("--events", type=int, default=30_000)
    asked_for = options.parse_args()
    each = asyncio.run(cost(asked_for.watchers, asked_for.events))
    print(f"{asked_for.watchers} watchers that read nothing: {each:.0f} KiB each")


if __name__ == "__main__":
    main()
