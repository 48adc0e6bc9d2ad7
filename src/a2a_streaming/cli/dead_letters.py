"""`dead-letters`: webhooks that were given up are listed and replayed, over the operators' API."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import typer

from a2a_streaming.errors import SetupError

_COLUMNS = "{:<20}{:<7}{:<8}{}"


def show(url: str, token: str | None, receiver: str, as_json: bool) -> None:
    """List the dead letters.

    Raises:
        SetupError: The server refused, or can't be reached.
    """
    with _http(url, token) as http:
        if not as_json:
            typer.echo(_COLUMNS.format("GIVEN UP", "TRIES", "UNTOLD", "TASK/WEBHOOK  URL  REASON"))
        asked: dict[str, str] = {"size": "200", "receiver": receiver}
        while True:
            page = _answer(http, "GET", "", params=asked)
            for letter in page["letters"]:
                typer.echo(orjson.dumps(letter).decode() if as_json else _line(letter))
            if not page["next"]:
                return
            asked["token"] = page["next"]


def replay(
    url: str, token: str | None, letters: list[str], receiver: str, everything: bool
) -> None:
    """Replay dead letters: those that are named, all, or all of one receiver.

    Raises:
        SetupError: The server refused, or can't be reached.
    """
    if not (letters or receiver or everything):
        raise typer.BadParameter("Name letters as TASK/WEBHOOK, or give --receiver or --all.")
    count = 0
    with _http(url, token) as http:
        for letter in letters:
            task, slash, webhook = letter.partition("/")
            if not slash:
                raise typer.BadParameter(f"{letter!r} is no TASK/WEBHOOK, as `list` shows them.")
            path = f"/{quote(task, safe='')}/{quote(webhook, safe='')}/replay"
            count += _answer(http, "POST", path)["replayed"]
        asked = {"receiver": receiver}
        while receiver or everything:
            told = _answer(http, "POST", "/replay", json=asked)
            count += told["replayed"]
            if not told["next"]:
                break
            asked["token"] = told["next"]
    typer.echo(f"{count} replayed")


def _line(letter: dict[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(letter["at"] / 1000))
    untold = "gone" if letter["waiting"] is None else str(letter["waiting"])
    name = f"{letter['task']}/{letter['webhook']}"
    about = f"{name}  {letter['url']}  {letter['reason']}"
    return _COLUMNS.format(at, letter["tries"], untold, about)


def _http(url: str, token: str | None) -> httpx2.Client:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=60)


def _answer(http: httpx2.Client, method: str, path: str, **more: Any) -> Any:
    try:
        answer = http.request(method, f"/ops/api/dead-letters{path}", **more)
    except httpx2.HTTPError as error:
        raise SetupError(
            f"{http.base_url} can't be reached ({error}). Is it running? See --url."
        ) from error
    if answer.is_success:
        return answer.json()
    try:
        why = answer.json()["error"]["message"]
    except (ValueError, LookupError, TypeError):
        why = f"HTTP {answer.status_code}"
    raise SetupError(why)
