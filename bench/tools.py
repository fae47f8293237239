"""The programs that make the load, and the figures in what they print. Starts no server."""

import json
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench import environments

Figures = dict[str, float]

_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_QUANTILE = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$", re.MULTILINE)
_BAD = re.compile(r"Socket errors: .*|Non-2xx or 3xx responses: .*")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Unsound(Exception):
    """A run whose figures say nothing: requests failed, sockets were refused."""


def wrk(url: str, connections: int, seconds: int, upload: bytes = b"") -> Figures:
    """Closed loop over kept connections: `per_s`, `p50_ms`, `p99_ms`. Raises: Unsound, Missing."""
    command = [environments.tool("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if upload:
            script.write(
                f'wrk.method = "POST"\nwrk.body = string.rep("x", {len(upload)})\n'
                'wrk.headers["Content-Type"] = "application/octet-stream"\n'
            )
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


def at_rate(url: str, per_s: float, seconds: int, connections: int = 64) -> Figures:
    """Requests that come at a fixed rate, whatever the answers do: `p50_ms`, `p99_ms`.

    Raises: Unsound, Missing.
    """
    h2load = environments.tool("h2load", "nghttp2-client")
    each = max(1, round(per_s / connections))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "times"
        command = [h2load, "--h1", "-c", str(connections), "-t1", f"--rps={each}"]
        text = _output([*command, "-D", str(seconds), "--log-file", str(log), url])
        rows = [line.split("\t") for line in log.read_text(encoding="utf-8").splitlines()]
    bad = sum(row[1] != "200" for row in rows)
    if bad or not rows:
        raise Unsound(f"{bad} of {len(rows)} requests failed at {per_s:.0f}/s: {text[-200:]}")
    times = sorted(int(row[2]) / 1000 for row in rows)
    return {
        "per_s": len(rows) / seconds,
        "p50_ms": times[len(times) // 2],
        "p99_ms": times[len(times) * 99 // 100],
    }


def load(mode: str, port: int, path: str, sockets: int, *more: object) -> dict[str, Any]:
    """What bench/load/load.c says. Raises: Unsound, Missing."""
    command = [environments.program("load"), mode, port, path, sockets, *more]
    found: dict[str, Any] = json.loads(_output([str(part) for part in command]))
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
