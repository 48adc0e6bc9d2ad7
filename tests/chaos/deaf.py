"""How long events take to a watcher while Pub/Sub is wholly dead, and while it is well.

python -m chaos.deaf --events 200
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.writer import LogWriter
from a2a_streaming.event import message, status_event, text_part
from a2a_streaming.feeds import Feeds
from a2a_streaming.session import Reset, StreamSession
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from chaos.proxy import Proxy
from chaos.stores import StoreProcess
from tasks import accepted, leased


async def latencies(events: int, *, deaf: bool, pause: float) -> list[float]:
    """Seconds from each event's confirmed write until a watcher on another process has it."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="a2a-deaf-")))
        store = await stack.enter_async_context(StoreProcess(directory, durable=False))
        link = await stack.enter_async_context(Proxy(store.socket))
        link.deaf = deaf
        here = Settings(redis_url=f"redis://127.0.0.1:{link.port}")
        there = Settings(redis_url=f"unix://{store.socket}")
        reading = await stack.enter_async_context(RedisManager(here.redis_url, here))
        writing = await stack.enter_async_context(RedisManager(there.redis_url, there))
        feeds = Feeds(reading)
        feeds.start()
        stack.push_async_callback(feeds.aclose)
        await accepted(writing)
        writer = LogWriter(writing.log, await leased(writing))
        session = await stack.enter_async_context(StreamSession(reading, feeds, "t1"))
        seen: dict[int, float] = {}

        async def watch() -> None:
            while len(seen) < events + 1:
                got = await session.next(30)
                assert not isinstance(got, Reset), "nothing was lost"
                for event in got:
                    seen[event.position.offset] = time.monotonic()

        watching = asyncio.create_task(watch())
        written: dict[int, float] = {}
        for n in range(events):
            said = message("agent", [text_part("x")], task_id="t1", context_id="c1")
            await writer.append(status_event("t1", "c1", State.WORKING, said))
            written[n + 2] = time.monotonic()
            await asyncio.sleep(pause)
        await watching
        return [max(0.0, seen[offset] - at) for offset, at in written.items()]


def main() -> None:
    """Print percentiles."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    options.add_argument("--events", type=int, default=200)
    asked = options.parse_args()
    for name, deaf in (("well", False), ("dead", True)):
        measured = sorted(asyncio.run(latencies(asked.events, deaf=deaf, pause=0.05)))
        p99 = measured[int(len(measured) * 0.99)]
        print(
            f"Pub/Sub {name}: p50 {statistics.median(measured) * 1000:7.1f} ms, "
            f"p99 {p99 * 1000:7.1f} ms, worst {measured[-1] * 1000:7.1f} ms"
        )


if __name__ == "__main__":
    main()
