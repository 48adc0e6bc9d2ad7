"""`doctor`: looks at everything, and says what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import resource
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import orjson
import typer

from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.backbone.server import find_server
from a2a_streaming.cli.stores import store_url
from a2a_streaming.cli.words import clean
from a2a_streaming.client import AgentUnreachable, http_client
from a2a_streaming.client.answers import object_of
from a2a_streaming.errors import A2AStreamingError, StoreUnavailable
from a2a_streaming.ops.doctor import (
    Finding,
    of_clocks,
    of_formation,
    of_keys,
    of_nodes,
    of_queues,
    of_redis,
    of_settings,
)
from a2a_streaming.settings import Settings, load_settings
from a2a_streaming.task import Json

_KEYS = 200_000
"""The most keys that are looked at."""
_CARD_SECONDS = 5.0
_FULL = 0.95
_MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "wrong": ("✘", "red")}


def doctor(data_dir: Path | None, *, repair: bool, as_json: bool) -> None:
    """Say what is wrong.

    Args:
        data_dir: Where everything is kept; as the settings have it if None.
        repair: Whether to clean up first what the janitor would in time.
        as_json: Whether to write a JSON object for each finding.

    Raises:
        Exit: Something is wrong.
    """
    settings = load_settings(data_dir=data_dir)
    found = asyncio.run(_examined(settings, repair=repair, as_json=as_json))
    wrong, warnings = (sum(one.level == level for one in found) for level in ("wrong", "warning"))
    if not as_json:
        typer.echo(
            f"{wrong} wrong, {warnings} to be warned of, {len(found) - wrong - warnings} well."
        )
    if wrong:
        raise typer.Exit(1)


async def _examined(settings: Settings, *, repair: bool, as_json: bool) -> list[Finding]:
    found: list[Finding] = []
    async for finding in _findings(settings, repair=repair):
        found.append(finding)
        _tell(finding, as_json=as_json)
    return found


async def _findings(settings: Settings, *, repair: bool) -> AsyncGenerator[Finding]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for one in of_settings(settings, files=files if files != resource.RLIM_INFINITY else None):
        yield one
    for one in await asyncio.to_thread(_of_disk, settings.data_dir):
        yield one
    for one in await _of_store(settings, repair=repair):
        yield one
    yield await _of_database(settings)
    for one in await asyncio.gather(*(_of_specialist(url) for url in settings.agents)):
        yield one


def _of_disk(data_dir: Path) -> list[Finding]:
    if not data_dir.exists():
        return []
    usage = shutil.disk_usage(data_dir)
    share = 1 - usage.free / usage.total
    level = "wrong" if share > _FULL else "ok"
    said = f"{usage.free / 2**30:.1f} GiB free at {data_dir}"
    return [Finding("Disk", level, said, "Make room." if level == "wrong" else "")]


async def _of_store(settings: Settings, *, repair: bool) -> list[Finding]:
    if not settings.redis_url and not (settings.data_dir / "redis").exists():
        try:
            server = await asyncio.to_thread(find_server, settings.redis_server or None)
        except StoreUnavailable as error:
            return [Finding("Redis", "wrong", str(error))]
        return [
            Finding("Redis", "ok", f"Nothing is kept yet; {server} will run the embedded store")
        ]
    try:
        async with store_url(settings) as url:
            return await _of_redis(url, settings, repair=repair)
    except A2AStreamingError as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        return [
            Finding(
                "Redis",
                "wrong",
                f"It can't be used: {error}{cause}",
                "Start it, or correct A2A_REDIS_URL.",
            )
        ]


async def _of_redis(url: str, settings: Settings, *, repair: bool) -> list[Finding]:
    # Not started: that would refuse what is to be examined.
    manager = RedisManager(url, settings)
    try:
        await manager.ping()
        found = of_formation(await manager.health.formation())
        if any(one.level == "wrong" for one in found):
            return found  # what is asked besides may be where nobody answers
        if repair:
            cleaned = await manager.janitor.whole()
            told = ", ".join(f"{n} {what}" for what, n in sorted(cleaned.items()) if n)
            found.append(
                Finding("Repair", "ok", f"Cleaned up: {told or 'nothing was left behind'}")
            )
        health = manager.health
        servers, nodes = await health.redis(), await health.nodes()
        for server in servers:
            found += of_redis(server, replicas=settings.redis_replicas)
        found += of_clocks(servers[0], nodes, settings)
        found += of_nodes(nodes, await manager.format.newest())
        found += of_queues(await manager.census.queues(await manager.nodes.agents()), nodes)
        found += of_keys(await health.keys(_KEYS))
        return found
    finally:
        await manager.aclose()


async def _of_database(settings: Settings) -> Finding:
    check = "Database"
    if settings.records:
        return Finding(check, "ok", f"Systems of record of your own: {settings.records}")
    from a2a_streaming.customer_service.records.sql.database import file_in  # noqa: PLC0415 - SQLAlchemy takes a while
    from a2a_streaming.customer_service.records.sql.examine import examine  # noqa: PLC0415 - likewise

    try:
        found = await examine(settings.database_url or file_in(settings.data_dir))
    except A2AStreamingError as error:
        return Finding(check, "wrong", str(error), "Correct A2A_DATABASE_URL.")
    if found.problem:
        return Finding(
            check,
            "wrong",
            f"{found.where} can't be used: {found.problem}.",
            "Check A2A_DATABASE_URL, and that the database runs.",
        )
    if not found.there or found.revision is None:
        return Finding(check, "ok", f"{found.where} is empty; the next start makes its tables")
    if found.revision > found.newest:
        return Finding(
            check,
            "wrong",
            f"{found.where} is at migration {found.revision}, which this version doesn't know.",
            "Install the version that made it, or restore a backup of before.",
        )
    if found.revision < found.newest:
        said = f"{found.where} is at migration {found.revision}, this version's newest is {found.newest}."
        return Finding(
            check,
            "warning",
            said,
            "The next start migrates it. Make a backup before: a2a-streaming backup.",
        )
    return Finding(check, "ok", f"{found.where} at migration {found.revision}")


async def _of_specialist(url: str) -> Finding:
    """Say whether a specialist's card can be read, and whether it answers where the card says."""
    check = f"Specialist {url}"
    remedy = "Start it, or correct A2A_AGENTS."
    async with http_client() as http:
        try:
            card = await _json(http, f"{url}/.well-known/agent-card.json")
        except (httpx2.RequestError, AgentUnreachable) as error:
            reason = str(error) or type(error).__name__
            return Finding(check, "wrong", f"Its card can't be read: {reason}.", remedy)
        interfaces: list[Json] = card.get("supportedInterfaces") or []
        places = [str(one["url"]) for one in interfaces if one.get("protocolBinding") == "JSONRPC"]
        places += [str(card["url"])] if card.get("url") else []
        name = clean(str(card.get("name", "")))
        if not places:
            return Finding(
                check, "wrong", f"The card of {name} names no address that speaks JSON-RPC.", remedy
            )
        asked = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "doctor"}}
        headers = {"A2A-Version": "1.0"}
        try:
            answer = await http.post(places[0], json=asked, headers=headers, timeout=_CARD_SECONDS)
        except httpx2.RequestError as error:
            reason = str(error) or type(error).__name__
            said = f"{name} can't be reached at {places[0]}, which its card names: {reason}."
            return Finding(check, "wrong", said, "Set its A2A_PUBLIC_URL.")
    if answer.status_code >= 500:
        said = f"{name} answers with HTTP {answer.status_code}."
        return Finding(check, "wrong", said, "See its log, and run doctor there.")
    return Finding(check, "ok", f"{name} answers at {places[0]}")


async def _json(http: httpx2.AsyncClient, url: str) -> Json:
    response = await http.get(url, timeout=_CARD_SECONDS)
    if response.status_code != 200:
        raise AgentUnreachable(url, f"HTTP {response.status_code}")
    return object_of(url, response.content)


def _tell(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps(dataclasses.asdict(finding)).decode())
        return
    mark, colour = _MARKS[finding.level]
    typer.secho(f"{mark} {finding.check}: ", fg=colour, nl=False)
    typer.echo(finding.said)
    if finding.remedy:
        typer.echo(f"    {finding.remedy}")
