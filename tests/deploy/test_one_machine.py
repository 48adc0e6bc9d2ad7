"""The image, and the platform on one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from a2a_streaming.settings import Settings
from a2a_streaming.version import VERSION
from programs import needs, path_of

DEPLOY = Path(__file__).parent.parent.parent / "deploy"


def compose() -> dict[str, Any]:
    """The services of one machine."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@needs("hadolint")
def test_the_image_is_made_as_images_should_be() -> None:
    checked = subprocess.run(
        [path_of("hadolint"), str(DEPLOY / "Containerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_image_is_made_of_what_the_lock_names_and_runs_as_nobody() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    steps = text[text.index("FROM") :]
    assert steps.count("pip install") + steps.count("install --require-hashes") >= 2
    for line in re.findall(r"^.*\binstall .*-r .*$", steps, re.MULTILINE):
        assert "--require-hashes" in line
    assert re.search(r"^USER 65532:65532$", steps, re.MULTILINE)
    kept = set(re.findall(r"^!(.+)$", (DEPLOY.parent / ".dockerignore").read_text(), re.MULTILINE))
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", steps, re.MULTILINE)
        for name in line.split()
    }
    assert copied == kept
    assert all((DEPLOY.parent / name).exists() for name in copied)


@needs("docker-compose")
def test_the_services_of_one_machine_are_as_compose_reads_them(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copy(DEPLOY / "compose.env.example", tmp_path / "deploy" / "compose.env")
    checked = subprocess.run(
        [
            path_of("docker-compose"),
            "-f",
            str(tmp_path / "deploy" / "compose.yaml"),
            "config",
            "-q",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr, "a warning"


def test_nothing_but_the_proxy_is_reached_from_outside() -> None:
    services = compose()["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["nginx"]
    assert "127.0.0.1" in services["nginx"]["ports"][0]
    assert compose()["networks"]["inside"]["internal"] is True
    for store in ("valkey", "postgresql"):
        assert services[store]["networks"] == ["inside"]
        assert services[store]["volumes"]
    for one in services.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
    assert services["platform"]["image"] == f"a2a-streaming:{VERSION}"


def test_what_one_machine_is_told_are_settings_and_no_secret_stands_in_it() -> None:
    services = compose()["services"]
    example = dict(
        re.findall(r"^#?(\w+)=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE)
    )
    told = {*services["platform"]["environment"], *example}
    known = {f"A2A_{name.upper()}" for name in Settings.model_fields} | {"ANTHROPIC_API_KEY"}
    known |= {"FORWARDED_ALLOW_IPS", "VALKEY_PASSWORD", "POSTGRES_PASSWORD"}
    assert told <= known
    assert [example[name] for name in ("VALKEY_PASSWORD", "POSTGRES_PASSWORD")] == ["", ""]
    for name in ("A2A_REDIS_URL", "A2A_DATABASE_URL"):
        [host] = re.findall(r":PASSWORD@(\w+):", example[name])
        assert host in services
    assert {one["env_file"] for one in services.values() if "env_file" in one} == {"compose.env"}


def test_processes_have_time_to_hand_over_what_they_run() -> None:
    settings = Settings.model_construct()
    [seconds] = re.findall(r"^(\d+)s$", compose()["services"]["platform"]["stop_grace_period"])
    assert settings.cancel_seconds + 1 + 5 + settings.push_timeout + 3 < int(seconds)
