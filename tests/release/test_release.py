"""What is released: complete, without anything else in it, and it runs where it is installed."""

from __future__ import annotations

import re
import signal
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import httpx2
import pytest

from a2a_streaming.version import VERSION
from processes import environment, free_port
from programs import needs
from release.conftest import ROOT, Built, build
from streams import request

NOT_RELEASED = {".ci/run"}
"""What a release needs nothing of: how this repository checks itself."""


@needs("git")
def test_the_source_distribution_is_what_the_repository_has_and_nothing_else(built: Built) -> None:
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {name for name in told.stdout.splitlines() if (ROOT / name).is_file()}
    with tarfile.open(built.sdist) as archive:
        released = {name.partition("/")[2] for name in archive.getnames()}
    assert released - {"PKG-INFO"} == ours - NOT_RELEASED


def test_the_wheel_is_both_packages_and_nothing_else(built: Built) -> None:
    source = ROOT / "src"
    ours = {
        str(path.relative_to(source))
        for package in ("a2a_streaming", "a2a_reliability")
        for path in (source / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(built.wheel) as archive:
        released = set(archive.namelist())
    about = f"a2a_streaming-{VERSION}.dist-info/"
    assert {name for name in released if not name.startswith(about)} == ours
    assert {f"{about}METADATA", f"{about}licenses/LICENSE"} <= released


def test_the_same_wheel_is_built_from_the_source_distribution(
    built: Built, unpacked: Path, tmp_path: Path
) -> None:
    assert build(unpacked, tmp_path).wheel.read_bytes() == built.wheel.read_bytes()


def test_the_version_is_one_and_the_changelog_tells_of_it(built: Built, programs: Path) -> None:
    told = subprocess.run(
        [programs / "a2a-streaming", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"a2a-streaming {VERSION}\n"
    assert built.wheel.name == f"a2a_streaming-{VERSION}-py3-none-any.whl"
    assert built.sdist.name == f"a2a_streaming-{VERSION}.tar.gz"
    headings = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == VERSION
    assert f"## {VERSION}" in (ROOT / "docs" / "upgrading.md").read_text()


@pytest.mark.timeout(120)
def test_the_platform_runs_from_the_installed_wheel(programs: Path, tmp_path: Path) -> None:
    """With all that isn't Python: pages, scripts for Redis, migrations, canned replies."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    where = subprocess.run(
        [programs / "python", "-c", "import a2a_streaming; print(a2a_streaming.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout).is_relative_to(programs.parent)
    with (tmp_path / "said").open("w+") as said:
        up = subprocess.Popen(
            [programs / "a2a-streaming", "up", "--port", str(port)],
            cwd=tmp_path,
            env=environment(A2A_DATA_DIR=str(tmp_path / "data")),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            _until_ready(url, up)
            with httpx2.Client(base_url=url, timeout=20) as http:
                page = http.get("/", headers={"accept": "text/html"}).text
                scripts = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css))"', page)
                assert scripts
                assert {http.get(script).status_code for script in scripts} == {200}
                words = {"role": "user", "parts": [{"type": "text", "text": "My balance?"}]}
                told = http.post("/", json=request("tasks/sendSubscribe", "t1", words)).text
                assert '"state":"completed"' in told
                assert http.get("/handover/replies").json()["replies"]
            up.send_signal(signal.SIGTERM)
            assert up.wait(20) == 0
        finally:
            up.kill()
            up.wait(10)
            said.seek(0)
            print(said.read())


def _until_ready(url: str, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert up.poll() is None, "it ended at its start"
        try:
            if httpx2.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("it didn't become ready")
