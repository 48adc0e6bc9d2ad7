"""Which dialect a JSON-RPC request speaks: a pure choice, by path, method, version and birth.

The first dialect and 0.3 share the names of three methods, and their clients say no version. What a
request's parameters look like never decides.

1. A pinned path decides.
2. A method that one dialect alone has decides; a version that contradicts it is refused.
3. A shared method with a version: the version decides.
4. A shared method without one: the dialect in which its task was born, the first or else 0.3 (for a
   task that isn't there they say the same).
"""

from __future__ import annotations

from enum import StrEnum

from a2a_streaming.errors import MethodNotFound, VersionNotSupported


class Dialect(StrEnum):
    """A version of the A2A wire format."""

    FIRST = "0.1"
    V03 = "0.3"
    V1 = "1.0"


_SHARED = ("tasks/get", "tasks/cancel", "tasks/resubscribe")
METHODS: dict[Dialect, tuple[str, ...]] = {
    Dialect.FIRST: (
        "tasks/send",
        "tasks/sendSubscribe",
        *_SHARED,
        "tasks/follow",
        "tasks/pushNotification/set",
        "tasks/pushNotification/get",
    ),
    Dialect.V03: (
        "message/send",
        "message/stream",
        *_SHARED,
        "tasks/pushNotificationConfig/set",
        "tasks/pushNotificationConfig/get",
        "tasks/pushNotificationConfig/list",
        "tasks/pushNotificationConfig/delete",
        "agent/getAuthenticatedExtendedCard",
    ),
    Dialect.V1: (
        "SendMessage",
        "SendStreamingMessage",
        "GetTask",
        "ListTasks",
        "CancelTask",
        "SubscribeToTask",
        "CreateTaskPushNotificationConfig",
        "GetTaskPushNotificationConfig",
        "ListTaskPushNotificationConfigs",
        "DeleteTaskPushNotificationConfig",
        "GetExtendedAgentCard",
    ),
}
"""Each dialect's methods; what isn't here, the dialect hasn't."""
STREAMS = (
    *("tasks/sendSubscribe", "tasks/resubscribe", "tasks/follow"),
    *("message/stream", "SendStreamingMessage", "SubscribeToTask"),
)
"""Methods, of any dialect, that are answered with a stream."""


def read_version(text: str | None) -> Dialect | None:
    """Return the dialect that a client asks for; None if it says none.

    A patch number is ignored (specification 1.0, section 3.6); a minor version that we don't know isn't.

    Args:
        text: The header `A2A-Version`, or the query parameter of that name.

    Raises:
        VersionNotSupported: No dialect of ours has this version.
    """
    if not text:
        return None
    numbers = text.split(".")
    plain = len(numbers) in (2, 3) and all(n.isascii() and n.isdigit() for n in numbers)
    wanted = ".".join(numbers[:2])
    if not plain or wanted not in list(Dialect):
        raise VersionNotSupported(text, list(Dialect))
    return Dialect(wanted)


def choose(pinned: Dialect | None, method: str, version: Dialect | None) -> Dialect | None:
    """Choose the dialect of a request.

    Args:
        pinned: The dialect that the path names; None for a path that serves all.
        method: The JSON-RPC method.
        version: The version that the client asks for, as `read_version` returns it.

    Returns:
        The dialect; None if the one in which the request's task was born is to decide: see `of_birth`.

    Raises:
        MethodNotFound: The dialect, or any, has no such method.
        VersionNotSupported: The client asks for a version that the path or the method isn't.
    """
    candidates = [pinned] if pinned is not None else list(Dialect)
    speak = [dialect for dialect in candidates if method in METHODS[dialect]]
    if not speak:
        raise MethodNotFound(method, [name for d in candidates for name in METHODS[d]])
    if version is not None:
        if version not in speak:
            raise VersionNotSupported(version, speak)
        return version
    return speak[0] if len(speak) == 1 else None


def of_birth(born: str | None) -> Dialect:
    """Return the dialect for a shared method without a version.

    Args:
        born: The dialect in which the task was born; None if there is no such task, or not the caller's:
            then both say the same.
    """
    return Dialect.FIRST if born in (None, Dialect.FIRST) else Dialect.V03
