"""Run the suite over several servers: `python tools/compat.py SERVER…`, each a path or a name on PATH.

Tells for each which product and version it is, and what came of the tests, as rows for docs/compatibility.md;
what failed is told behind them. Ends with 1 if anything did.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TESTS = ("tests/backbone", "tests/http", "tests/sdk")
HEAD = "| server | version | tests passed | skipped | failed | on |\n| --- | --- | --- | --- | --- | --- |"


class Ran(NamedTuple):
    """What came of a run.

    Args:
        row: The server's row.
        failed: The tests that failed.
    """

    row: str
    failed: list[str]


def ran(server: str, tests: list[str]) -> Ran:
    """Run the tests over a server.

    Args:
        server: Its program.
        tests: Files or directories.
    """
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\w+) server v=(\S+)", said)
    product, version = found.groups() if found else ("?", said.strip())
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--junit-xml={report}", *tests],
            cwd=ROOT,
            env={**os.environ, "A2A_TEST_STORE": server},
            check=False,
        )
        suite = ET.parse(report).getroot()  # noqa: S314 - pytest has just written it
    cases = list(suite.iter("testcase"))
    failed = [
        f"{product} {version}: {case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - skipped - len(set(failed))
    today = datetime.datetime.now(datetime.UTC).date()
    return Ran(
        f"| {product} | {version} | {passed} | {skipped} | {len(set(failed))} | {today} |", failed
    )


def main() -> int:
    """Run them all, and tell."""
    servers = [shutil.which(name) for name in sys.argv[1:]]
    if not servers or None in servers:
        print(
            "Name servers: paths of redis-server or valkey-server, or names on PATH.",
            file=sys.stderr,
        )
        return 2
    tests = os.environ.get("TESTS", "").split() or list(TESTS)
    done = [ran(str(Path(server).absolute()), tests) for server in servers if server]
    print(
        "\n".join(
            [HEAD, *(one.row for one in done), *(name for one in done for name in one.failed)]
        )
    )
    return int(any(one.failed for one in done))


if __name__ == "__main__":
    sys.exit(main())
