"""The bundled Valkey as a process."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from channel_layer.embedded import EmbeddedValkey
from shared.errors import ConfigurationError


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A bundled Valkey on a folder that does not exist yet."""
    made = EmbeddedValkey(tmp_path / "var" / "valkey")
    yield made
    made.stop()


def test_it_keeps_its_data(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """What was written is there after an ordered end and after a kill, at the same address."""
    valkey.start()
    url = valkey.url
    with redis.Redis.from_url(url) as client:
        client.set("a", "1")
    valkey.stop()
    assert valkey.pid is None
    valkey.start()
    with redis.Redis.from_url(url) as client:
        client.set("b", "2")
    valkey.kill()
    valkey.start()
    assert valkey.url == url
    with redis.Redis.from_url(url) as client:
        assert client.mget("a", "b") == [b"1", b"2"]
    assert stat.S_IMODE((tmp_path / "var" / "valkey").stat().st_mode) == 0o700


def test_when_it_writes_to_the_disk(tmp_path: Path) -> None:
    """Each second, unless it is told to write before it answers."""
    for options, expected in (({}, "everysec"), ({"appendfsync": "always"}, "always")):
        valkey = EmbeddedValkey(tmp_path / expected, **options)
        valkey.start()
        try:
            with redis.Redis.from_url(valkey.url) as client:
                assert client.config_get("appendfsync") == {"appendfsync": expected}
                rewriting = client.config_get("auto-aof-rewrite-min-size")
                assert rewriting == {"auto-aof-rewrite-min-size": str(256 * 2**20)}
        finally:
            valkey.stop()


def test_a_folder_serves_one(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """A second one on the folder of a running one is refused; stopping twice is fine."""
    second = EmbeddedValkey(tmp_path / "var" / "valkey")
    valkey.start()
    with pytest.raises(ConfigurationError, match="another Valkey"):
        second.start()
    valkey.stop()
    valkey.stop()
    second.start()
    second.stop()


def test_a_taken_port_is_named(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """A port that something listens on is a clear error."""
    valkey.start()
    port = int(valkey.url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(ConfigurationError, match=f"port {port} "):
        EmbeddedValkey(tmp_path / "other", port).start()


def test_it_says_why_it_does_not_start(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """When Valkey ends at once, the error holds the end of its log."""
    folder = tmp_path / "var" / "valkey"
    (folder / "appendonlydir").mkdir(parents=True)
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with pytest.raises(ConfigurationError, match=r"did not start.*manifest"):
        valkey.start()


def run_command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "channel_layer.embedded", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_command_is_the_server(tmp_path: Path, signal_number: int) -> None:
    """It prints its address once it answers; ending the command ends Valkey, however it is done."""
    process = run_command("--dir", str(tmp_path / "v"))
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with redis.Redis.from_url(url) as client:
            assert client.info("server")["process_id"] == process.pid
        os.kill(process.pid, signal_number)
        process.wait(10)
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(url).ping()
    finally:
        process.kill()
        process.communicate()


def test_the_command_refuses_clearly(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """A folder in use ends the command with status 1 and one line that says so."""
    valkey.start()
    process = run_command("--dir", str(tmp_path / "var" / "valkey"))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "another Valkey is running" in err
    assert "Traceback" not in err
