"""Every Redis key and channel: its name, its type, what it holds and how long it lives.

The braces are literal: they are Redis Cluster hash tags, so that all keys of a task share a slot, and
one layout serves a laptop and a cluster. An id with a brace of its own, or an empty one, would break
that; `check_id` refuses it before it gets here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from a2a_streaming.errors import InvalidParams

_ID = re.compile(r"[A-Za-z0-9._~@:+=-]{1,128}")


class KeySpec(NamedTuple):
    """One kind of key.

    Args:
        pattern: Its name, with `{id}` for a task's id (braces literal) and `<…>` for the rest.
        type: Redis type.
        lifetime: What bounds its life.
        holds: What it is for.
    """

    pattern: str
    type: str
    lifetime: str
    holds: str


KEYS: tuple[KeySpec, ...] = (
    KeySpec(
        "task:{id}",
        "string",
        "open_ttl, then snapshot_ttl",
        "snapshot: JSON with its position, owner and agent",
    ),
    KeySpec(
        "task:{id}:meta",
        "hash",
        "open_ttl, then the longer of snapshot_ttl and history_ttl",
        "epoch and its calls, last position, state, owner, context, agent, birth dialect, lease "
        "holder and end, flags (terminal, cancel, escalate, cleanup, damaged, answer, archived), attempts, messageIds seen (m:…), interventions done (did:…), "
        "where each epoch began (e:…), when it was accepted, since when it is in its state",
    ),
    KeySpec(
        "task:{id}:stream",
        "stream",
        "open_ttl, then history_ttl; about history_maxlen events",
        "history: one entry an event, its ID the position, its field `e` the JSON",
    ),
    KeySpec("task:{id}:inbox", "list", "open_ttl", "accepted messages that aren't settled yet"),
    KeySpec(
        "task:{id}:steps",
        "hash",
        "open_ttl, then history_ttl",
        "what turns have stored: results of steps, finished artifacts, bookmarks",
    ),
    KeySpec(
        "task:{id}:audit",
        "stream",
        "audit_ttl since the last entry",
        "of `audit` what concerns this task",
    ),
    KeySpec(
        "task:{id}:push",
        "hash",
        "the longest of the above, and push_dead_ttl, since a webhook was set or told",
        "webhooks (hook:…): where events are pushed to, how far each has been told (told:…) and how it fails (fail:…); "
        "those that were given up (dead:…); who pushes (holder)",
    ),
    KeySpec(
        "index:dead",
        "sorted set",
        "push_dead_ttl, or the longest of the above, since the last was given up",
        "webhooks that were given up, as `<task> <webhook>` → when, ms",
    ),
    KeySpec(
        "index:push",
        "sorted set",
        "the longest of the above since the last change",
        "tasks with webhooks → the time from which any process may push them, ms",
    ),
    KeySpec(
        "index:ended",
        "sorted set",
        "the longest of the above since the last change",
        "ended tasks that are to be archived or forgotten → the time from which any process may do it, ms",
    ),
    KeySpec(
        "archive:expiring",
        "string",
        "an hour",
        "nothing: a process has looked this hour at what the archive has kept for long enough",
    ),
    KeySpec(
        "subscriptions:{id}",
        "sorted set",
        "twice watcher_seconds",
        "watcher → when its claim lapses, ms",
    ),
    KeySpec(
        "durable:{id}",
        "string",
        "ten seconds",
        "nothing: written behind what was accepted, so that WAIT tells when replicas have both",
    ),
    KeySpec(
        "channel:task:{id}",
        "channel",
        "-",
        "live events: `<previous position> <position> <event JSON>`",
    ),
    KeySpec(
        "channel:control",
        "channel",
        "-",
        "a task's id, when it is to be canceled; `retry <id>`, `escalate <id>` likewise",
    ),
    KeySpec(
        "channel:probe:<process>",
        "channel",
        "-",
        "nothing: a process proves to itself that Pub/Sub delivers; in a cluster one for each primary, with `:{<number>}` behind",
    ),
    KeySpec(
        "work:<agent>",
        "stream",
        "open_ttl since the last hint",
        "hints: this task has something to do",
    ),
    KeySpec(
        "index:owner:<owner>",
        "sorted set",
        "the longest of the above since the last change",
        "task → last change, ms",
    ),
    KeySpec(
        "index:active:<owner>",
        "sorted set",
        "the longest of the above since the last change",
        "an owner's open tasks → last change of state, ms; none for who has no name",
    ),
    KeySpec(
        "index:context:<context>",
        "sorted set",
        "the longest of the above since the last change",
        "task → last change, ms",
    ),
    KeySpec(
        "index:agent:<agent>",
        "sorted set",
        "the longest of the above since the last change",
        "task → last change, ms",
    ),
    KeySpec(
        "index:state:<agent>:<state>",
        "sorted set",
        "the longest of the above since the last change",
        "task → last change, ms",
    ),
    KeySpec(
        "index:agents",
        "sorted set",
        "the longest of the above since a process last served one",
        "agent → when a process last served it, ms",
    ),
    KeySpec("index:nodes", "sorted set", "a minute", "process → when it last said how it is, ms"),
    KeySpec(
        "node:<process>",
        "string",
        "five times beat_seconds",
        "how a process is: JSON with role, agents, load, streams, runs, counts since its start",
    ),
    KeySpec(
        "nodes:figures",
        "stream",
        "ten minutes",
        "how processes' counts have moved: fields `n` process, `d` JSON; nothing while nothing moves",
    ),
    KeySpec(
        "auth:push-keys",
        "hash",
        "push_key_days and 30 days since a process last looked",
        "private keys that sign what is pushed, if A2A_PUSH_SIGNING_KEY is empty: id → when each begins, ms, and its text",
    ),
    KeySpec(
        "auth:key:<id>",
        "hash",
        "until the key expires",
        "an API key: digest of its secret, name, owner, role",
    ),
    KeySpec(
        "format",
        "string",
        "the longest of the above since the last start of a process",
        "the newest event format that any process writes",
    ),
    KeySpec(
        "janitor",
        "string",
        "three times janitor_seconds",
        "the process that cleans up what crashes have left behind",
    ),
    KeySpec("auth:keys", "sorted set", "until the last key expires", "API keys → expiry, s"),
    KeySpec(
        "auth:secret",
        "string",
        "30 days since the last start of a process",
        "what service tokens and tickets are signed with, if A2A_AUTH_SECRET is empty",
    ),
    KeySpec(
        "audit",
        "stream",
        "audit_ttl since the last entry",
        "accesses to other owners' tasks, and interventions: actor, role, does, task, owner, reason",
    ),
    KeySpec(
        "erasing:<owner>",
        "hash",
        "the longest of a task's since the last step; gone when all is done",
        "how far the deletion of a customer's data is: alias in the audit, who asked, counts",
    ),
    KeySpec(
        "erased:<owner>",
        "set",
        "the longest of a task's since the last step; gone when all is done",
        "tasks that such a deletion has found, until nothing is left of each",
    ),
    KeySpec(
        "index:open:<agent>", "sorted set", "open_ttl", "tasks with something to do → last look, ms"
    ),
    KeySpec(
        "sla:{alerts}:due",
        "sorted set",
        "the longest of a task's since the last change",
        "tasks with limits → when to look at them, ms",
    ),
    KeySpec(
        "sla:{alerts}:task:<task>",
        "hash",
        "the longest of a task's and alerts_ttl since the last alert",
        "what was raised for a task: numbers by occasion (n:…), acknowledged ones (a:…), its alerts (i:…), its wait for a person",
    ),
    KeySpec("alerts", "stream", "alerts_ttl since the last one", "what was raised: field `e` JSON"),
    KeySpec(
        "sla:{alerts}:unseen",
        "sorted set",
        "alerts_ttl since the last one",
        "alerts that nobody has acknowledged → when they were raised, ms",
    ),
    KeySpec(
        "sla:{alerts}:todo",
        "sorted set",
        "alerts_ttl since the last one",
        "`<alert> <action>` → when to do it, ms",
    ),
    KeySpec(
        "sla:{alerts}:alert:<alert>",
        "hash",
        "alerts_ttl since the last change",
        "what came of an alert's actions (did:…, tried:…), and who has acknowledged it",
    ),
)

WORKERS = "workers"
"""The consumer group of every `work:<agent>` stream."""


def check_id(value: str, what: str) -> str:
    """Check an id that becomes part of a key.

    Args:
        value: The id.
        what: What it is the id of, for the error's text.

    Returns:
        The id.

    Raises:
        InvalidParams: It is empty, too long, or has characters that could break a key or a frame.
    """
    if not _ID.fullmatch(value):
        raise InvalidParams(
            f"{what} must be 1 to 128 characters of A-Z, a-z, 0-9 and . _ ~ @ : + = - "
            f"(got {len(value)} characters: {value[:40]!r})."
        )
    return value


class Keys:
    """Names of keys and channels.

    Args:
        prefix: Put before each.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.control = f"{prefix}channel:control"
        self.alerts = f"{prefix}alerts"
        """What was raised."""
        self._sla = f"{prefix}sla:{{{self.alerts}}}"  # all in the slot of `alerts`: scripts take them together

    def snapshot(self, task_id: str) -> str:
        """Snapshot of a task."""
        return f"{self.prefix}task:{{{task_id}}}"

    def meta(self, task_id: str) -> str:
        """What the scripts know of a task."""
        return f"{self.prefix}task:{{{task_id}}}:meta"

    def stream(self, task_id: str) -> str:
        """A task's history."""
        return f"{self.prefix}task:{{{task_id}}}:stream"

    def inbox(self, task_id: str) -> str:
        """Messages that wait for a task."""
        return f"{self.prefix}task:{{{task_id}}}:inbox"

    def steps(self, task_id: str) -> str:
        """Results of a task's steps."""
        return f"{self.prefix}task:{{{task_id}}}:steps"

    def push(self, task_id: str) -> str:
        """A task's webhooks."""
        return f"{self.prefix}task:{{{task_id}}}:push"

    def mark(self, task_id: str) -> str:
        """What is written behind what was accepted for a task."""
        return f"{self.prefix}durable:{{{task_id}}}"

    def task_audit(self, task_id: str) -> str:
        """Of the audit what concerns one task."""
        return f"{self.prefix}task:{{{task_id}}}:audit"

    @property
    def ended(self) -> str:
        """The list of ended tasks that are to be archived or forgotten."""
        return f"{self.prefix}index:ended"

    @property
    def expiring(self) -> str:
        """Whether somebody has looked this hour at what the archive has kept for long enough."""
        return f"{self.prefix}archive:expiring"

    @property
    def pushing(self) -> str:
        """The list of tasks with webhooks."""
        return f"{self.prefix}index:push"

    @property
    def dead_letters(self) -> str:
        """The list of webhooks that were given up."""
        return f"{self.prefix}index:dead"

    @property
    def signing(self) -> str:
        """What signs pushed events."""
        return f"{self.prefix}auth:push-keys"

    def subscriptions(self, task_id: str) -> str:
        """Who watches a task."""
        return f"{self.prefix}subscriptions:{{{task_id}}}"

    def channel(self, task_id: str) -> str:
        """Where a task's live events go."""
        return f"{self.prefix}channel:task:{{{task_id}}}"

    def probe(self, process: str) -> str:
        """Where a process proves to itself that Pub/Sub delivers."""
        return f"{self.prefix}channel:probe:{process}"

    def work(self, agent: str) -> str:
        """Hints for an agent's workers."""
        return f"{self.prefix}work:{agent}"

    def api_key(self, key_id: str) -> str:
        """An API key."""
        return f"{self.prefix}auth:key:{key_id}"

    @property
    def api_keys(self) -> str:
        """The list of API keys."""
        return f"{self.prefix}auth:keys"

    @property
    def secret(self) -> str:
        """What processes sign with."""
        return f"{self.prefix}auth:secret"

    @property
    def format(self) -> str:
        """The newest event format that is written."""
        return f"{self.prefix}format"

    @property
    def janitor(self) -> str:
        """Who cleans up."""
        return f"{self.prefix}janitor"

    @property
    def audit(self) -> str:
        """Accesses to other owners' tasks."""
        return f"{self.prefix}audit"

    def erasing(self, owner: str) -> str:
        """How far the deletion of a customer's data is."""
        return f"{self.prefix}erasing:{owner}"

    def erased(self, owner: str) -> str:
        """Tasks that such a deletion has found."""
        return f"{self.prefix}erased:{owner}"

    def index(self, kind: str, value: str) -> str:
        """A list of tasks: by owner, context, agent, state (`<agent>:<state>`), open, or an owner's active ones."""
        return f"{self.prefix}index:{kind}:{value}"

    @property
    def agents(self) -> str:
        """The agents that processes serve, or have served."""
        return f"{self.prefix}index:agents"

    @property
    def nodes(self) -> str:
        """The list of processes."""
        return f"{self.prefix}index:nodes"

    def node(self, name: str) -> str:
        """How a process is."""
        return f"{self.prefix}node:{name}"

    @property
    def figures(self) -> str:
        """How processes' counts have moved."""
        return f"{self.prefix}nodes:figures"

    @property
    def due(self) -> str:
        """When tasks with limits are to be looked at."""
        return f"{self._sla}:due"

    @property
    def to_do(self) -> str:
        """What is to be done about alerts."""
        return f"{self._sla}:todo"

    @property
    def unseen(self) -> str:
        """Alerts that nobody has acknowledged."""
        return f"{self._sla}:unseen"

    def raised(self, task_id: str) -> str:
        """What was raised for a task."""
        return f"{self._sla}:task:{task_id}"

    def alert(self, alert_id: str) -> str:
        """What came of an alert."""
        return f"{self._sla}:alert:{alert_id}"

    def task(self, task_id: str) -> list[str]:
        """Every key of a task that the scripts touch, in the order in which they take them."""
        return [
            self.meta(task_id),
            self.stream(task_id),
            self.snapshot(task_id),
            self.inbox(task_id),
            self.steps(task_id),
            self.channel(task_id),
        ]
