"""A2A servers, tested by their public face: nothing of theirs is imported, and nothing of a2a_streaming.

    a2a-reliability http://127.0.0.1:8000

Pure: `events` (what was told), `sse` (frames), `fold` (what it comes to), `judging` (what is wrong with it),
`dialects` (how a server is asked). Around them: `connection` (HTTP), `stories` (a task and its streams, recorded),
`scenarios` (what is done to the server), `running` (all of them, in order), `report`, `cli`.
"""
