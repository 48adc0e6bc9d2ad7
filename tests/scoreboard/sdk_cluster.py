"""a2a-sdk's default request handler with its SQL cluster stores: `python -m scoreboard.sdk_cluster PORT URL`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
from a2a.server.cluster import DatabaseTaskEventStream, VersionedDatabaseTaskStore
from a2a.server.request_handlers import DefaultRequestHandler
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import ticking  # pyright: ignore[reportMissingImports] - it stands among the examples


def main(port: int, url: str) -> None:
    """Serve."""
    engine = create_async_engine(url)
    store, stream = VersionedDatabaseTaskStore(engine), DatabaseTaskEventStream(engine)
    card = ticking.card(port)
    handler = DefaultRequestHandler(
        agent_executor=ticking.TickingExecutor(),
        task_store=store,
        agent_card=card,
        event_stream=stream,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await store.initialize()
        await stream.initialize()
        yield

    app = Starlette(routes=ticking.app(handler, card).routes, lifespan=lifespan)
    uvicorn.run(app, port=port, log_level="error")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
