"""Thousands of WebSocket clients in one process, which number what they send and keep what comes.

Frames are taken apart by `crowd_client.py`. It judges nothing (`books.py` does). Run by
`aside.py`.
"""

import heapq
import itertools
import random
import select
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.system.aside import Mouth
from tests.system.crowd_client import Client, Life

_EDGES = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR
_HANDSHAKES_AT_ONCE = 100
_BACK_AFTER_S = 1.0
"""A client whose socket ended comes back within this time, at random."""

_GIVE_UP_S = 10.0
"""An unanswered handshake is tried again after this."""


class Plan(NamedTuple):
    """Who the clients are: `clients` of them, spread over `ports` and `groups` in turn.

    `path` may hold `{group}`, `{name}` (of each socket another, `CLIENT.LIFE`) and `{since}`.
    `resume`: a client whose socket ended opens the next one, on another port where there is one,
    behind the position that it saw last. `frames`: how many numbered frames each sends at "go",
    `window` of them unanswered at a time.
    """

    ports: tuple[int, ...]
    clients: int
    path: str
    groups: int = 1
    resume: bool = False
    frames: int = 0
    window: int = 8
    seed: int = 0
    prefix: str = "c"


class Figures(NamedTuple):
    """How it stands: sockets open now, all that ever ended, refused handshakes, frames in all."""

    open: int
    ended: int
    refused: int
    frames: int


def run(mouth: Mouth, plan: Plan) -> None:
    """Open the sockets, say Figures when all are open, then obey until "end".

    Words: "figures" → Figures; "go": send the frames; "wait", frames, seconds → Figures as soon
    as so many frames came in all, or the time is over; "ports", ports: where to come back;
    "end" → the lives of all clients, list of list of `crowd_client.Life`.
    """
    _Crowd(mouth, plan).run()


class _Crowd:
    def __init__(self, mouth: Mouth, plan: Plan) -> None:
        self._mouth = mouth
        self._plan = plan
        self._ports = plan.ports
        self._epoll = select.epoll()
        self._epoll.register(mouth.fileno(), select.EPOLLIN)
        self._clients = [Client(index, plan.frames, plan.window) for index in range(plan.clients)]
        self._by_file: dict[int, Client] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._turns = itertools.count()
        self._random = random.Random(plan.seed)
        self._open = 0
        self._ended = 0
        self._refused = 0
        self._handshakes = 0
        self._to_open = list(reversed(self._clients))
        self._is_gathered = False
        self._is_over = False
        self._goal: int | None = None

    def run(self) -> None:
        while not self._is_over:
            while self._to_open and self._handshakes < _HANDSHAKES_AT_ONCE:
                self._dial(self._to_open.pop())
            if not self._is_gathered and self._open == self._plan.clients:
                self._is_gathered = True
                self._mouth.say(self._figures())
            for file, ready in self._epoll.poll(self._patience_s()):
                if file == self._mouth.fileno():
                    self._obey()
                elif file in self._by_file:
                    self._serve(self._by_file[file], ready)
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            if self._goal is not None and self._frames >= self._goal:
                self._reach_goal()

    @property
    def _frames(self) -> int:
        return sum(client.frames for client in self._clients)

    def _figures(self) -> Figures:
        return Figures(self._open, self._ended, self._refused, self._frames)

    def _patience_s(self) -> float:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._turns), step))

    def _obey(self) -> None:
        match self._mouth.heard():
            case ("figures",):
                self._mouth.say(self._figures())
            case ("go",):
                for client in self._clients:
                    client.is_sending = True
                    client.send_more()
            case ("wait", frames, seconds):
                self._goal = int(frames)
                self._later(seconds, self._reach_goal)
                self._later(0.05, self._look_again)
            case ("ports", ports):
                self._ports = tuple(ports)
            case ("end",):
                self._end()
            case ("gone",):
                self._is_over = True

    def _look_again(self) -> None:
        """Wake the loop while a goal is waited for."""
        if self._goal is not None:
            self._later(0.05, self._look_again)

    def _reach_goal(self) -> None:
        if self._goal is not None:
            self._goal = None
            self._mouth.say(self._figures())

    def _end(self) -> None:
        lives: list[list[Life]] = []
        for client in self._clients:
            if client.socket is not None:
                self._lose(client, 0)
            lives.append(client.lives)
        self._epoll.close()
        self._mouth.say(lives)
        self._is_over = True

    def _dial(self, client: Client) -> None:
        plan = self._plan
        port = self._ports[(client.index + len(client.lives)) % len(self._ports)]
        name = f"{plan.prefix}{client.index}.{len(client.lives)}"
        group = f"g{client.index % plan.groups}"
        path = plan.path.format(group=group, name=name, since=client.since)
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect_ex(("127.0.0.1", port))
        client.begin(connection, port, name, path, time.time())
        self._handshakes += 1
        self._by_file[connection.fileno()] = client
        self._epoll.register(connection.fileno(), _EDGES | select.EPOLLOUT)
        life = client.lives[-1]

        def give_up() -> None:
            if client.lives[-1] is life and not life.opened and client.socket is not None:
                self._lose(client, 0)

        self._later(_GIVE_UP_S, give_up)

    def _serve(self, client: Client, ready: int) -> None:
        was_open = bool(client.lives[-1].opened)
        try:
            if ready & select.EPOLLOUT:
                client.write()
            if ready & ~select.EPOLLOUT:
                client.read(time.time())
        except (OSError, EOFError):
            self._lose(client, client.close_code)
            return
        if not was_open and client.lives[-1].opened:
            self._open += 1
            self._handshakes -= 1
        if client.socket is not None:
            writes = select.EPOLLOUT if client.has_output else 0
            self._epoll.modify(client.socket.fileno(), _EDGES | writes)

    def _lose(self, client: Client, code: int) -> None:
        assert client.socket is not None
        life = client.lives[-1]
        self._epoll.unregister(client.socket.fileno())
        del self._by_file[client.socket.fileno()]
        client.finish(code, time.time())
        if life.opened:
            self._open -= 1
            self._ended += 1
        else:
            self._handshakes -= 1
            self._refused += 1
        if self._plan.resume or not life.opened:
            wait = self._random.uniform(0.05, _BACK_AFTER_S)
            self._later(wait, lambda: self._to_open.append(client))


def lives_of(crowd: Any) -> list[list[Life]]:
    """End a crowd that runs aside; the lives of its clients."""
    lives: list[list[Life]] = crowd.ask("end", timeout_s=60)
    return lives
