"""How large a pool of workers is, how patient with its processes, and where its metrics are.

Reads no flag; that is `__main__.py`.
"""

from dataclasses import dataclass

from shared.addresses import TcpPlace, UnixPlace


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many processes, and what is done about those that do not end or no longer answer.

    `start_s`: how long building the application may take. `grace_s`: how long they may take to
    end before they are killed. `stuck_s`: how long one may say nothing; native code that never
    lets go of the interpreter's lock keeps even the process's own watchdog from its work.
    """

    processes: int = 1
    start_s: float = 30.0
    grace_s: float = 30.0
    stuck_s: float = 60.0
    attempt_limit: int = 5
    reload: bool = False
    metrics: TcpPlace | UnixPlace | None = None
