"""The bench's own parts: its names fit each other, its client counts right, its page says it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import pytest
from click.testing import CliRunner

from bench import environments, tools
from bench.__main__ import main
from bench.processes import Running, come_to_rest, running, unused_port, wait_for_port
from bench.servers import SERVERS
from bench.targets import TARGETS
from bench.works import WORKS

needs_compiler = pytest.mark.skipif(which("cc") is None, reason="there is no C compiler")


def test_a_peers_environment_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It stays while requirements and Python are the same, and is made anew for others."""
    monkeypatch.setattr(environments, "HOME", tmp_path / "home")
    monkeypatch.setattr(environments, "PEERS", tmp_path / "peers")
    (tmp_path / "peers" / "some").mkdir(parents=True)
    requirements = tmp_path / "peers" / "some" / "requirements.txt"
    requirements.write_text("")
    mark = Path(environments.python_of("some")).parent / "mark"
    for text, stays in (("", True), ("# other", False)):
        mark.touch()
        requirements.write_text(text)
        environments.python_of("some")
        assert mark.exists() == stays
    mark.touch()
    monkeypatch.setattr(sys, "executable", "/another/python")
    environments.python_of("some")
    assert not mark.exists()


def test_targets_name_works_and_servers_that_exist() -> None:
    """Each target's server can do the target's work, and so can ours."""
    works = {work.name: work for work in WORKS}
    servers = {server.name: server for server in SERVERS}
    assert len(works) == len(WORKS)
    for target in TARGETS:
        for work, server in {(target.work, target.of), target.below} - {None}:
            assert works[work].wants in servers[server].does, target


def test_the_command_shows_what_it_knows_and_refuses_what_it_does_not() -> None:
    """--list names all; unknown works and peers get a sentence that says what was expected."""
    shown = CliRunner().invoke(main, ["--list"]).output
    assert all(each.name in shown for each in (*WORKS, *SERVERS))
    for option, expected in (("--only", "see --list"), ("--peers", "expected some of")):
        result = CliRunner().invoke(main, [option, "nothing-such"])
        assert result.exit_code == 2
        assert expected in result.output
    said = CliRunner().invoke(main, ["--only", "page-64", "--only", "nothing-such"]).output
    assert "'nothing-such'" in said
    assert "board-index" in said


@needs_compiler
def test_the_load_generator_counts_what_comes(tmp_path: Path) -> None:
    """On a server that only sends: every socket opens, every message reaches every socket."""
    port = unused_port()
    with running([environments.program("limit"), str(port)], tmp_path / "limit.log"):
        wait_for_port(port)
        opened = tools.load("open", port, "/all", 50)
        assert (opened["opened"], opened["failed"], opened["lost"]) == (50, 0, 0)
        told = tools.load("tell", port, "/all", 50, "/tell", 3, 200)["told"]
        assert [one[3] for one in told] == [0, 0, 0]
        assert all(0 < first <= middle <= last for first, middle, last, _ in told)
        assert tools.load("flood", port, "/all", 50, "/tell", 40, 100)["missing"] == 0
        assert tools.load("flood", port, "/all", 5, "/tell", 4, 100, 5)["missing"] == 0
        assert tools.load("flood", port, "/all", 5, "/tell", 4, 100, 4)["per_s"] > 0
        echoes = tools.load("echo", port, "/echo", 10, 0.2, 100)
        assert (echoes["missing"], echoes["lost"]) == (0, 0)
        assert echoes["echoed"] > echoes["per_s"] * 0.1 > 0
        again = tools.load("connect", port, "/all", 5, 0.2)
        assert (again["failed"], again["lost"]) == (0, 0)
        assert again["opened"] > 5
        with tools.Held(port, "/all", 20) as held:
            assert held["opened"] == 20


@needs_compiler
def test_an_echo_that_stays_away_is_missed(tmp_path: Path) -> None:
    """A server that ends owes each socket the echo of its last frame."""
    port = unused_port()
    with running([environments.program("limit"), str(port)], tmp_path / "limit.log") as server:
        wait_for_port(port)
        command = [environments.program("load"), "echo", str(port), "/echo", "5", "0.5", "100"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as load:
            assert load.stdout is not None
            text = os.read(load.stdout.fileno(), 65536)  # comes when all sockets are open
            os.kill(server, signal.SIGKILL)
            said = json.loads(text + load.stdout.read())
    assert (said["opened"], said["missing"], said["lost"]) == (5, 5, 5)


@needs_compiler
def test_a_server_may_close_the_idle_connection_of_the_posts(tmp_path: Path) -> None:
    """It is opened again, and all messages come."""
    port = unused_port()
    command = [environments.program("limit"), str(port), "close"]
    with running(command, tmp_path / "limit.log"):
        wait_for_port(port)
        told = tools.load("tell", port, "/all", 5, "/tell", 3, 100)["told"]
        assert [one[3] for one in told] == [0, 0, 0]


def test_a_server_rests_when_it_does_nothing(tmp_path: Path) -> None:
    """One that computes is not at rest, one that waits is."""
    for code, rests in (("while True: pass", False), ("import signal; signal.pause()", True)):
        with running([sys.executable, "-c", code], tmp_path / "log") as server:
            found = come_to_rest([Running(0, {"server": (server,)})], timeout_s=3)
            assert found == rests


@needs_compiler
def test_requests_come_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    """All of them are answered, at about that rate, and the quantiles are in order."""
    port = unused_port()
    command = [sys.executable, "-m", "bench.bare", str(port), "ready"]
    with running(command, tmp_path / "bare.log"):
        wait_for_port(port)
        begin = time.monotonic()
        said = tools.at_rate(port, "/page", 400, 1.0, 8)
        assert time.monotonic() - begin > 0.7
        assert 0 < said["p50_ms"] <= said["p99_ms"]


@needs_compiler
def test_the_load_generator_says_what_it_misses() -> None:
    """Nobody listens: an error, no figures."""
    command = [environments.program("load"), "open", str(unused_port()), "/all", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"opened":0,"failed":3' in done.stdout
