"""Run the kit against every server; write what it finds into docs/a2a-reliability.md.

`make scoreboard`; `ONLY=ours` runs those whose name begins so, and leaves the others' columns as they were found.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from a2a_reliability.running import checks
from scoreboard.peers import HOME, ROOT, Peer, peers, prepare, started

PAGE = ROOT / "docs" / "a2a-reliability.md"
BEGIN, END = "<!-- scoreboard -->\n", "<!-- /scoreboard -->\n"
Found = dict[str, Any]


def main(only: str) -> None:
    """Run all that is asked for."""
    prepare()
    board: dict[str, list[Found]] = {}
    with peers() as all_of_them:
        for peer in all_of_them:
            kept = HOME / f"{peer.name.replace('/', '-')}.json"
            if peer.name.startswith(only):
                kept.write_text(json.dumps(judged(peer)))
            if kept.exists():
                board[peer.name] = json.loads(kept.read_text())
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(board) + END + rest.split(END)[1])


def judged(peer: Peer) -> list[Found]:
    """What the kit finds at one server."""
    print(f"== {peer.name}", file=sys.stderr, flush=True)
    with started(peer) as places:
        first, *others = places
        kit = [
            *(sys.executable, "-m", "a2a_reliability", first.url, "--json", "--idle", "20"),
            *("--crash-command", first.kill, "--start-command", first.start, "--bound", "30"),
            *(word for other in others for word in ("--also", other.url)),
            *peer.options,
        ]
        told = subprocess.run(kit, stdout=subprocess.PIPE, text=True, check=False)
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        if [line["check"] for line in lines] != [check.name for check in checks()]:
            raise SystemExit(f"the kit couldn't test {peer.name}")
    for line in lines:
        if line["result"] == "failed":
            print(
                f"{line['check']}: {line['reason']}",
                *line["evidence"],
                sep="\n   ",
                file=sys.stderr,
            )
    return lines


def table(board: dict[str, list[Found]]) -> str:
    """The scoreboard, and the reason of each cell that isn't a plain pass."""
    lines = [
        "| check | asked by | " + " | ".join(board) + " |",
        "| --- | --- |" + " --- |" * len(board),
    ]
    for check in checks():
        cells = [
            cell(line) for found in board.values() for line in found if line["check"] == check.name
        ]
        lines.append(f"| `{check.name}` | {check.sections or '–'} | {' | '.join(cells)} |")
    lines += ["", "What failed, and why:", ""]
    for name, found in board.items():
        failed: dict[str, list[str]] = {}
        for line in found:
            if line["result"] == "failed":
                failed.setdefault(reason(line), []).append(f"`{line['check']}`")
        lines += [f"- **{name}**" + ("" if failed else ": nothing")]
        lines += [f"  - {', '.join(names)}: {why}" for why, names in failed.items()]
    return "\n".join([*lines, ""])


def cell(found: Found) -> str:
    """One cell."""
    match found["result"], bool(found["sections"]):
        case "passed", True:
            return "passed"
        case "failed", True:
            return "**failed**"
        case "passed", False:
            return "yes"
        case "failed", False:
            return "no"
        case _:
            return "·"


def reason(found: Found) -> str:
    """Why something failed, with the first thing that was seen."""
    words = " · ".join([found["reason"], *found["evidence"][:2]])
    return words.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")[:400]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
