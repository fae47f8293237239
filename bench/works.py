"""The works, in the order of the tables; what each does stands in its own file.

A work is measured many times in turns with the other servers', so that a busy minute of the
machine hits all of them.
"""

from bench import works_board, works_cost, works_http, works_idle, works_jobs, works_socket
from bench.work import Work

WORKS: tuple[Work, ...] = (
    *works_http.WORKS,
    *works_board.WORKS,
    *works_socket.WORKS,
    *works_jobs.WORKS,
    *works_cost.WORKS,
    *works_idle.WORKS,
)
