"""Pages and their files over HTTP."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

from a2a_streaming.settings import Settings
from a2a_streaming.web import Place
from web.browsing import site

EMBEDDER = "https://shop.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pages and some files; one beside them that nobody is to see."""
    static = tmp_path / "static"
    (static / "chat" / "parts").mkdir(parents=True)
    (static / "chat.html").write_text("<!doctype html><title>Chat</title>")
    (static / "ops.html").write_text("<!doctype html><title>Operations</title>")
    for name in ("app.js", "app.css", "mark.svg", "text.woff2", "app.webmanifest", "in.html"):
        (static / "chat" / name).write_text(f"/* {name} */")
    (static / "chat" / "parts" / "form.js").write_text("export {};")
    for name in (".hidden.js", "code.py"):
        (static / "chat" / name).write_text("secret")
    (tmp_path / "secret.js").write_text("secret")
    (static / "chat" / "out.js").symlink_to(tmp_path / "secret.js")
    return static


def places(folder: Path) -> list[Place]:
    return [
        Place("chat", folder / "chat.html", folder / "chat", home=True, embedded=True),
        Place("ops", folder / "ops.html", folder),
    ]


def policy(response: httpx2.Response) -> dict[str, str]:
    """What a page may do, by kind."""
    said = response.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (one.partition(" ") for one in said)}


async def test_a_file_is_served_for_what_it_is_and_only_once(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    async with site(settings, http, places=places(folder)) as served:
        for name, media_type in {
            "app.js": "text/javascript; charset=utf-8",
            "app.css": "text/css; charset=utf-8",
            "mark.svg": "image/svg+xml",
            "text.woff2": "font/woff2",
            "app.webmanifest": "application/manifest+json",
            "in.html": "text/html; charset=utf-8",
            "parts/form.js": "text/javascript; charset=utf-8",
        }.items():
            url = f"{served.url}/chat/{name}"
            first = await http.get(url)
            assert first.status_code == 200
            assert first.content == (folder / "chat" / name).read_bytes()
            assert first.headers["content-type"] == media_type
            assert first.headers["cache-control"] == "no-cache"
            assert first.headers["x-content-type-options"] == "nosniff"
            assert policy(first)["default-src"] == "'none'"

            known = f'"other", W/{first.headers["etag"]}'
            again = await http.get(url, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]

            head = await http.head(url)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(first.content))


async def test_a_file_that_has_changed_is_served_anew(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    async with site(settings, http, places=places(folder)) as served:
        url = f"{served.url}/chat/app.js"
        before = await http.get(url)
        (folder / "chat" / "app.js").write_text("/* another one */")
        after = await http.get(url, headers={"if-none-match": before.headers["etag"]})
        assert (after.status_code, after.text) == (200, "/* another one */")


def raw_get(url: str, path: str) -> bytes:
    """What the server answers to a path that clients would tidy up before they ask."""
    host, port = httpx2.URL(url).host, httpx2.URL(url).port
    with socket.create_connection((host, port or 80), timeout=20) as connection:
        asked = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
        connection.sendall(asked.encode())
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        return said


async def test_no_path_leads_out_of_the_folder(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    async with site(settings, http, places=places(folder)) as served:
        for path in (
            *("../secret.js", "%2e%2e/secret.js", "..%2fsecret.js", "parts/../../../secret.js"),
            *("..\\secret.js", "/etc/passwd", "%2fetc/passwd", "parts//form.js", "./app.js"),
            *(".hidden.js", "code.py", "out.js", "parts", "", "parts/", "app.js%00", "app.js/"),
            f"{folder.parent}/secret.js",
        ):
            said = await asyncio.to_thread(raw_get, served.url, f"/chat/{path}")
            assert said.startswith(b"HTTP/1.1 404"), path
            assert b"secret" not in said.partition(b"\r\n\r\n")[2], path


async def test_browsers_are_shown_the_chat_at_the_root_and_programs_a_text(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    async with site(settings, http, places=places(folder)) as served:
        for accept, html in (
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
            ("text/html", True),
            ("text/plain;q=0.5, text/html;q=0.9", True),
            ("*/*", False),
            ("", False),
            ("application/json", False),
            ("text/*", False),
            ("text/html;q=0", False),
            ("text/plain, text/html;q=0.5", False),
        ):
            told = await http.get(f"{served.url}/", headers={"accept": accept})
            assert told.status_code == 200
            assert ("<title>Chat</title>" in told.text) == html, accept
            assert ("tasks/sendSubscribe" in told.text) != html, accept
            assert told.headers["vary"] == "accept"
        assert (await served.begin("t1", "go"))["result"]["id"] == "t1"  # POST is still the agent's


async def test_pages_let_nothing_run_but_our_own_files(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    async with site(settings, http, places=places(folder), embed_origins=[EMBEDDER]) as served:
        chat = await http.get(f"{served.url}/", headers={"accept": "text/html"})
        for path in ("/ops", "/ops/"):
            ops = await http.get(f"{served.url}{path}")
            assert "<title>Operations</title>" in ops.text
            for page in (chat, ops):
                said = policy(page)
                framed = said.pop("frame-ancestors")
                assert framed == ("'none'" if page is ops else f"'self' {EMBEDDER}")
                assert said == {
                    "default-src": "'none'",
                    "script-src": "'self'",
                    "style-src": "'self'",
                    "img-src": "'self' data: blob:",
                    "connect-src": "'self'",
                    "font-src": "'self'",
                    "frame-src": "'self' blob:",
                    "worker-src": "'self'",
                    "manifest-src": "'self'",
                    "base-uri": "'none'",
                    "form-action": "'self'",
                    "require-trusted-types-for": "'script'",
                    "trusted-types": "a2a",
                }
                assert page.headers["cross-origin-opener-policy"] == "same-origin"
                assert page.headers["referrer-policy"] == "same-origin"
                assert page.headers["x-content-type-options"] == "nosniff"
                assert "camera=()" in page.headers["permissions-policy"]
                assert page.headers["cache-control"] == "no-cache"
        tag = {"if-none-match": ops.headers["etag"]}
        assert (await http.get(f"{served.url}/ops", headers=tag)).status_code == 304


async def test_another_sites_snippet_may_load_the_chats_files_where_that_is_allowed(
    settings: Settings, http: httpx2.AsyncClient, folder: Path
) -> None:
    for origins, said in (([], "same-origin"), ([EMBEDDER], "cross-origin")):
        async with site(settings, http, places=places(folder), embed_origins=origins) as served:
            told = await http.get(f"{served.url}/chat/app.js")
            assert told.headers["cross-origin-resource-policy"] == said
            told = await http.get(f"{served.url}/ops/chat/app.js")
            assert told.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_wheel_has_every_file_that_pages_use(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path), "-t", "wheel"],
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        str(path.relative_to(root / "src"))
        for path in (root / "src").glob("a2a_streaming/**/static/**/*")
        if path.is_file()
    }
    assert {"a2a_streaming/ops/static/ops.html", "a2a_streaming/web/static/hub.js"} <= files
    assert files <= packed


@pytest.mark.parametrize(
    "wrong", ["shop.example", "https://shop.example/path", "*", "https://a; b"]
)
def test_what_may_frame_the_chat_is_an_origin(wrong: str) -> None:
    with pytest.raises(ValueError, match="must name origins"):
        Settings(embed_origins=[wrong])
