"""The whole house for tests: Valkey, interface server and workers as real processes.

It waits for facts (a line, an answer), never for time; what it started it ends.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.parts import ROOT, Part, PartEnded
from tests.ports import unused_port

BOARD = "board.app:build"


class Stack:
    """Interface servers with their workers on one Valkey, everything in one folder.

    `app` is what the workers run; the board also gets its database and its pool for pictures.
    `server_env` and `worker_env` may be changed before a part starts, as to put a relay between it
    and Valkey. What was killed or stopped is started again by the same `start_…`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        app: str = BOARD,
        workers: int = 1,
        servers: int = 1,
        server_options: Sequence[str] = (),
        valkey_options: Sequence[str] = (),
        env: dict[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.folder = folder
        self.app = app
        self.ports = [unused_port() for _ in range(servers)]
        self.metrics_ports = [unused_port() for _ in range(servers)]
        self.redis_port = unused_port()
        self.redis_url = f"redis://127.0.0.1:{self.redis_port}/0"
        self.workers: list[Part] = []
        self.servers: list[Part | None] = [None] * servers
        self.server_env: dict[str, str] = {}
        self.worker_env: dict[str, str] = {}
        self.valkey: Part | None = None
        self._first_workers = workers
        self._server_options = tuple(server_options)
        self._valkey_options = tuple(valkey_options)
        self._cwd = cwd
        self._parts: list[Part] = []
        self._env = {
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": f"sqlite:///{folder}/board.db",
            "VAR_DIR": str(folder),
            "MEDIA_DIR": str(folder / "media"),
            "SECRET_KEY": "the secret key of the tests",
            **(env or {}),
        }

    @property
    def port(self) -> int:
        """Where the first server listens."""
        return self.ports[0]

    @property
    def server(self) -> Part | None:
        """The first server, None before it was started."""
        return self.servers[0]

    @property
    def url(self) -> str:
        """Where the site answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        """The same for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> "Stack":
        """Start everything and return when it answers."""
        self.start_valkey()
        self.prepare()
        for number in range(len(self.servers)):
            self.start_server(number)
        for _ in range(self._first_workers):
            self.start_worker(wait=False)
        if self.app == BOARD:
            self.start_worker("--only-channels", "board.picture", wait=False)
        for part in self.workers:
            part.wait_for(r"workers[ _]ready")
        for number in range(len(self.servers)):
            self.wait_until_healthy(number)
        return self

    def prepare(self) -> None:
        """Make what the application expects to find: the board's tables and folders."""
        (self.folder / "media" / "public").mkdir(parents=True, exist_ok=True)
        if self.app == BOARD:
            migrate = Part.module("board", "migrate", env=self._env)
            if migrate.wait(60) != 0:
                raise PartEnded(f"the migration failed:\n{migrate.text}")
            migrate.stop()

    def start_valkey(self, *, wait: bool = True) -> Part:
        """Start the bundled Valkey on this stack's port; its data survive a kill."""
        part = self._start(
            "channel_layer.embedded",
            *("--dir", str(self.folder / "valkey"), "--port", str(self.redis_port)),
            *self._valkey_options,
        )
        if wait:
            part.wait_for(r"redis://")
        self.valkey = part
        return part

    def kill_valkey(self, *, delete: bool = False) -> None:
        """kill -9 of Valkey; `delete` also takes its data away."""
        assert self.valkey is not None
        self.valkey.kill()
        if delete:
            shutil.rmtree(self.folder / "valkey")

    def start_server(self, number: int = 0, *, wait: bool = True) -> Part:
        """Start an interface server on its port; `wait` until it listens."""
        mounts = (
            "--static",
            "/static=board/static",
            "--media",
            f"/media={self.folder}/media/public",
        )
        part = self._start(
            "interface_server",
            *("--host", "127.0.0.1", "--port", str(self.ports[number])),
            *("--metrics", str(self.metrics_ports[number])),
            *(mounts if self.app == BOARD else ()),
            *self._server_options,
            env=self.server_env,
        )
        if wait:
            part.wait_for(rf"{self.ports[number]}")
        self.servers[number] = part
        return part

    def start_worker(self, *options: str, processes: int = 1, wait: bool = True) -> Part:
        """Start one more pool of workers; without options it takes all but the board's pictures."""
        if not options and self.app == BOARD:
            options = ("--exclude-channels", "board.picture")
        command = ("workers", "--app", self.app, "--processes", str(processes), *options)
        part = self._start(*command, env=self.worker_env)
        if wait:
            part.wait_for(r"workers[ _]ready")
        self.workers.append(part)
        return part

    def wait_until_healthy(self, number: int = 0, timeout_s: float = 30.0) -> None:
        """Return when a server is ready for work. Raises: PartEnded."""
        part = self.servers[number]
        end = time.monotonic() + timeout_s
        while part is not None and part.is_running and time.monotonic() < end:
            try:
                if self.health(number)["status"] == "ok":
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)  # the fact lies in another process, which can only be asked
        raise PartEnded(f"the server is not healthy:\n{part.text if part else ''}")

    def health(self, number: int = 0) -> dict[str, Any]:
        """What a server's `/healthz` beside its metrics says. Raises: httpx.TransportError."""
        address = f"http://127.0.0.1:{self.metrics_ports[number]}/healthz"
        said: dict[str, Any] = httpx.get(address).json()
        return said

    def stop(self) -> None:
        """End everything: the servers first, Valkey last."""
        rest = [part for part in self._parts if part not in (*self.servers, self.valkey)]
        ordered = [*self.servers, *rest, self.valkey]
        errors = []
        for part in ordered:
            if part is not None:
                try:
                    part.stop()
                except PartEnded as error:
                    errors.append(str(error))
        if errors:
            raise PartEnded("\n".join(errors))

    def logs(self) -> str:
        """Everything that all parts wrote, for a failed test's message."""
        return "\n".join(f"=== {part.name} ({part.pid})\n{part.text}" for part in self._parts)

    def __enter__(self) -> "Stack":
        try:
            return self.start()
        except BaseException:
            self._kill()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            print(self.logs())
        try:
            self.stop()
        finally:
            self._kill()
            # For failures that a test finds in what is left behind.
            (self.folder / "parts.log").write_text(self.logs())

    def _start(self, module: str, *options: str, env: Mapping[str, str] | None = None) -> Part:
        part = Part.module(module, *options, env={**self._env, **(env or {})}, cwd=self._cwd)
        self._parts.append(part)
        return part

    def _kill(self) -> None:
        for part in self._parts:
            if part.is_running:
                part.kill()
