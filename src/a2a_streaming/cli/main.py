"""The commands. What they need is imported when they run, so that `--help` is quick.

Exit codes: 0 well, 1 it failed, 2 used wrongly, 130 interrupted.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.version import VERSION

app = typer.Typer(
    name="a2a-streaming",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs a third of a second to import
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"a2a-streaming {VERSION}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    """A2A task streams that outlive processes and connections, with Redis in the middle."""


class Role(StrEnum):
    """What a process does."""

    all = "all"
    front = "front"
    worker = "worker"


class UserRole(StrEnum):
    """Whose rights in Redis a user has."""

    front = "front"
    worker = "worker"
    ops = "ops"
    all = "all"
    operator = "operator"


class KeyRole(StrEnum):
    """What a key's holder may do."""

    customer = "customer"
    agent = "agent"
    operator = "operator"
    service = "service"


Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
GrpcPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port for gRPC beside HTTP.  [default: none]")
]
Url = Annotated[str, typer.Option(help="The agent's address.", envvar="A2A_URL")]
Token = Annotated[
    str | None,
    typer.Option(help="An API key or a bearer token.  [default: none]", envvar="A2A_TOKEN"),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Age = Annotated[str, typer.Option(metavar="AGE", show_default=False)]
DataDir = Annotated[Path | None, typer.Option(help="Where everything is kept.  [default: .data]")]
DEFAULT_URL = "http://127.0.0.1:8000"


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    grpc_port: GrpcPort = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept.  [default: .data]")
    ] = None,
) -> None:
    """Run the whole platform in one process: embedded Redis, SQLite, all agents."""
    from a2a_streaming.cli import serving  # noqa: PLC0415 - see the module's docstring

    serving.up(host, port, data_dir, grpc_port)


@app.command()
def serve(
    target: Annotated[
        str, typer.Argument(help="intent, booking, billing, or package.module:Agent.")
    ],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    grpc_port: GrpcPort = None,
    role: Annotated[Role, typer.Option(help="Serve clients, run the agent, or both.")] = Role.all,
    public_url: Annotated[
        str | None, typer.Option(help="The address under which clients reach this server.")
    ] = None,
) -> None:
    """Run one agent."""
    from a2a_streaming.cli import serving  # noqa: PLC0415 - see the module's docstring

    serving.serve(target, host, port, role.value, public_url, grpc_port)


@app.command()
def ops(
    host: Host = "127.0.0.1",
    port: Port = 8002,
    public_url: Annotated[
        str | None, typer.Option(help="The address under which operators reach this server.")
    ] = None,
) -> None:
    """Look after all agents' tasks: limits and alerts, webhooks, and what crashes left behind."""
    from a2a_streaming.cli import serving  # noqa: PLC0415 - see the module's docstring

    serving.ops(host, port, public_url)


