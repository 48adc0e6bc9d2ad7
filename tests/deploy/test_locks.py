"""The packages that production gets."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent


def test_what_is_installed_in_production_is_what_was_tested() -> None:
    """Renewed by `make lock`, or as docs/upgrading.md says without an upgrade."""
    tested, installed = _pins(ROOT / "requirements.lock"), _pins(ROOT / "deploy/requirements.lock")
    assert {name: pin for name, pin in tested.items() if name in installed} == installed
    missing = _needed() - installed.keys()
    assert not missing, f"deploy/requirements.lock lacks {missing}"
    assert not installed.keys() & {"pytest", "ruff", "pyright", "playwright", "moto"}


def _pins(lock: Path) -> dict[str, str]:
    """Each package of a lock with its versions and digests."""
    found: dict[str, str] = {}
    for name, pin in re.findall(
        r"^([\w.-]+)(==(?:.*\\\n)+.*--hash.*)$", lock.read_text(), re.MULTILINE
    ):
        found[canonicalize_name(name)] = found.get(canonicalize_name(name), "") + pin
    return found


def _needed() -> set[str]:
    """What the package needs here with all its extras, by what each package says of itself."""
    found = set[str]()
    extras = Distribution.from_name("a2a-streaming").metadata.get_all("Provides-Extra") or []
    waiting = [("a2a-streaming", extra) for extra in ("", *extras)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        found.add(canonicalize_name(name))
        for line in requires(name) or ():
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            for one in ((wanted.name, more) for more in ("", *wanted.extras)):
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
    return found - {"a2a-streaming"}
