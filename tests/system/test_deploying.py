"""The files in deploy/ are run as they are, with other paths: nginx, and a socket of systemd."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.parts import ROOT, Part
from tests.ports import unused_port, wait_for_port
from tests.stack import Stack

pytestmark = pytest.mark.system

NOWHERE = "redis://127.0.0.1:1/0"
MAIN = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/site.conf;
}}
"""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """The small application behind nginx with our configuration; gives its host and port."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    port, path = unused_port(), folder / "server.sock"
    text = (ROOT / "deploy/nginx.conf").read_text()
    for written, ours in (
        ("/run/channels-board/server.sock", str(path)),
        ("/srv/channels-board", str(ROOT)),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert written in text
        text = text.replace(written, ours)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    options = ("-u", str(path), "--trusted-proxy", "unix")
    app = "tests.system.proxied_app:build"
    with Stack(folder, app=app, server_options=options) as stack:
        proxy = Part("nginx", [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        try:
            wait_for_port(port)
            yield stack, f"127.0.0.1:{port}"
        finally:
            proxy.stop()


def test_pages_behind_nginx_know_who_asks(behind: tuple[Stack, str]) -> None:
    """Client, scheme and host are the true ones, whatever the client says of others."""
    _, host = behind
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "Forwarded": "for=6.6.6.6"}
    said = httpx.get(f"http://{host}/who", headers=forged).json()
    assert (said["client"], said["scheme"], said["host"]) == ("127.0.0.1", "http", host)
    assert re.fullmatch("[0-9a-f]{32}", said["request_id"])


def test_bodies_and_files_pass_nginx(behind: tuple[Stack, str]) -> None:
    """A large upload comes back whole; mounted files are nginx's own."""
    _, host = behind
    body = bytes(range(256)) * 8192
    assert httpx.post(f"http://{host}/echo", content=body).content == body
    found = httpx.get(f"http://{host}/static/connection.js")
    assert found.headers["server"].startswith("nginx")
    assert found.content == (ROOT / "board/static/connection.js").read_bytes()


def test_sockets_pass_nginx(behind: tuple[Stack, str]) -> None:
    """A frame goes through the worker and back."""
    _, host = behind
    with connect(f"ws://{host}/chat") as client:
        client.send("hello")
        assert client.recv(10) == "127.0.0.1 says hello"


def test_event_streams_pass_nginx_at_once(behind: tuple[Stack, str]) -> None:
    """An event is there while the stream is open."""
    _, host = behind
    with httpx.stream("GET", f"http://{host}/events", timeout=10) as stream:
        lines = stream.iter_lines()
        assert next(lines) is not None
        httpx.post(f"http://{host}/say", content=b"news")
        assert any("news" in line for line in lines)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_socket_of_systemd_is_served(tmp_path: Path, processes: str) -> None:
    """systemd's own tool opens it, starts the server with the first client and passes it on."""
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        pytest.skip("systemd-socket-activate is not installed")
    (tmp_path / "a.txt").write_text("here")
    path = tmp_path / "a.sock"
    command = (
        *(tool, "-l", str(path), "-E", f"PYTHONPATH={ROOT}", "-E", "PYTHONUNBUFFERED=1"),
        *("-E", f"PATH={tmp_path}", sys.executable, "-m", "interface_server"),
        *("--redis-url", NOWHERE, "--processes", processes, "--static", f"/static={tmp_path}"),
    )
    part = Part("systemd-socket-activate", command)
    try:
        part.wait_for("Listening on")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=30) as client:
            assert client.get("http://x/static/a.txt").text == "here"
        part.wait_for(f"listens on unix:{path}")
        assert "http://" not in part.text.partition("listens on")[2]
    finally:
        assert part.stop() == 0


def test_the_units_of_systemd_are_well_formed() -> None:
    """systemd's own check has nothing to say but that our example's folders are not here."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    units = sorted(str(path) for path in (ROOT / "deploy/systemd").iterdir())
    said = subprocess.run([tool, "verify", *units], capture_output=True, text=True, timeout=30)
    complaints = [
        line
        for line in said.stderr.splitlines()
        if "channels-board" in line and "is not executable" not in line
    ]
    assert complaints == []
