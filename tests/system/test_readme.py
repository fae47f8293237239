"""Holds README.md: the consumer that it shows runs, and what it links to exists."""

import re
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from interface_server.__main__ import main as interface_server
from tests.parts import ROOT
from tests.stack import Stack
from workers.__main__ import main as workers

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md"))


@pytest.mark.system
def test_the_consumer_from_nothing_runs(tmp_path: Path) -> None:
    """The code block, saved as it stands, answers a page and tells each socket's words to all."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "hello.py").write_text(code, encoding="utf-8")
    with Stack(tmp_path, app="hello:build", cwd=tmp_path) as stack:
        assert "Hello from a worker" in httpx.get(stack.url + "/").text
        with (
            connect(stack.socket_url + "/chat") as first,
            connect(stack.socket_url + "/chat") as second,
        ):
            first.send("hi")
            for socket in (first, second):
                assert socket.recv(5) == "hi (frame 1 of this socket)"
            first.send("again")
            assert second.recv(5) == "again (frame 2 of this socket)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link and picture in our pages names a file that exists."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_pages_name_options_that_exist() -> None:
    """Each long flag in README.md is an option of a command that it shows."""
    known = set(re.findall(r"--[a-z][a-z-]+", (ROOT / "run_all.sh").read_text(encoding="utf-8")))
    for command in (interface_server, workers):
        for parameter in command.params:
            known.update(parameter.opts + parameter.secondary_opts)
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= known | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_our_pages_exist(page: Path) -> None:
    """Each path of a source file in our pages is that of a file."""
    folders = "shared|channel_layer|interface_server|workers|board|templates|tests|bench|deploy"
    named = rf"`((?:{folders})/[\w/.]+\.(?:py|lua|html|sh|css|js))`"
    for path in re.findall(named, page.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
