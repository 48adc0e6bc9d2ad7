"""A client for Python programs that resumes: it follows a task's stream over cuts, in the first dialect.

    async with Client("http://127.0.0.1:8000") as client:
        async with aclosing(client.send_subscribe("task-123", "What's my balance?")) as events:
            async for event in events:
                print(event.kind, event.data)

It raises three errors of its own, all A2AStreamingError:

- `RemoteError`: the agent answered with a JSON-RPC error; trying again won't help.
- `StreamLost`: a stream was cut and couldn't be taken up again in time.
- `AgentUnreachable`: a plain call (`get`, `send`, `cancel`, `card`) got no answer, or something
  other than an agent answers there.

An event of kind `reset` tells that the story can't be continued where it was left (docs/resume.md): throw
away what it told before, show `event.reset.task`, and go on; what follows comes next.

`Client.follow` follows several tasks on one connection:

    async with aclosing(client.follow({"task-123": None, "task-124": "1763862667123456-7"})) as events:
        async for event in events:
            print(event.task, event.kind, event.position)

A stream that is cut is taken up by `tasks/resubscribe` with `Last-Event-ID`, so nothing is missed and
nothing comes twice. If it is cut before its first event, the first message of a task is sent again,
for that is idempotent; a follow-up is not ("yes" twice is two messages), so unless the connection
never stood, the client looks for what it brought about, after the position known before.
A stream that ends without a word after a position is a cut, unless the task has ended and all was told.
A connection without a byte for 45 s is dead.
"""

from __future__ import annotations

from a2a_streaming.client.answers import (
    AgentUnreachable,
    RemoteError,
    Reset,
    StreamEvent,
    StreamLost,
)
from a2a_streaming.client.calls import Client, http_client

__all__ = [
    "AgentUnreachable",
    "Client",
    "RemoteError",
    "Reset",
    "StreamEvent",
    "StreamLost",
    "http_client",
]
