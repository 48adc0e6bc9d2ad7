"""`audit` and `customers`: exports as lines that form a chain, checked while they come; and files checked offline."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx2
import orjson
import typer

from a2a_streaming.chain import verify
from a2a_streaming.client import AgentUnreachable, RemoteError

_ACCEPTED = 202
_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)


def export_task(url: str, token: str | None, task: str, to: Path | None) -> None:
    """Write a task's story."""
    _export(url, token, f"/audit/tasks/{quote(task, safe='')}", {}, to)


def export_trail(url: str, token: str | None, after: str, to: Path | None) -> None:
    """Write all that was noted."""
    _export(url, token, "/audit/trail", {"after": after} if after else {}, to)


def export_customer(url: str, token: str | None, owner: str, to: Path | None) -> None:
    """Write all that belongs to a customer."""
    _export(url, token, "/ops/api/customer", {"owner": owner}, to)


def erase_customer(url: str, token: str | None, owner: str, reason: str) -> None:
    """Delete all that belongs to a customer, and say what was deleted; how far it is stands on standard error."""
    address = f"{url.rstrip('/')}/ops/api/customer/erase"
    with _asking(address, token) as http:
        while True:
            answer = http.post(address, json={"owner": owner, "reason": reason})
            _check(answer)
            told: Any = answer.json()
            if answer.status_code != _ACCEPTED:
                break
            left = f", {told['left']} left" if told["left"] else ""
            typer.echo(f"deleting {told['at']}{left} …", err=True)
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


def check_file(path: Path, head: str) -> None:
    """Check a file, and say what it holds.

    Raises:
        ChainBroken: It was changed or cut off.
    """
    with path.open("rb") as file:
        verified = verify(file, head=head, keep=False)
    typer.echo(f"{path}: whole, {verified.lines} lines, head {verified.head}")
    if not head:
        typer.echo(
            "Compare the head with the one that was told when it was made, or give it with --head.",
            err=True,
        )


def _export(url: str, token: str | None, path: str, asked: dict[str, str], to: Path | None) -> None:
    """Write an export, and say its head; what comes is checked, so a cut isn't taken for the end."""
    address = f"{url.rstrip('/')}{path}"
    with (
        _asking(address, token) as http,
        http.stream("GET", address, params=asked) as answer,
        _written(to) as file,
    ):
        if not answer.is_success:
            answer.read()
        _check(answer)
        verified = verify(_lines(answer, file), keep=False)
    typer.echo(f"{verified.lines} lines, head {verified.head}", err=True)


def _lines(answer: httpx2.Response, file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            file.write(line + b"\n")
            yield line
    if rest:
        file.write(rest)
        yield rest
    file.flush()


@contextmanager
def _written(to: Path | None) -> Generator[IO[bytes]]:
    """Yield what to write to: standard output, or a file that nobody else may read."""
    if to is None:
        yield sys.stdout.buffer
        return
    to.touch(mode=0o600)
    with to.open("wb") as file:
        yield file


@contextmanager
def _asking(address: str, token: str | None) -> Generator[httpx2.Client]:
    """Yield a client; what goes wrong on the way becomes an error that says so."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx2.Client(headers=headers, timeout=_TIMEOUT) as http:
        try:
            yield http
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise AgentUnreachable(address, reason) from error
        except httpx2.InvalidURL as error:
            raise AgentUnreachable(address, "that is no address") from error


def _check(answer: httpx2.Response) -> None:
    """Check that an answer is one.

    Raises:
        RemoteError: The server refuses.
        AgentUnreachable: Something else answers there.
    """
    if answer.is_success:
        return
    try:
        told: Any = orjson.loads(answer.content)["error"]
        message = str(told["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise AgentUnreachable(str(answer.url), f"HTTP {answer.status_code}") from error
    raise RemoteError(answer.status_code, message)
