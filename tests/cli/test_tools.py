"""`send`, `watch`, `tasks` and `cancel`, as people and as programs use them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import redis.asyncio

from a2a_streaming.version import VERSION
from processes import TESTS, Running, environment, ran, started

AGENT = ("serve", "apps.seats:SeatsAgent")


@contextmanager
def serving(redis_url: str, tmp_path: Path, **settings: Any) -> Iterator[Running]:
    """The agent that asks for seats, in a process of its own."""
    with started(*AGENT, data_dir=tmp_path / "data", A2A_REDIS_URL=redis_url, **settings) as server:
        yield server


def told(*arguments: str, url: str, code: int = 0) -> list[str]:
    """What a tool writes."""
    ended = ran(*arguments, "--url", url)
    assert ended.returncode == code, ended.stderr
    return ended.stdout.splitlines()


def objects(*arguments: str, url: str, code: int = 0) -> list[dict[str, Any]]:
    """What it writes for programs."""
    return [json.loads(line) for line in told(*arguments, "--json", url=url, code=code)]


def test_a_pipe_gets_a_line_an_event_and_programs_an_object(
    redis_url: str, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    with serving(redis_url, tmp_path) as server:
        url = server.url
        lines = told("send", "a seat", "--task", "t1", url=url)
        positions, words = zip(*(line.split("  ", 1) for line in lines), strict=True)
        assert words == (
            "submitted",
            "working  Looking at the plan",
            "[plan] 12A",
            "[plan] 12C",
            "[plan]",
            "input-required  Which seat?",
        )
        answered = objects("send", "any", "--task", "t1", url=url)
        assert answered[-1]["event"]["status"]["state"] == "completed"
        assert answered[-1]["final"]
        whole = objects("watch", "t1", url=url)
        assert [one["position"] for one in whole][: len(positions)] == list(positions)
        assert whole[-1] == answered[-1]
        rest = objects("watch", "t1", "--after", positions[-1], url=url)
        assert rest == whole[len(positions) :]
        assert objects("watch", "t1", "--follow", url=url) == whole

        assert "No seats" in told("send", "fail", "--task", "t2", url=url, code=1)[-1]
        told("watch", "t2", url=url, code=1)
        told("send", "a seat", "--task", "t3", url=url)
        assert told("cancel", "t3", url=url) == ["t3 canceled"]
        told("cancel", "t3", url=url, code=1)

        rows = objects("tasks", url=url)
        assert [(row["id"], row["state"]) for row in rows] == [
            ("t3", "canceled"),
            ("t2", "failed"),
            ("t1", "completed"),
        ]
        [line] = told("tasks", "--state", "failed", "--newer", "1h", "--words", "FAIL", url=url)
        assert line.split("\t")[:3] == ["t2", "failed", "seats"]
        assert told("tasks", "--older", "1h", url=url) == []
        assert told("tasks", "--unchanged", "1h", "--agent", "seats", url=url) == []
        assert len(told("tasks", "--changed", "1h", "--size", "2", url=url)) == 2
        assert len(told("tasks", "--all", url=f"{url}/agents/seats")) == 3
        for wrong in (["--older", "soon"], ["--state", "lost"], ["--size", "0"]):
            told("tasks", *wrong, url=url, code=2)


def test_who_is_no_operator_lists_their_own_tasks(
    redis_url: str, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    def key(subject: str, role: str) -> str:
        made = ran(
            *("keys", "create", subject, "--role", role),
            A2A_REDIS_URL=redis_url,
        )
        return made.stdout.strip()

    anna, ben = key("anna", "customer"), key("ben", "customer")
    boss = key("boss", "operator")
    with serving(redis_url, tmp_path, A2A_AUTH_KEYS="true") as server:

        def listed(who: str, *more: str, code: int = 0) -> list[dict[str, Any]]:
            return objects("tasks", "--token", who, *more, url=server.url, code=code)

        for who, text in ((anna, "a seat"), (anna, "any"), (ben, "any")):
            told("send", text, "--token", who, url=server.url)
        assert {row["owner"] for row in listed(boss)} == {"anna", "ben"}
        assert len(listed(boss, "--owner", "anna")) == 2
        assert [row["state"] for row in listed(anna)] == ["completed", "input-required"]
        assert len(listed(anna, "--state", "completed", "--changed", "1h")) == 1
        refused = ran("tasks", "--owner", "ben", "--token", anna, "--url", server.url)
        assert refused.returncode == 1
        assert "operator" in refused.stderr
        assert ran("tasks", "--token", "nonsense", "--url", server.url).returncode == 1


class Terminal:
    """A person at a terminal, and a command that runs in it."""

    def __init__(self, *arguments: str) -> None:
        self._screen, inside = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "a2a_streaming", *arguments],
            cwd=TESTS,
            env=environment(TERM="xterm", COLUMNS="100"),
            pass_fds=[inside],
            preexec_fn=partial(os.login_tty, inside),  # noqa: PLW1509 - so that Ctrl-C reaches it
        )
        os.close(inside)
        self.seen = ""

    def until(self, words: str) -> None:
        """Read until the terminal shows these words."""
        while words not in self.seen:
            try:
                self.seen += os.read(self._screen, 4096).decode(errors="replace")
            except OSError:  # it has ended
                raise AssertionError(f"it never showed {words!r}: {self.seen}") from None

    def type(self, line: str) -> None:
        """Type something; what was shown before is looked at no more."""
        self.seen = ""
        os.write(self._screen, line.encode())

    def ended(self) -> int:
        """Its exit code."""
        try:
            while data := os.read(self._screen, 4096):
                self.seen += data.decode(errors="replace")
        except OSError:
            pass
        os.close(self._screen)
        return self.process.wait(20)


ANSWERS = (
    ("1\n", 0, "You have 12A"),  # the form
    ("any will do\n", 0, "You have one"),  # in their own words
    ("\x04", 0, "Answer later"),  # Ctrl-D
    ("\x03", 130, "The task goes on"),  # Ctrl-C
)


def test_in_a_terminal_send_asks_what_the_agent_asks(
    redis_url: str, raw: redis.asyncio.Redis, tmp_path: Path
) -> None:
    with serving(redis_url, tmp_path) as server:
        # All at once: each takes a second to start.
        terminals = [
            Terminal("send", "a seat", "--task", f"t{n}", "--url", server.url)
            for n in range(len(ANSWERS))
        ]
        for terminal, (typed, code, shows) in zip(terminals, ANSWERS, strict=True):
            terminal.until("(1-2) > ")
            for shown in ("Looking at the plan", "12A 12C", "Which seat?", "1. by the window"):
                assert shown in terminal.seen
            terminal.type(typed)
            assert terminal.ended() == code
            assert shows in terminal.seen


def test_it_says_which_version_it_is() -> None:
    assert ran("--version").stdout == f"a2a-streaming {VERSION}\n"
