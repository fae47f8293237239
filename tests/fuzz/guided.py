"""One target under atheris: bytes that reach new code are kept and changed further.

Runs until its time is over or something breaks; `__main__.py` starts it, a process for each target.
"""

import logging
import sys
import warnings
from pathlib import Path

import structlog

MOST_BYTES = 4096
MOST_MIB = 2048
"""Memory of the process past which it counts as a fault."""

SLOWEST_S = 20
"""Time for one input past which it counts as a fault."""

INSTRUMENTED = ["interface_server", "shared", "channel_layer", "h2", "hpack", "hyperframe"]


def run(name: str, seconds: int, folder: Path) -> None:
    """Fuzz the target; ends the process. What is worth keeping stays in `folder`."""
    import atheris

    with warnings.catch_warnings(), atheris.instrument_imports(include=INSTRUMENTED):
        warnings.simplefilter("ignore")
        from tests.fuzz.all_targets import TARGETS
    target = TARGETS[name]
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    words = folder / f"{name}.words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if word))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    flags = {
        "max_total_time": seconds,
        "max_len": MOST_BYTES,
        "timeout": SLOWEST_S,
        "rss_limit_mb": MOST_MIB,
        "dict": words,
        "artifact_prefix": f"{folder}/{name}.found.",
        "print_final_stats": 1,
    }
    atheris.Setup([name, *(f"-{flag}={value}" for flag, value in flags.items()), str(corpus)],
                  target.check)  # fmt: skip
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
