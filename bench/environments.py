"""What the peers need, made once under var/bench: each its own environment with pinned versions.

Installs nothing into ours. What cannot be had is told and its servers are left out.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path
from shutil import which

from bench.processes import ROOT

HOME = ROOT / "var" / "bench"
PEERS = ROOT / "bench" / "peers"


class Missing(Exception):
    """A part cannot be had on this machine; its words say which and how to get it."""


def python_of(peer: str) -> str:
    """The Python of a peer's own environment, made when its requirements changed, or our Python.

    Raises: Missing.
    """
    folder, wanted = HOME / peer, (PEERS / peer / "requirements.txt").read_text(encoding="utf-8")
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    is_made = stamp.exists() and stamp.read_text(encoding="utf-8") == wanted
    if not is_made or python.resolve() != Path(sys.executable).resolve():
        venv.create(folder, with_pip=True, clear=True, symlinks=True)
        install = [python, "-m", "pip", "install", "--quiet", "-r", PEERS / peer / stamp.name]
        _run(install, f"{peer}: its packages cannot be installed")
        stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def node_modules_of(peer: str) -> Path:
    """The folder of a peer's npm packages. Raises: Missing."""
    if which("node") is None or which("npm") is None:
        raise Missing(f"{peer}: Node is not installed (system packages: nodejs npm)")
    folder, wanted = HOME / peer, (PEERS / peer / "package.json").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "package.json"
    if not (folder / "node_modules").is_dir() or stamp.read_text(encoding="utf-8") != wanted:
        stamp.write_text(wanted, encoding="utf-8")
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
        _run(install, f"{peer}: its packages cannot be installed", folder)
    return folder / "node_modules"


def nchan_module() -> Path:
    """nginx's module for groups. Raises: Missing."""
    module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    if which("nginx") is None or not module.exists():
        raise Missing("nchan is not installed (system packages: nginx libnginx-mod-nchan)")
    return module


def nginx() -> str:
    """The command. Raises: Missing."""
    found = which("nginx")
    if found is None:
        raise Missing("nginx is not installed (system package: nginx)")
    return found


def program(name: str) -> str:
    """One of the C programs of bench/load, compiled. Raises: Missing."""
    source, made = ROOT / "bench" / "load" / f"{name}.c", HOME / name
    compiler = which("cc") or which("gcc") or which("clang")
    if compiler is None:
        raise Missing(f"{name}: there is no C compiler (system package: gcc libc6-dev)")
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        made.parent.mkdir(parents=True, exist_ok=True)
        _run(
            [compiler, "-O2", "-D_GNU_SOURCE", "-o", made, source, "-lm"],
            f"{name}.c cannot be compiled",
        )
    return str(made)


def tool(name: str, package: str) -> str:
    """A command of the system. Raises: Missing."""
    found = which(name)
    if found is None:
        raise Missing(f"{name} is not installed (system package: {package})")
    return found


def versions() -> dict[str, str]:
    """What of the peers is installed, by name."""
    found: dict[str, str] = {}
    for folder in sorted(HOME.glob("*/requirements.txt")):
        for line in folder.read_text(encoding="utf-8").split():
            name, _, version = line.partition("==")
            found[name] = version
    for stamp in sorted(HOME.glob("*/package.json")):
        found.update(json.loads(stamp.read_text(encoding="utf-8"))["dependencies"])
    for name, command in (("nginx", ["nginx", "-v"]), ("node", ["node", "--version"])):
        if which(name):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found[name] = (done.stdout + done.stderr).strip().rpartition("/")[2].lstrip("v")
    return found


def _run(command: list[object], complaint: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(f"{complaint}:\n{(done.stdout + done.stderr)[-2000:]}")
