"""Free TCP ports for processes that tests start. Starts nothing and keeps no port open."""

import itertools
import os
import random
import socket
import time

FIRST, PORTS_EACH, SHARES = 18000, 1500, 8
"""Below the range from which systems choose ports by themselves (32768 on, or 49152 on)."""

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_OWN_FIRST = FIRST + _WORKER % SHARES * PORTS_EACH
_places = itertools.count(random.randrange(PORTS_EACH))


def unused_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment.

    Nobody gets it before it is used: no outgoing connection, no one who asks for any port, and no
    test process that runs beside this one, as each has a share of its own.
    """
    while True:
        port = _OWN_FIRST + next(_places) % PORTS_EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # taken by a stranger
            return port


def wait_for_port(port: int) -> None:
    """Return when somebody listens there, who is no part of ours and prints nothing."""
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)  # the fact lies in another process, which can only be asked
        else:
            return
