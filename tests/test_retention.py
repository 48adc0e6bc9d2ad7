"""Rules for how long ended tasks are kept: the first that fits holds, and a wrong file is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.retention import Kept, Retention
from a2a_streaming.settings import Settings
from a2a_streaming.task import State

RULES = """
[[rule]]
owners = ["vip-*", "anna"]
archive_days = 3650

[[rule]]
states = ["failed", "canceled"]
agents = ["billing"]
redis_days = 0.5
archive_days = 0

[[rule]]
agents = ["billing"]
redis_days = 2
"""


def by(tmp_path: Path, rules: str, archive_url: str = "file:///tmp/archive") -> Retention:
    """What a file says."""
    file = tmp_path / "retention.toml"
    file.write_text(rules)
    return Retention.from_settings(
        Settings(retention=str(file), archive_url=archive_url, archive_days=30)
    )


def test_the_first_rule_that_fits_holds_and_what_it_leaves_out_is_the_settings(
    tmp_path: Path,
) -> None:
    retention = by(tmp_path, RULES)
    assert retention.of(State.FAILED, "billing", "vip-7") == Kept(None, 3650)
    assert retention.of(State.FAILED, "billing", "bob") == Kept(43_200, 0)
    assert retention.of(State.COMPLETED, "billing", "bob") == Kept(172_800, 30)
    assert retention.of(State.FAILED, "booking", "annabel") == Kept(None, 30)


def test_without_rules_and_archive_nothing_is_archived() -> None:
    assert Retention.from_settings(Settings()).of(State.FAILED, "a", "o") == Kept(None, 0)


@pytest.mark.parametrize(
    "wrong",
    ["[[rule", "[[rule]]\nstates = ['working']", "[[rule]]\nstate = ['failed']", "rules = 1"],
)
def test_a_file_that_is_wrong_is_told_of(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidSetting, match="A2A_RETENTION"):
        by(tmp_path, wrong)


def test_rules_that_archive_need_an_archive(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="set A2A_ARCHIVE_URL"):
        by(tmp_path, RULES, archive_url="")
