"""Settings, from arguments, from the environment (prefix `A2A_`) or from a `.env` file.

The only module that reads the environment. `docs/settings.md` is made from the fields below.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from a2a_streaming.addresses import Reach
from a2a_streaming.errors import InvalidSetting
from a2a_streaming.redaction import KINDS

Seconds = Annotated[float, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
_ALGORITHM = re.compile(r"(RS|PS|ES)(256|384|512)|ES256K|EdDSA")
_SLA = re.compile(r"\d+(?:\.\d+)?|(?:(?:urgent|high|normal|low)=\d+(?:\.\d+)?(?:,\s*|$))+")
_ORIGIN = re.compile(
    r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)
_ARCHIVE = re.compile(r"(file:///?|s3://|gs://|az://)[^\s?#]+")
_RATE = re.compile(r"[1-9][0-9]*/(second|minute|hour)")


class Settings(BaseSettings):
    """Every setting, with its default. A field `name` is read from `A2A_NAME`."""

    model_config = SettingsConfigDict(
        env_prefix="A2A_",
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    redis_url: str = ""
    """Redis or Valkey: one server as redis://, rediss:// or unix://, a cluster as redis+cluster://host:port,host:port, or
    sentinels as redis+sentinel://host:port,host:port/service, both with TLS as rediss+…; empty: an embedded store in
    `data_dir`. See [Redis](redis.md)."""
    redis_server: str = ""
    """Program for the embedded store; empty: the bundled one, else what is on PATH."""
    redis_timeout: Seconds = 5.0
    """Seconds without a reply after which Redis counts as away."""
    redis_replicas: Annotated[int, Field(ge=0, le=16)] = 0
    """How many of Redis' replicas must have a message, a webhook or a cancel before it is acknowledged, so that a failover
    can't lose it. With fewer at hand these are answered 503; keep one more than this. See [Redis](redis.md)."""
    redis_replicas_ms: Count = 500
    """Milliseconds that they are waited for; then the answer is 503, and whoever sends again is acknowledged once they have
    it."""
    key_prefix: str = ""
    """Put before every Redis key and channel, so that several installations can share a Redis."""
    database_url: str = ""
    """Systems of record, an SQLAlchemy URL of SQLite or PostgreSQL; empty: SQLite in `data_dir`."""
    demo_data: bool = True
    """Whether systems of record without any customer are filled with a demo company's."""
    records: str = ""
    """Systems of record of your own, as package.module:name; empty: those at `database_url`."""
    data_dir: Path = Path(".data")
    """Where the embedded store and SQLite keep their files."""
    agents: Annotated[list[str], NoDecode] = []
    """Specialists' URLs for the Intent Agent, comma-separated: more than those that run beside it, or, under the
    same name, in their place."""
    intent_model: str = ""
    """A model that reads intents offline, a file that `tools.train_intents` has made of your customers' messages;
    empty: by rules."""
    handover_seconds: Seconds = 240.0
    """How long specialists may work in a turn before a person is asked to take over; less than `run_seconds`."""

    handover_sla_seconds: str = "urgent=120,high=300,normal=900,low=3600"
    """Within how many seconds a person is to claim a ticket, by its priority, or one number for all; what waits longer
    is raised."""
    replies: str = ""
    """Canned replies for people who answer customers, a TOML file; empty: those that come with the platform."""

    lease_seconds: Seconds = 5.0
    """How long a run may go without a sign of life before another process takes it over."""
    run_seconds: Seconds = 300.0
    """How long one turn of an agent may take before it ends as failed."""
    cancel_seconds: Seconds = 5.0
    """How long an agent may take to stop after a cancel."""
    max_runs: Count = 64
    """Concurrent runs of one agent in one process."""
    max_attempts: Count = 5
    """How often a turn is begun before its task ends as failed; a finished step starts the count anew."""
    send_seconds: Seconds = 30.0
    """How long `tasks/send` waits for the turn's end before it answers with the task as it is."""

    history_ttl: Count = 86_400
    """Seconds that a task's history stays after its end."""
    history_maxlen: Count = 10_000
    """Events that a task's history keeps; older ones go once a snapshot covers them."""
    snapshot_ttl: Count = 7 * 86_400
    """Seconds that a task's snapshot stays after its end."""
    open_ttl: Count = 7 * 86_400
    """Seconds that an open task stays without a sign of life."""
    inbox_limit: Count = 100
    """Messages that may wait for one task."""

    max_body_bytes: Bytes = 1024 * 1024
    """The most bytes of a request's body."""
    legacy_sse: Literal["bare", "enveloped"] = "bare"
    """First dialect: the event alone in `data:`, or in a JSON-RPC envelope as Google's first clients expect."""
    heartbeat_seconds: Seconds = 15.0
    """The most seconds that a stream is silent."""
    retry_ms: Count = 1000
    """Milliseconds that clients wait at least before they reconnect."""
    retry_spread_ms: Annotated[int, Field(ge=0)] = 1000
    """Milliseconds more that they wait at most: each stream's are drawn at random, so that not all come back at once."""
    goodbye_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Over how long a process that ends spreads the ends of its streams; 200 a second go at least."""
    stall_seconds: Seconds = 60.0
    """How long a client may read nothing while there is something to read, before its stream is closed."""
    watcher_seconds: Seconds = 30.0
    """Seconds after which a watcher that isn't renewed counts as gone."""
    beat_seconds: Seconds = 1.0
    """How often a process says how it is; after five times that without a word it counts as gone."""
    silent_seconds: Seconds = 60.0
    """After how long without an event a task that is submitted or working counts as silent."""
    sla: str = ""
    """Limits for tasks, and what is done when one is exceeded: a TOML file; empty: who waits too long for a person
    is raised, nothing else."""
    sla_secret: SecretStr | None = None
    """What alerts to the webhook of that file are signed with: 24 bytes or more, or `whsec_` and their base64."""
    client_priority: Literal["urgent", "high", "normal", "low"] = "normal"
    """The highest priority that customers may give their own tasks, on which limits may depend; a higher one is lowered to
    it. Agents, and people who answer customers, may give any."""
    alerts_ttl: Count = 30 * 86_400
    """Seconds that alerts stay."""
    push: bool = True
    """Whether clients may have a task's events pushed to webhooks."""
    push_private: bool = False
    """Whether webhooks may lie on addresses that the public internet doesn't route, such as loopback."""
    push_networks: Annotated[list[str], NoDecode] = []
    """Networks on which webhooks may lie though the public internet doesn't route them, comma-separated, such as
    10.1.0.0/16."""
    push_hosts: Annotated[list[str], NoDecode] = []
    """The only hosts to which events are pushed, comma-separated, `*.example.com` for all subdomains; empty: any."""
    push_https: bool = False
    """Whether webhooks must be https."""
    push_timeout: Seconds = 10.0
    """Seconds that a webhook may take to answer, from looking its name up to the answer's status."""
    push_concurrency: Count = 8
    """Posts that one process has under way to one receiver (scheme, host and port) at once."""
    push_retry_first_seconds: Seconds = 1.0
    """About how long the first pause is before an event is pushed again; each further one is twice as long."""
    push_retry_longest_seconds: Seconds = 900.0
    """How long such a pause is at most. Each is shortened by up to half, at random."""
    push_retry_seconds: Seconds = 6 * 3600.0
    """For how long an event is tried again that a webhook doesn't take; then the webhook is a dead letter."""
    push_dead_ttl: Count = 7 * 86_400
    """Seconds for which dead letters are kept, to be replayed."""
    push_issuer: str = ""
    """What pushed events' tokens name as their issuer; empty: `public_url`, or `a2a-streaming` without one."""
    push_token_seconds: Seconds = 300.0
    """For how long a pushed event's token is good."""
    push_signing_key: SecretStr | None = None
    """Private keys (PEM; EC P-256 or Ed25519) whose first signs what is pushed; all are published. None: made and
    kept in Redis."""
    push_key_days: Count = 90
    """Days after which a key that is made and kept in Redis is replaced."""
    push_limit: Count = 16
    """Webhooks that a task may have."""
    card_signing_key: SecretStr | None = None
    """The text of a private key (PEM; EC P-256, or RSA) with which agent cards are signed; none: they aren't."""
    card_signing_kid: str = "card"
    """That key's id, by which clients find the public one."""
    card_signing_jku: str = ""
    """Where clients find the public key: the address of a JSON Web Key Set."""
    public_url: str = ""
    """The address under which clients reach this server; empty: as the request names it. Without authentication
    it answers to this name, and to loopback's, alone."""

    auth_keys: bool = False
    """Whether clients sign in with API keys, as `a2a-streaming keys create` makes them."""
    auth_issuer: str = ""
    """The OpenID Connect issuer whose JWTs clients sign in with, exactly as its tokens name it; empty: none."""
    auth_audience: str = ""
    """The audience that those JWTs must name: this server."""
    auth_jwks_url: str = ""
    """Where the issuer's keys are; empty: where its discovery document says."""
    auth_algorithms: Annotated[list[str], NoDecode] = ["RS256", "ES256"]
    """Algorithms that those JWTs may be signed with, comma-separated: RS*, PS*, ES* and EdDSA."""
    auth_roles_claim: str = "roles"
    """The claim that names roles: customer (without any), agent, operator, service."""
    auth_secret: SecretStr | None = None
    """What tokens between agents, and tickets, are signed with, 32 bytes or more; none: made and kept in Redis."""
    auth_service_seconds: Seconds = 600.0
    """For how long a token is good by which one agent acts for a customer at another."""
    auth_ticket_seconds: Seconds = 60.0
    """For how long a browser's ticket for an EventSource is good."""
    auth_link_seconds: Seconds = 600.0
    """For how long a link is good by which a customer goes on with a task on another device."""
    cors_origins: Annotated[list[str], NoDecode] = []
    """Origins whose pages may call this server from a browser, comma-separated; `*` for all."""
    embed_origins: Annotated[list[str], NoDecode] = []
    """Origins whose pages may show the chat in a frame, comma-separated, such as https://shop.example; empty: none."""
    limit_rate: str = "1200/minute"
    """Requests that an owner may send to one process, as `<count>/<second|minute|hour>`; who has no name isn't
    counted."""
    limit_process_rate: str = "10000/second"
    """Requests that one process takes from all together, likewise; beyond it clients are told to come back."""
    limit_streams: Count = 200
    """Streams that an owner may hold open on one process; who has no name isn't counted."""
    limit_process_streams: Count = 20_000
    """Streams that one process holds open for all together; beyond it clients are told to come back."""
    limit_tasks: Count = 1000
    """Tasks that an owner may have open at once, over all processes; who has no name isn't counted."""
    limit_bytes: Bytes = 256 * 1024 * 1024
    """Bytes of requests' bodies that an owner may send to one process in a minute; who has no name isn't counted."""
    limit_process_bytes: Bytes = 256 * 1024 * 1024
    """Bytes of requests' bodies that one process holds while they are still being sent."""
    limit_sign_ins: str = "60/minute"
    """Sign-ins that may fail from one address at one process, as a rate; then it is refused unless its credential
    has been good before."""
    janitor_seconds: Seconds = 30.0
    """How often a process looks for what crashes have left behind, a bounded part of it each time."""
    audit_ttl: Count = 90 * 86_400
    """Seconds that accesses to other owners' tasks stay noted."""
    archive_url: str = ""
    """Where ended tasks are archived: a directory as file:///var/lib/tasks, or with the extra `archive` a bucket as
    s3://bucket/prefix, gs:// or az://; empty: nowhere."""
    archive_days: Annotated[float, Field(ge=0, le=36_525)] = 365.0
    """Days that the archive keeps a task after its end, if `retention` says nothing else."""
    archive_endpoint: str = ""
    """Address of an S3-compatible server; empty: Amazon's."""
    archive_region: str = ""
    """The bucket's region; empty: as AWS_REGION says."""
    archive_key_id: str = ""
    """Key id for the bucket; empty: as the provider's own variables and machines say."""
    archive_secret: SecretStr | None = None
    """The secret that belongs to it."""
    archive_timeout: Seconds = 30.0
    """Seconds that the archive may take for a request."""
    retention: str = ""
    """Which ended tasks are kept for how long, by state, agent and owner, a TOML file; empty: all alike."""
    redact: Annotated[list[str], NoDecode] = list(KINDS)
    """What is taken out of logs, audits and what models are asked, comma-separated: cards, accounts, emails, phones;
    empty: nothing."""
    redact_pattern: str = ""
    """A regular expression of what else is."""

    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """Switches Claude on: intents, what specialists must know, and their wording; empty: all offline."""
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    """Another address for the Messages API."""
    anthropic_model: str = "claude-haiku-5-5"
    """The model; one that can do without thinking."""
    anthropic_connect_seconds: Seconds = 3.0
    """How long a connection to Claude may take."""
    anthropic_first_seconds: Seconds = 8.0
    """How long Claude may be silent: until the first byte of an answer, and between two."""
    anthropic_seconds: Seconds = 20.0
    """How long a request to Claude may take, tries together; then the offline path answers."""
    anthropic_retries: Annotated[int, Field(ge=0)] = 2
    """How often a request to Claude is tried again, where that may help."""
    anthropic_rest_seconds: Annotated[float, Field(ge=0)] = 10.0
    """For how long Claude isn't asked after a request that it couldn't be had for."""
    anthropic_task_tokens: Count = 60_000
    """Tokens that a task may spend on Claude, of every kind; then the offline path answers."""
    anthropic_task_usd: Annotated[float, Field(gt=0)] = 0.05
    """US dollars that a task may spend on Claude, by the prices below."""
    anthropic_input_usd: Annotated[float, Field(ge=0)] = 0.10
    """The model's price for a million tokens that it reads."""
    anthropic_output_usd: Annotated[float, Field(ge=0)] = 0.50
    """The model's price for a million tokens that it says."""

    log_format: Literal["console", "json"] = "console"
    """Logs for people or for machines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is logged. Customers' text, and what exceptions say, is logged at debug alone."""
    traces: Literal["off", "otlp", "program"] = "off"
    """Where OpenTelemetry's spans go: nowhere, to a collector, or to the provider that the program itself sets."""
    traces_url: str = ""
    """The collector's address for OTLP over HTTP, such as http://127.0.0.1:4318; empty: as OpenTelemetry's own variables
    say, or else that one."""
    traces_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Which share of requests is traced, of those that don't come with a trace of their own; 1: as OpenTelemetry's own
    variables say, or else all."""

    @property
    def authenticates(self) -> bool:
        """Whether callers must say who they are."""
        return self.auth_keys or bool(self.auth_issuer)

    @property
    def keeps(self) -> bool:
        """Whether something is done with tasks that have ended: they are archived, or kept by rules."""
        return bool(self.archive_url or self.retention)

    @property
    def listed_ttl(self) -> int:
        """Seconds that lists of tasks stay after their last change: as long as any task in them."""
        return max(self.open_ttl, self.snapshot_ttl, self.history_ttl)

    @property
    def push_reach(self) -> Reach:
        """Where webhooks may lie."""
        networks = tuple(map(ipaddress.ip_network, self.push_networks))
        hosts = tuple(host.lower() for host in self.push_hosts)
        return Reach(self.push_private, networks, hosts, self.push_https)

    @field_validator(
        "agents",
        "cors_origins",
        "embed_origins",
        "auth_algorithms",
        "push_networks",
        "push_hosts",
        "redact",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [one.strip().rstrip("/") for one in value.split(",") if one.strip()]
        return value

    @field_validator("auth_algorithms")
    @classmethod
    def _asymmetric(cls, value: list[str]) -> list[str]:
        if not value or not all(_ALGORITHM.fullmatch(one) for one in value):
            raise ValueError("must name some of RS256, RS384, RS512, PS256, ES256, ES384, EdDSA, …")
        return value

    @field_validator("redact")
    @classmethod
    def _are_known(cls, value: list[str]) -> list[str]:
        if wrong := set(value) - set(KINDS):
            raise ValueError(
                f"must name some of {', '.join(KINDS)}, not {', '.join(sorted(wrong))}"
            )
        return value

    @field_validator("redact_pattern")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"must be a regular expression: {error}") from error
        return value

    @field_validator("archive_url")
    @classmethod
    def _is_archive(cls, value: str) -> str:
        if value and not _ARCHIVE.fullmatch(value):
            raise ValueError("must be such as file:///var/lib/tasks or s3://bucket/prefix")
        return value

    @field_validator("embed_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        if not all(_ORIGIN.fullmatch(one) for one in value):  # they become a part of a header
            raise ValueError("must name origins such as https://shop.example")
        return value

    @field_validator("auth_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value().encode()) < 32:
            raise ValueError("must have 32 bytes or more, for example of `openssl rand -hex 32`")
        return value

    @field_validator("push_networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for one in value:
            ipaddress.ip_network(one)  # whose errors say what is wrong
        return value

    @field_validator("limit_rate", "limit_process_rate", "limit_sign_ins")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        if not _RATE.fullmatch(value):
            raise ValueError("must be a rate such as 1200/minute")
        return value

    @model_validator(mode="after")
    def _names_audience(self) -> Self:
        if self.auth_issuer and not self.auth_audience:
            raise ValueError(
                "A2A_AUTH_ISSUER needs A2A_AUTH_AUDIENCE: the audience its tokens name"
            )
        return self

    @field_validator("handover_sla_seconds")
    @classmethod
    def _is_sla(cls, value: str) -> str:
        if not _SLA.fullmatch(value):
            raise ValueError("must be seconds, or such as urgent=120,high=300,normal=900,low=3600")
        return value

    @field_validator("key_prefix")
    @classmethod
    def _no_braces(cls, value: str) -> str:
        if set(value) & set("{}*?[]\\ \n\0"):
            raise ValueError("must not contain braces, wildcards or spaces")
        return value


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Args:
        overrides: Values that win over the environment; None is left out.

    Raises:
        InvalidSetting: A value is wrong; the message names the variable.
    """
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"A2A_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise InvalidSetting(f"A setting is wrong. {wrong}.") from error
