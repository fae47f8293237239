"""The works: real ones in short on real processes, and what is read from Redis."""

from shutil import which

import pytest
from click.testing import CliRunner

from bench import works_idle
from bench.__main__ import main


def test_commands_inside_scripts_are_not_counted() -> None:
    """MONITOR shows both; only what clients send is asked of Redis."""
    monitored = (
        b"+OK\r\n"
        b'+1700000000.000001 [0 127.0.0.1:5000] "EVALSHA" "abc" "0"\r\n'
        b'+1700000000.000002 [0 lua] "get" "key"\r\n'
        b'+1700000000.000003 [0 [::1]:5000] "blpop" "a \\"[0 b] \\"" "5"\r\n'
        b'+1700000000.000004 [0 unix:/a/b] "evalsha" "abc" "0"\r\n'
    )
    assert works_idle.commands(monitored) == {"evalsha": 2, "blpop": 1}


@pytest.mark.skipif(which("wrk") is None, reason="wrk is not installed")
def test_a_quick_run_measures_the_board_and_jobs() -> None:
    """The pages hold what they should, all jobs come, and the tables say so."""
    options = ["--quick", "--peers", "none", "--only", "board-thread", "--only", "jobs"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    assert "`board-thread`, /s; more is better." in result.output
    assert result.output.count("| 1 | ") == 2, result.output