@app.command()
def send(
    text: Annotated[str, typer.Argument(help="What to say.")],
    task: Annotated[str | None, typer.Option(help="The task's id.  [default: a new one]")] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Send a message, and watch its task; in a terminal, answer what the agent asks."""
    from a2a_streaming.cli import asking  # noqa: PLC0415 - see the module's docstring

    asking.send(url, token, text, task, as_json=as_json)


@app.command()
def watch(
    task: Annotated[str, typer.Argument(help="The task's id.")],
    after: Annotated[str | None, typer.Option(help="The last position you have seen.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on over all turns, to the task's end.")
    ] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Watch a task: its history, then live."""
    from a2a_streaming.cli import asking  # noqa: PLC0415 - see the module's docstring

    asking.watch(url, token, task, after, follow=follow, as_json=as_json)


@app.command()
def tasks(  # noqa: PLR0913, PLR0917 - an argument for each option
    state: Annotated[str, typer.Option(help="In this state.", show_default=False)] = "",
    agent: Annotated[str, typer.Option(help="Of this agent.", show_default=False)] = "",
    owner: Annotated[str, typer.Option(help="Of this owner.", show_default=False)] = "",
    context: Annotated[str, typer.Option(help="Of this context.", show_default=False)] = "",
    words: Annotated[
        str,
        typer.Option(help="With this in id, owner, context or first words.", show_default=False),
    ] = "",
    silent: Age = "",
    unchanged: Age = "",
    changed: Age = "",
    older: Age = "",
    newer: Age = "",
    archived: Annotated[
        bool, typer.Option("--archived", help="Those in the archive, not those in Redis.")
    ] = False,
    size: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    whole: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List tasks, the latest change first: all for operators, for others their own of one agent.

    Ages are seconds, or such as 15m, 2h, 3d. --silent: to move on by themselves, and they haven't for so long;
    --unchanged, --changed: the last change is at least, or at most, so long ago; --older, --newer: the same of
    when they were accepted. With --archived the last change is the end, and those come first that leave the archive first.
    """
    from a2a_streaming.cli import listing  # noqa: PLC0415 - see the module's docstring

    filters = listing.Filters(
        state, agent, owner, context, words, silent, unchanged, changed, older, newer, archived
    )
    listing.tasks(url, token, filters, most=None if whole else size, as_json=as_json)


@app.command()
def cancel(
    task: Annotated[str, typer.Argument(help="The task's id.")],
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a task."""
    from a2a_streaming.cli import asking  # noqa: PLC0415 - see the module's docstring

    asking.cancel(url, token, task, as_json=as_json)


@app.command()
def doctor(
    data_dir: DataDir = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Clean up at once what the janitor would in time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with the set-up; ends with 1 if something is."""
    from a2a_streaming.cli import doctoring  # noqa: PLC0415 - see the module's docstring

    doctoring.doctor(data_dir, repair=repair, as_json=as_json)


@app.command()
def acl(
    role: Annotated[
        UserRole | None, typer.Option(help="Whose rights.  [default: every role's]")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The user.  [default: a2a-ROLE]")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="Holds the user's password; only its digest is written."),
    ] = None,
    commands: Annotated[
        bool, typer.Option("--commands", help="Commands for redis-cli, not lines of an aclfile.")
    ] = False,
    old: Annotated[
        bool,
        typer.Option("--redis-6", help="For Redis 6.2, which can't tell reading from writing."),
    ] = False,
) -> None:
    """Write Redis users who may do what a role needs, and nothing else; asks nobody."""
    from a2a_streaming.cli import acl as writing  # noqa: PLC0415 - see the module's docstring

    writing.acl(role.value if role else None, name, password_file, old=old, commands=commands)


@app.command()
def backup(
    directory: Annotated[Path, typer.Argument(help="Where to, a directory that isn't there yet.")],
    data_dir: DataDir = None,
) -> None:
    """Copy the embedded store and SQLite, while they are in use, into a directory."""
    from a2a_streaming.cli import safekeeping  # noqa: PLC0415 - see the module's docstring

    safekeeping.backup(directory, data_dir)


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(help="A directory that `backup` has made.")],
    data_dir: DataDir = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside what is in the data directory.")
    ] = False,
) -> None:
    """Put back what `backup` has copied; nothing may be running on the data directory."""
    from a2a_streaming.cli import safekeeping  # noqa: PLC0415 - see the module's docstring

    safekeeping.restore(directory, data_dir, replace=replace)


To = Annotated[
    Path | None, typer.Option("--to", help="File to write to.  [default: standard output]")
]


@app.command()
def audit(
    task: Annotated[
        str | None, typer.Argument(help="The task's id.  [default: all that was noted]")
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(help="Check a file that was exported or archived; asks nobody."),
    ] = None,
    head: Annotated[
        str, typer.Option(help="With --verify: the head that was told when the file was made.")
    ] = "",
    after: Annotated[
        str, typer.Option(help="Without TASK: the id of the last entry that you have.")
    ] = "",
    to: To = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Export a task's story and who has looked at it, or all that was noted; or check such a file."""
    from a2a_streaming.cli import evidence  # noqa: PLC0415 - see the module's docstring

    if verify is not None:
        if task is not None:
            raise typer.BadParameter("Give TASK or --verify, not both.")
        if not verify.is_file():
            raise typer.BadParameter(f"There is no file {verify}.")
        evidence.check_file(verify, head)
    elif task is not None:
        evidence.export_task(url, token, task, to)
    else:
        evidence.export_trail(url, token, after, to)


customers = typer.Typer(
    help="What belongs to a customer: export it, delete it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(customers, name="customers")
Owner = Annotated[str, typer.Argument(help="The customer, as the owner of their tasks.")]


@customers.command("export")
def export_customer(
    owner: Owner, to: To = None, url: Url = DEFAULT_URL, token: Token = None
) -> None:
    """Export all that belongs to a customer, as JSON Lines."""
    from a2a_streaming.cli import evidence  # noqa: PLC0415 - see the module's docstring

    evidence.export_customer(url, token, owner, to)


@customers.command("erase")
def erase_customer(
    owner: Owner,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask: it can't be undone.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit; name nobody in it.")] = "",
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Delete all that belongs to a customer: tasks, archive, systems of record; the audit is redacted."""
    from a2a_streaming.cli import evidence  # noqa: PLC0415 - see the module's docstring

    if not yes:
        typer.confirm(f"Delete all that belongs to {owner}? It can't be undone", abort=True)
    evidence.erase_customer(url, token, owner, reason)


keys = typer.Typer(
    help="API keys, and what they open.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(keys, name="keys")
Days = Annotated[int, typer.Option(min=1, max=3650, help="Days for which the key is good.")]


@keys.command("create")
def create_key(
    subject: Annotated[str, typer.Argument(help="Whose tasks it opens: a customer, a service …")],
    role: Annotated[KeyRole, typer.Option(help="What its holder may do.")] = KeyRole.customer,
    name: Annotated[str, typer.Option(help="What it is for, in your words.")] = "",
    days: Days = 365,
) -> None:
    """Make an API key, and show it once."""
    from a2a_streaming.cli import keys as made  # noqa: PLC0415 - see the module's docstring

    made.create(subject, role.value, name, days)


@keys.command("list")
def list_keys() -> None:
    """List the API keys; the keys themselves aren't kept."""
    from a2a_streaming.cli import keys as made  # noqa: PLC0415 - see the module's docstring

    made.show()


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `list` shows it.")],
    days: Days = 365,
    grace_hours: Annotated[
        int, typer.Option(min=0, max=8760, help="Hours for which the old key is still good.")
    ] = 24,
) -> None:
    """Make another key in a key's place; the old one ends after a while."""
    from a2a_streaming.cli import keys as made  # noqa: PLC0415 - see the module's docstring

    made.rotate(key_id, days, grace_hours)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `list` shows it.")],
) -> None:
    """Revoke an API key: every process refuses it within seconds."""
    from a2a_streaming.cli import keys as made  # noqa: PLC0415 - see the module's docstring

    made.revoke(key_id)


letters = typer.Typer(
    help="Webhooks that were given up.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(letters, name="dead-letters")
Receiver = Annotated[
    str, typer.Option(help="Only those for this receiver, such as https://hooks.example.com.")
]


@letters.command("list")
def list_letters(
    receiver: Receiver = "",
    json: Annotated[bool, typer.Option("--json", help="A line of JSON each.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """List webhooks that were given up, the oldest first."""
    from a2a_streaming.cli import dead_letters  # noqa: PLC0415 - see the module's docstring

    dead_letters.show(url, token, receiver, json)


@letters.command("replay")
def replay_letters(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="TASK/WEBHOOK…", help="As `list` shows them.")
    ] = None,
    receiver: Receiver = "",
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Tell webhooks that were given up all that they weren't told."""
    from a2a_streaming.cli import dead_letters  # noqa: PLC0415 - see the module's docstring

    dead_letters.replay(url, token, names or [], receiver, everything)


def main() -> None:
    """Run the command line; failures become one sentence and an exit code."""
    try:
        app()
    except A2AStreamingError as error:
        print(f"a2a-streaming: {error}", file=sys.stderr)  # noqa: T201 - this is what the command says
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
