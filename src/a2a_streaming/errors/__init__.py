"""Every error this package raises, in one tree.

A2AStreamingError
├── RequestError                what a client sent can't be served; knows its codes on every wire
│   ├── ParseError              the body is no JSON
│   ├── InvalidRequest          JSON, but no JSON-RPC request
│   ├── BodyTooLarge            more bytes than the limit
│   ├── MethodNotFound          no such method in this dialect
│   ├── VersionNotSupported     a version of A2A that isn't spoken here
│   ├── InvalidParams           the method is known, its parameters are wrong
│   ├── AlertNotFound           no such alert
│   ├── TaskNotFound            no such task, or not the caller's
│   │   └── DeadLetterNotFound  no such webhook that was given up
│   ├── TaskNotCancelable       the task has ended
│   ├── ContentTypeNotSupported the body is no JSON by its own word
│   ├── ExtensionSupportRequired  the agent's card requires an extension that the client lacks
│   ├── PushNotificationNotSupported
│   ├── UnsupportedOperation    the task's state doesn't allow it
│   ├── Unauthenticated         nobody knows who asks
│   ├── Forbidden               it is known who asks, and they may not
│   ├── TooManyRequests         more than an owner may send or hold open
│   ├── InboxFull               too many messages wait for this task
│   ├── Unavailable             Redis is away or the process drains: come back later
│   │   ├── Unconfirmed         accepted perhaps, and not at enough replicas: send it again
│   │   └── NewerFormat         a newer version than this process wrote the task
│   └── InternalError           our fault; the cause is in the log, never on the wire
├── RunError                    what an agent's run may no longer do
│   ├── Fenced                  the run lost its lease: another process goes on with the task
│   ├── RunEnded                the run has sent its last event
│   ├── InvalidTransition       the task's state machine has no such step
│   └── StepRepeated            the same step name twice in one turn
├── InvalidPosition             a position that can't be read
├── HistoryLost                 the log no longer holds what follows a position
├── ChainBroken                 a file of the audit or the archive was changed or cut off
└── SetupError                  the installation needs a hand; the message says which
    ├── StoreUnavailable        Redis can't be reached or started
    ├── DataDirInUse            another `up` holds the data directory
    └── InvalidSetting          a setting is wrong

The codes are those of JSON-RPC 2.0, of A2A (specification 1.0.1, section 5.4, "Error code mappings")
and of its first version, which uses the same numbers where it has the error.
"""

from __future__ import annotations

from a2a_streaming.errors.base import (
    A2AStreamingError,
)
from a2a_streaming.errors.evidence import (
    ChainBroken,
)
from a2a_streaming.errors.requests import (
    AlertNotFound,
    BodyTooLarge,
    ContentTypeNotSupported,
    DeadLetterNotFound,
    ExtensionSupportRequired,
    Forbidden,
    InboxFull,
    InternalError,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    NewerFormat,
    ParseError,
    PushNotificationNotSupported,
    RequestError,
    TaskNotCancelable,
    TaskNotFound,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unconfirmed,
    UnsupportedOperation,
    VersionNotSupported,
)
from a2a_streaming.errors.runs import (
    Fenced,
    HistoryLost,
    InvalidPosition,
    InvalidTransition,
    RunEnded,
    RunError,
    StepRepeated,
)
from a2a_streaming.errors.setup import (
    DataDirInUse,
    InvalidSetting,
    SetupError,
    StoreUnavailable,
)

__all__ = [
    "A2AStreamingError",
    "AlertNotFound",
    "BodyTooLarge",
    "ChainBroken",
    "ContentTypeNotSupported",
    "DataDirInUse",
    "DeadLetterNotFound",
    "ExtensionSupportRequired",
    "Fenced",
    "Forbidden",
    "HistoryLost",
    "InboxFull",
    "InternalError",
    "InvalidParams",
    "InvalidPosition",
    "InvalidRequest",
    "InvalidSetting",
    "InvalidTransition",
    "MethodNotFound",
    "NewerFormat",
    "ParseError",
    "PushNotificationNotSupported",
    "RequestError",
    "RunEnded",
    "RunError",
    "SetupError",
    "StepRepeated",
    "StoreUnavailable",
    "TaskNotCancelable",
    "TaskNotFound",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "Unconfirmed",
    "UnsupportedOperation",
    "VersionNotSupported",
]
