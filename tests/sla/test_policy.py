"""The policy's file: what may stand in it, and what somebody is told who has written something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a2a_streaming.errors import InvalidSetting
from a2a_streaming.settings import Settings
from a2a_streaming.sla import DEFAULT, Policy, load_policy, secret_of

WHOLE = """
[webhook]
url = "https://pager.example/alerts"

[quiet]
zone = "Europe/Berlin"
hours = [{ from = "22:00", to = "07:00" }, { days = ["sat", "sun"] }]

[[limits]]
name = "first word"
measure = "first-event"
agents = ["intent"]
seconds = 10

[[limits]]
name = "at work"
measure = "working"
seconds = { urgent = 60, high = 120, normal = 300 }
actions = ["notify", "escalate"]
repeats = 3
repeat_seconds = 600

[[limits]]
name = "forgotten"
measure = "input-required"
seconds = 86400
actions = ["cancel"]
always = true

[[limits]]
name = "alone"
measure = "human"
seconds = { urgent = 60 }
"""
SECRET = "a secret of more than twenty-four bytes"  # noqa: S105


def load(tmp_path: Path, text: str, secret: str = SECRET) -> Policy:
    file = tmp_path / "sla.toml"
    file.write_text(text)
    return load_policy(Settings(sla=str(file), sla_secret=secret))  # type: ignore[arg-type]


def test_the_whole_file_is_read(tmp_path: Path) -> None:
    policy = load(tmp_path, WHOLE)
    first, work, forgotten, alone = policy.limits
    assert first.ms("low") == first.ms("urgent") == 10_000
    assert (work.ms("high"), work.ms("low"), work.least_ms) == (120_000, None, 60_000)
    assert work.actions == ("notify", "escalate")
    assert [limit.name for limit in policy.of("billing")] == ["at work", "forgotten"]
    assert forgotten.always
    assert not alone.always
    assert policy.webhook is not None
    usual = {"urgent": 120.0, "high": 300.0, "normal": 900.0, "low": 3600.0}
    assert policy.waits(usual) == {**usual, "urgent": 60.0}


def test_without_a_file_who_waits_for_a_person_is_raised_and_nothing_else() -> None:
    policy = load_policy(Settings())
    assert policy == DEFAULT
    assert [limit.measure for limit in policy.limits] == ["human"]
    assert policy.of("intent") == ()
    assert policy.waits({"low": 5.0, "high": 1.0, "normal": 1.0, "urgent": 1.0})["low"] == 5.0


def test_a_file_that_says_nothing_of_waits_for_a_person_leaves_them_as_they_are(
    tmp_path: Path,
) -> None:
    policy = load(tmp_path, '[[limits]]\nname="a"\nmeasure="total"\nseconds=1')
    assert [limit.measure for limit in policy.limits] == ["total", "human"]


def one(**changed: Any) -> str:
    told = {"name": '"slow"', "measure": '"working"', "seconds": "5", **changed}
    return "[[limits]]\n" + "\n".join(f"{k} = {v}" for k, v in told.items() if v is not None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[limits]\n", "which is no TOML"),
        ("[limit]\n", "limit: Extra inputs are not permitted"),
        (one(measure='"worked"'), r"limits\['slow'\].measure: Input should be 'first-event'"),
        (one(seconds="-1"), r"limits\['slow'\].seconds.urgent: Input should be greater than 0"),
        (one(seconds="{ soon = 1 }"), r"limits\['slow'\].seconds.soon.*should be 'urgent', 'high'"),
        (one(seconds=None), r"limits\['slow'\]: seconds must be a number, or one for each"),
        (one(name=None), r"limits\[0\].name: Field required"),
        (one(name='"a@b"'), "String should match pattern"),
        (one(actions='["call"]'), r"limits\['slow'\].actions\[0\]: Input should be 'notify'"),
        (one(actions='["cancel", "retry"]'), "one of escalate, cancel and retry"),
        (one(repeats="-1"), r"limits\['slow'\].repeats: Input should be greater than or equal"),
        (one(measure='"human"', actions='["escalate"]'), "waits for a person already"),
        (one(measure='"input-required"', actions='["retry"]'), "nothing works on a task"),
        (one() + "\n" + one(), "more than one is called 'slow'"),
        ('[quiet]\nzone = "Mars/Base"', "quiet.zone: 'Mars/Base' is no time zone"),
        ("[quiet]\nhours = [{}]", "quiet: hours leave no time that isn't quiet"),
        ('[quiet]\nhours = [{ from = "25:00" }]', r"quiet.hours\[0\].from: '25:00' is no time"),
        ('[quiet]\nhours = [{ from = "7", to = "8" }]', "'7' is no time of day"),
        ('[quiet]\nhours = [{ days = ["monday"] }]', r"quiet.hours\[0\].days\[0\]: Input should be 'mon'"),
        ('[webhook]\nurl = "pager"', "webhook.url: Input should be a valid URL"),
        ('[webhook]\nurl = "https://a:b@pager.example"', "must not carry a user or password"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidSetting, match=said) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith("A2A_SLA names ")
    assert "pydantic" not in str(refused.value)


def test_a_file_that_isnt_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"can't be read \(No such file"):
        load_policy(Settings(sla=str(tmp_path / "no.toml")))


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "whsec_!!", "whsec_c2hvcnQ="])
def test_a_webhook_needs_something_to_sign_with(tmp_path: Path, secret: str) -> None:
    with pytest.raises(InvalidSetting, match="A2A_SLA_SECRET"):
        load(tmp_path, '[webhook]\nurl = "https://pager.example"', secret)


def test_a_secret_can_be_written_as_standard_webhooks_write_it() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
    assert len(secret_of(Settings(sla_secret=secret))) == 24  # type: ignore[arg-type]
