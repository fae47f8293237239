"""How the server tells what it does, and how it ends."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.settings.options import SECONDS, setting
from shared.addresses import TcpPlace, UnixPlace, port_place
from shared.settings import FiniteRange


@dataclass(frozen=True)
class RunningSettings:
    """Times in seconds."""

    SECTION: ClassVar[str] = "Running and stopping"

    access_log: bool = setting(
        True,
        bool,
        "Whether requests and turns of sockets are told on standard output; a proxy in front "
        "may do so.",
        flags=("--access-log/--no-access-log",),
    )
    log_addresses: bool = setting(
        True,
        bool,
        "Whether the access log shows the clients' addresses.",
        flags=("--log-addresses/--no-log-addresses",),
    )
    metrics: TcpPlace | UnixPlace | None = setting(
        None,
        port_place,
        "Where /metrics for Prometheus is served, with /healthz and /readyz and all figures; "
        "never on the public port. Without HOST 127.0.0.1. Each of several "
        "processes takes the next port, or .1, .2 behind its path. Off by default.",
        metavar="[HOST:]PORT|unix:PATH",
    )
    grace_s: float = setting(10.0, SECONDS, "Seconds that running requests get at a stop.")
    drain_rate: float = setting(
        500.0,
        FiniteRange(min=1),
        "Sockets closed each second at a stop; faster if half of --grace would not do.",
    )
