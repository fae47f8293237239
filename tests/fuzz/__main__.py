"""`python -m tests.fuzz`: fuzzes targets one after the other, guided by the code that is reached.

Needs atheris (`pip install -e '.[fuzz]'`); `pytest tests/fuzz --fuzz SECONDS` goes without it.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.fuzz.all_targets import TARGETS

CORPUS = Path("var/fuzz")


def main() -> int:
    """Fuzz what the arguments name; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"any of: {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help=f"default {CORPUS}")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}; expected any of {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("expected the package atheris: pip install -e '.[fuzz]'")
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    broken = [name for name in arguments.targets or TARGETS if not _holds(name, arguments)]
    for name in broken:
        print(f"{name}: broken; the bytes lie in {arguments.corpus}/{name}.found.*")
    return 1 if broken else 0


def _holds(name: str, arguments: argparse.Namespace) -> bool:
    command = ("-m", "tests.fuzz.guided", name, str(arguments.seconds), str(arguments.corpus))
    print(f"{name}: {arguments.seconds} s", flush=True)
    return subprocess.run([sys.executable, *command], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
