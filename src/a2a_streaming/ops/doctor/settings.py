"""Settings that contradict each other, or what surrounds them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from a2a_streaming.ops.doctor.findings import Finding, Level
from a2a_streaming.settings import Settings

_CLIENT_SILENCE = 45.0
"""After so long without a byte clients take a connection for dead."""
_HERE = ("localhost", "127.0.0.1", "::1")


def of_settings(settings: Settings, *, files: int | None) -> list[Finding]:
    """Say what contradicts what.

    Args:
        settings: The settings.
        files: How many files a process may have open; None if that isn't limited.
    """
    rules = [
        *_times(settings),
        *_lifetimes(settings),
        *_access(settings),
        *_surroundings(settings, files),
    ]
    found = [Finding("Settings", level, said, remedy) for level, said, remedy in rules]
    return found or [Finding("Settings", "ok", "None contradicts another")]


Rule = tuple[Level, str, str]


def _times(s: Settings) -> Iterator[Rule]:
    if s.handover_seconds >= s.run_seconds:
        yield (
            "wrong",
            "A2A_HANDOVER_SECONDS isn't less than A2A_RUN_SECONDS: a turn fails before a person is asked.",
            "Raise A2A_RUN_SECONDS, or lower A2A_HANDOVER_SECONDS.",
        )
    if s.redis_timeout > s.lease_seconds:
        yield (
            "warning",
            "A2A_REDIS_TIMEOUT is more than A2A_LEASE_SECONDS: one command that hangs costs the lease.",
            "Lower A2A_REDIS_TIMEOUT.",
        )
    if s.heartbeat_seconds >= _CLIENT_SILENCE:
        yield (
            "wrong",
            f"A2A_HEARTBEAT_SECONDS is {s.heartbeat_seconds:g}: clients take a stream for dead after {_CLIENT_SILENCE:g} s.",
            "Lower it to 15.",
        )
    if s.send_seconds >= _CLIENT_SILENCE:
        yield (
            "warning",
            f"A2A_SEND_SECONDS is {s.send_seconds:g}: a client gives up after {_CLIENT_SILENCE:g} s without a byte.",
            "Lower it, or have clients stream.",
        )
    if s.anthropic_first_seconds > s.anthropic_seconds:
        yield (
            "warning",
            "A2A_ANTHROPIC_FIRST_SECONDS is more than A2A_ANTHROPIC_SECONDS, so it has no effect.",
            "Lower it.",
        )


def _lifetimes(s: Settings) -> Iterator[Rule]:
    if s.snapshot_ttl < s.history_ttl:
        yield (
            "warning",
            "A2A_SNAPSHOT_TTL is less than A2A_HISTORY_TTL: of an ended task the history stays longer than the task.",
            "Raise A2A_SNAPSHOT_TTL.",
        )
    if s.open_ttl <= s.run_seconds:
        yield (
            "wrong",
            "A2A_OPEN_TTL isn't more than A2A_RUN_SECONDS: a task may be forgotten in the middle of a turn.",
            "Raise A2A_OPEN_TTL.",
        )


def _access(s: Settings) -> Iterator[Rule]:
    named = [n for n in ("auth_audience", "auth_jwks_url") if getattr(s, n)]
    if named and not s.auth_issuer:
        yield (
            "wrong",
            f"A2A_{named[0].upper()} is set without A2A_AUTH_ISSUER: no JWT is accepted.",
            "Name the issuer, or remove it.",
        )
    if s.auth_secret is not None and not s.authenticates:
        yield (
            "warning",
            "A2A_AUTH_SECRET is set, and nobody signs in.",
            "Set A2A_AUTH_KEYS=true or A2A_AUTH_ISSUER.",
        )
    if s.agents and s.authenticates and s.auth_secret is None:
        yield (
            "warning",
            "A2A_AGENTS names specialists elsewhere, and tokens for them are signed with a secret that is in this Redis.",
            "Unless they share it, set the same A2A_AUTH_SECRET there and here.",
        )
    if "*" in s.cors_origins:
        yield (
            "wrong" if not s.authenticates else "warning",
            "A2A_CORS_ORIGINS=* lets every page on the internet call this server from its visitors' browsers.",
            "Name the origins that may.",
        )
    if s.authenticates and s.push_private:
        yield (
            "warning",
            "A2A_PUSH_PRIVATE lets customers have this server post to addresses within your network.",
            "Switch it off where webhooks lie elsewhere.",
        )
    if s.authenticates and not s.public_url:
        yield (
            "warning",
            "Without A2A_PUBLIC_URL cards and links name this server as each request does.",
            "Set it to the address under which clients reach it.",
        )
    public = urlsplit(s.public_url)
    if s.authenticates and public.scheme == "http" and public.hostname not in _HERE:
        yield (
            "wrong",
            "A2A_PUBLIC_URL is http: keys and tokens travel in the clear.",
            "Put TLS before it, and write https.",
        )
    if s.card_signing_jku and s.card_signing_key is None:
        yield (
            "warning",
            "A2A_CARD_SIGNING_JKU is set without A2A_CARD_SIGNING_KEY: cards aren't signed.",
            "Set the key.",
        )


def _surroundings(s: Settings, files: int | None) -> Iterator[Rule]:
    redis = urlsplit(s.redis_url)
    in_the_clear = redis.scheme in ("redis", "redis+cluster", "redis+sentinel")
    if in_the_clear and redis.password and redis.hostname not in _HERE:
        yield (
            "warning",
            "A2A_REDIS_URL is redis: its password and customers' words cross the network in the clear.",
            "Use rediss, where Redis has TLS.",
        )
    if not s.redis_url and s.database_url.startswith("postgres"):
        yield (
            "warning",
            "The systems of record are in PostgreSQL, and tasks in the embedded store of this one machine.",
            "Set A2A_REDIS_URL, so that several machines can share them.",
        )
    if files is not None and files < s.limit_process_streams + 256:
        yield (
            "warning",
            f"A process may open {files} files, and A2A_LIMIT_PROCESS_STREAMS lets it hold {s.limit_process_streams} streams.",
            "Raise the limit of open files (ulimit -n), or lower the setting.",
        )
