"""The programs that make the load, and the figures in what they print. Starts no server."""

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench import environments
from bench.processes import Spent

Figures = dict[str, float]

_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_QUANTILE = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$", re.MULTILINE)
_BAD = re.compile(r"Socket errors: .*|Non-2xx or 3xx responses: .*")
_UPLOAD = """\
wrk.method = "POST"
wrk.body = string.rep("x", {})
wrk.headers["Content-Type"] = "application/octet-stream"
"""
_COOKIES = """\
local number, before, behind = 0, "", ""
function init(arguments)
  local sample = wrk.format(nil, nil, {["Host"] = wrk.headers["Host"], ["Cookie"] = "visit=@"})
  before, behind = sample:match("^(.*visit=)@(.*)$")
end
function request()
  number = number + 1
  return before .. number .. behind
end
"""
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Unsound(Exception):
    """A run whose figures say nothing: requests failed, sockets were refused."""


def wrk(
    url: str,
    connections: int,
    seconds: int,
    upload: bytes = b"",
    has_cookies: bool = False,
    takes_gzip: bool = False,
) -> Figures:
    """Closed loop over kept connections: `per_s`, `p50_ms`, `p99_ms`.

    `has_cookies`: each request brings a cookie that none had before. `takes_gzip`: as browsers do.
    Raises: Unsound, Missing.
    """
    command = [environments.tool("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
    if takes_gzip:
        command += ["-H", "Accept-Encoding: gzip"]
    lines = _UPLOAD.format(len(upload)) if upload else _COOKIES if has_cookies else ""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if lines:
            script.write(lines)
            script.flush()
            command += ["-s", script.name]
        text = _output([*command, "--latency", "--timeout", "10s", url])
    bad = _BAD.search(text)
    if bad:
        raise Unsound(bad[0])
    found = _RATE.search(text)
    if found is None:
        raise Unsound(f"wrk gave no rate: {text[-200:]}")
    times = {f"p{q}_ms": float(value) * _MS[unit] for q, value, unit in _QUANTILE.findall(text)}
    return {"per_s": float(found[1]), **times}


def at_rate(port: int, path: str, per_s: float, seconds: float, connections: int = 64) -> Figures:
    """Requests that come at a mean rate, whatever the answers do: `p50_ms`, `p99_ms`.

    Raises: Unsound, Missing.
    """
    command = [environments.program("pace"), port, path, f"{per_s:.1f}", seconds, connections]
    said: dict[str, float] = json.loads(_output([str(part) for part in command]))
    bad = said["failed"] + said["asked"] - said["answered"]
    if bad or not said["asked"]:
        raise Unsound(f"{bad:.0f} of {said['asked']:.0f} requests failed at {per_s:.0f}/s")
    return {"p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"]}


def load(
    mode: str, port: int, path: str, sockets: int, *more: object, spent: Spent | None = None
) -> dict[str, Any]:
    """What bench/load/load.c says.

    `spent` counts from when all sockets are open to when the work is done and none is closed yet.
    Raises: Unsound, Missing.
    """
    command = [environments.program("load"), mode, port, path, sockets, *more]
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        text = os.read(process.stdout.fileno(), 65536)  # comes when all sockets are open
        if spent is not None:
            spent.begin()
        text += process.stdout.readline()
        if spent is not None:
            spent.end()
        complaint = process.stderr.read().decode()
    if process.returncode:
        raise Unsound(f"load: {' '.join(complaint[-300:].split()) or process.returncode}")
    found: dict[str, Any] = json.loads(text)
    return found


class Held:
    """Sockets that are open while the block runs."""

    def __init__(self, port: int, path: str, sockets: int) -> None:
        command = [environments.program("load"), "hold", str(port), path, str(sockets)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        opened: dict[str, Any] = json.loads(self._process.stdout.readline())
        return opened

    def __exit__(self, *_: object) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def wait_for(url: str, timeout_s: float = 30.0) -> None:
    """Return when the address is answered with 200. Raises: RuntimeError."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"no answer from {url}; see the logs under var/bench")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout)[-300:].split())
        raise Unsound(f"{Path(command[0]).name}: {said}")
    return done.stdout
