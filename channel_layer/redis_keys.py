"""Every key of the channel layer on Redis: its name, its type and how long it lives.

    key                type    holds                                            lives
    list:L             list    entries of one list, oldest first; an inbox has  as its entries
                               bundles of them too
    meta:L             string  bytes, counters and windows, packed (figures.py) a day
    wake:L             list    at most one token that wakes one reader          expiry
    lease:W            hash    entry id (8 bytes) → entry, behind list name     until committed;
                               and NUL where its channel does not tell; or      a minute
                               `gone`, of a worker reclaimed as dead by name
    workers            zset    worker → last sign of life, ms                   until reclaimed
    servers:G          zset    list with members → time one was added, ms       twice group expiry
    members:G:L        zset    full channel name → time it was added, ms        twice group expiry
    groups:L           set     groups in which an inbox has members             twice group expiry
    users:G            hash    member → presence channel, NUL, its user         twice group expiry
    devices:G          hash    user → number of members                         twice group expiry
    present            zset    group with users → when to look for old ones     until it has none
    log:G              list    time of death (8 bytes) and message, oldest      as its messages
                               first, at most 8 MiB
    logmeta:G          string  last offset, bytes, the log's epoch              group expiry
    servers            zset    inbox → its owner's last sign of life, ms        until reaped
    sockets:L          hash    channel → packed disconnect, should L's owner    until closed
                               die
    reaped:L           string  of an inbox whose owner was taken for dead: the  a day
                               epoch in which it is told so, or 1
    delayed            zset    list name, NUL, entry → time it is due, ms       as its entries
    dead               list    dead letters: msgpack of [ms, reason, list, entry], at most 1,000
    epoch              string  random; another one: something may be lost       for ever
    run                string  the life of the Redis process seen last, and     for ever
                               `durable` when it was so all the time
    up_since           string  when that one was seen first, or last came back  for ever
                               from standing still, ms
    format             string  the version of all these keys (redis_hello.py)   for ever
    totals             string  the last entry id, counters over all lists, and  for ever
                               when the next delayed entry is due, packed
                               (figures.py)
    batch:C            hash    place → number and verdicts of a client's last   a day
                               16 batches
    stat               hash    rarer counters; when a reaper looked last        for ever
    poke:C             list    ends the waiting of one reader                   a minute
    broken:K           any     what lay where the list:L or meta:L named K      a day
                               should be, and was of another type

L is a list name, G a group, W a worker, C a client. A key outlives what is in it by a minute, so
that its life need not be renewed at each send. The scripts in `lua/` make the same names from the
base. It speaks to no broker.
"""

import re
from dataclasses import dataclass

from shared.errors import ConfigurationError

_PREFIX = re.compile(r"[A-Za-z0-9_.:\-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """Names of the keys under one prefix; the braces keep them on one shard of a cluster."""

    prefix: str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ConfigurationError(
                "expected a prefix of 1 to 60 letters, digits, '-', '_', '.', ':', "
                f"got {self.prefix!r}"
            )

    @property
    def base(self) -> str:
        """What every key begins with; the first key of each script."""
        return "{" + self.prefix + "}:"

    @property
    def everything(self) -> str:
        """The pattern (for SCAN) of all keys."""
        return self.base + "*"

    def list(self, name: str) -> str:
        """The entries of a list."""
        return f"{self.base}list:{name}"

    def meta(self, name: str) -> str:
        """The counters of a list."""
        return f"{self.base}meta:{name}"

    def wake(self, name: str) -> str:
        """The token of a list."""
        return f"{self.base}wake:{name}"

    def lease(self, worker: str) -> str:
        """What a worker holds."""
        return f"{self.base}lease:{worker}"

    def servers(self, group: str) -> str:
        """The lists that the members of a group lie on."""
        return f"{self.base}servers:{group}"

    def members(self, group: str, name: str) -> str:
        """The members of a group that lie on one list."""
        return f"{self.base}members:{group}:{name}"

    def poke(self, client: str) -> str:
        """The token that ends a client's waiting."""
        return f"{self.base}poke:{client}"

    @property
    def dead(self) -> str:
        """The dead letters."""
        return f"{self.base}dead"

    @property
    def epoch(self) -> str:
        """The text that changes when something may have been lost."""
        return f"{self.base}epoch"

    @property
    def up_since(self) -> str:
        """When this life of Redis was seen first."""
        return f"{self.base}up_since"

    @property
    def stat(self) -> str:
        """The rarer counters."""
        return f"{self.base}stat"

    @property
    def totals(self) -> str:
        """The counters over all lists."""
        return f"{self.base}totals"
