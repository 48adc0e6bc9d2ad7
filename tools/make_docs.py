"""Write the pages that are made from the code: docs/reference.md, docs/settings.md, docs/keys.md, and what is deployed.

`python tools/make_docs.py` writes them; with `--check` it only says whether they are as the code has
them, and exits with 1 if they aren't.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard import dashboard

from a2a_streaming import errors
from a2a_streaming.backbone.keys import KEYS
from a2a_streaming.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
MADE = "<!-- Made from the code by tools/make_docs.py: `make docs` writes it anew. -->\n"

PUBLIC: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a2a_streaming", ("Agent", "Run", "agent_card", "create_app")),
    ("a2a_streaming.sdk", ("RedisRequestHandler",)),
    ("a2a_streaming", ("RedisManager", "StreamSession", "Settings")),
    ("a2a_streaming.backbone.snapshots", ("Snapshots", "Snapshot", "Meta")),
    ("a2a_streaming.backbone.subscriptions", ("Subscriptions",)),
    ("a2a_streaming.backbone.broadcast", ("Broadcast", "Listener")),
    ("a2a_streaming.backbone.history", ("History",)),
    ("a2a_streaming.artifact", ("ArtifactStream",)),
    ("a2a_streaming.session", ("Reset",)),
    ("a2a_streaming.event", ("Event", "text_part", "data_part")),
    ("a2a_streaming.position", ("Position",)),
    ("a2a_streaming.task", ("State",)),
    (
        "a2a_streaming.client",
        ("Client", "StreamEvent", "Reset", "RemoteError", "StreamLost", "AgentUnreachable"),
    ),
)
SKIPPED = {"Settings"}  # its fields have a page of their own


def reference() -> str:
    """Return the page of signatures."""
    lines = [
        "# Reference",
        "",
        MADE,
        "Every public name with its signature and what it is for. What it raises and why stands in its",
        "docstring. Everything not named here may change without notice.",
        "",
    ]
    for module, names in PUBLIC:
        for name in names:
            lines += _describe(module, name)
    lines += ["## Errors", "", "All in `a2a_streaming.errors`.", "", "```text"]
    tree = inspect.getdoc(errors) or ""
    lines += tree[tree.index("A2AStreamingError") :].split("\n\n")[0].splitlines()
    lines += ["```", "", "| error | JSON-RPC | HTTP | gRPC |", "| --- | --- | --- | --- |"]
    for error in _subclasses(errors.RequestError):
        lines.append(
            f"| `{error.__name__}` | {error.code} | {error.http_status} | {error.grpc_status} |"
        )
    return "\n".join(lines) + "\n"


def _describe(module: str, name: str) -> list[str]:
    found = getattr(importlib.import_module(module), name)
    lines = [f"## `{module}.{name}`", "", _first(found), ""]
    code: list[str] = []
    if inspect.isclass(found):
        if name not in SKIPPED:
            code.append(f"class {name}{_signature(found)}")
            code += [f"    {line}" for line in _members(found)]
    else:
        code.append(
            f"{'async ' if inspect.iscoroutinefunction(found) else ''}def {name}{_signature(found)}"
        )
    if code:
        lines += ["```python", *code, "```", ""]
    else:
        lines += ["Its fields: [settings](settings.md).", ""]
    return lines


def _members(cls: type) -> Iterator[str]:
    ours = [base for base in reversed(cls.__mro__) if base.__module__.startswith("a2a_streaming")]
    for base in [] if dataclasses.is_dataclass(cls) else ours:
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("_"):
                yield f"{name}: {annotation}"
    found = {name: member for base in ours for name, member in vars(base).items()}
    for name, member in found.items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            returns = inspect.signature(member.fget).return_annotation if member.fget else "Any"
            yield f"{name}: {returns}"
        elif isinstance(member, staticmethod | classmethod):
            yield f"def {name}{_signature(member.__func__)}"
        elif inspect.isfunction(member):
            prefix = "async " if inspect.iscoroutinefunction(member) else ""
            yield f"{prefix}def {name}{_signature(member)}"
        elif isinstance(member, str) and issubclass(cls, str):
            yield f"{name} = {str(member)!r}"


def _signature(found: Any) -> str:
    try:
        written = str(inspect.signature(found))
    except ValueError:
        return "(...)"
    # Annotations are strings, so they are written in quotes; defaults keep theirs.
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", written)


def _first(found: Any) -> str:
    return (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ")


def _subclasses(cls: type[errors.RequestError]) -> Iterator[type[errors.RequestError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)


def settings() -> str:
    """Return the page of settings."""
    lines = [
        "# Settings",
        "",
        MADE,
        "Environment variables, or lines of a `.env` file in the working directory. Lists are",
        "comma-separated; times are in seconds unless the name says otherwise.",
        "",
        "| variable | default | what it does |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"A2A_{name.upper()}"
        default = "" if field.default in (None, "", []) else f"`{field.default}`"
        lines.append(
            f"| `{variable}` | {default} | {' '.join((field.description or '').split())} |"
        )
    return "\n".join(lines) + "\n"


def keys() -> str:
    """Return the page of Redis keys."""
    lines = [
        "# Redis keys and channels",
        "",
        MADE,
        "The braces around a task's id are literal: they keep all keys of a task in one slot of a Redis",
        "Cluster. Every key has a lifetime; the names in the column are [settings](settings.md).",
        "",
        "| name | type | lifetime | holds |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| `{k.pattern}` | {k.type} | {k.lifetime} | {k.holds} |" for k in KEYS]
    return "\n".join(lines) + "\n"


_RULE = """\
# Made from deploy/prometheus/rules.yml by tools/make_docs.py: `make docs` writes it anew.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: a2a-streaming
spec:
"""


def rules() -> str:
    """Return the alerts as the Prometheus operator takes them."""
    told = (DOCS.parent / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    return _RULE + textwrap.indent(told[told.index("groups:") :], "  ")


PAGES = {
    "reference.md": reference,
    "settings.md": settings,
    "keys.md": keys,
    "../deploy/grafana/a2a-streaming.json": dashboard,
    "../deploy/kubernetes/components/monitoring/rules.yaml": rules,
}


def main() -> int:
    """Write the pages, or check them."""
    check = "--check" in sys.argv[1:]
    stale = [name for name, make in PAGES.items() if not _same(DOCS / name, make())]
    if check and stale:
        print(f"Not as the code has them: {', '.join(stale)}. Run `make docs`.", file=sys.stderr)
        return 1
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def _same(path: Path, content: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == content


if __name__ == "__main__":
    sys.exit(main())
