"""Certificates, and what is told to clients that come without TLS. Reads no file."""

from dataclasses import dataclass
from typing import ClassVar

import click

from interface_server.settings.options import setting
from shared.addresses import TcpPlace, bind

TLS_1_2, TLS_1_3 = "1.2", "1.3"


def redirect_place(value: str | TcpPlace) -> TcpPlace:
    """The place in `[HOST:]PORT`, with an empty host if none is named.

    Raises: click.BadParameter.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return TcpPlace("", bind(f"x:{value}").port)
    place = bind(value)
    if place.port is None:
        raise click.BadParameter(f"expected [HOST:]PORT, got {value!r}")
    return place


@dataclass(frozen=True)
class TlsSettings:
    """TLS of the TCP listeners (--bind, --fd), and the redirects to them."""

    SECTION: ClassVar[str] = "TLS"

    tls_cert: tuple[str, ...] = setting(
        (),
        str,
        "Certificate, PEM, its chain behind it. With it --bind and --fd speak HTTPS, UNIX sockets "
        "stay plain. Repeat it with --tls-key for other names: clients that ask for one get it, "
        "the rest the first. SIGHUP reads all again.",
        metavar="FILE",
    )
    tls_key: tuple[str, ...] = setting(
        (), str, "The private key of each --tls-cert, in their order; PEM.", metavar="FILE"
    )
    tls_min_version: str = setting(
        TLS_1_2, click.Choice([TLS_1_2, TLS_1_3]), "The oldest TLS that is spoken."
    )
    redirect_port: tuple[TcpPlace, ...] = setting(
        (),
        redirect_place,
        "Answer plain HTTP here with a redirect to HTTPS (also /healthz, and a --static mount of "
        "/.well-known/acme-challenge); at the hosts of --bind if none is named. May be repeated.",
        metavar="[HOST:]PORT",
    )
    redirect_to_port: int = setting(
        443, click.IntRange(1, 65535), "The port that redirects lead to, as clients see it."
    )
    hsts: int = setting(
        0,
        click.IntRange(0),
        "Seconds for which browsers shall use HTTPS only (Strict-Transport-Security, in responses "
        "over HTTPS); 0 for none.",
        metavar="SECONDS",
    )
    hsts_subdomains: bool = setting(
        False,
        bool,
        "Whether that holds for all names below this one too.",
        flags=("--hsts-subdomains/--no-hsts-subdomains",),
    )
