"""Certificates with their keys: read, checked, made into what a handshake needs, and read again.

Speaks to no client. A pair that cannot be used is refused with its reason.
"""

import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from interface_server.settings.tls import TLS_1_3
from shared.errors import ConfigurationError
from shared.logs import get_logger

WARN_DAYS = 14
"""A certificate that ends so soon is warned of; most are renewed a month before."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2's with forward secrecy and authenticated encryption; those of 1.3 all have both.

Source: RFC 9325 section 4.2, RFC 9113 section 9.2.2.
"""

_DAY_S = 86400

_log = get_logger("interface_server.tls")


class Pair(NamedTuple):
    """The paths of a certificate (with its chain) and its key."""

    certificate: str
    key: str


class Facts(NamedTuple):
    """What a certificate says: DNS names, lower case, and its end in seconds since the epoch."""

    names: tuple[str, ...]
    expires_at: float


class TlsContexts:
    """All pairs, the one for a client chosen by the name that it asks for."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        min_version: str,
        alpn: Sequence[bytes],
        wall_clock: Callable[[], float],
    ) -> None:
        """Raises: ConfigurationError when a pair cannot be used."""
        self._pairs = tuple(pairs)
        self._min_version = min_version
        self._alpn = [name.decode("ascii") for name in alpn]
        self._wall_clock = wall_clock
        self._ends: dict[str, float] = {}
        self._look_at = 0.0
        self._current = self._load()

    @property
    def current(self) -> ssl.SSLContext:
        """What the next handshake takes; once a day an end that is near is warned of."""
        if self._wall_clock() >= self._look_at:
            self._look_at_ends()
        return self._current

    def reload(self) -> bool:
        """Read the files again; connections stay, and so do the old pairs if one is refused."""
        try:
            self._current = self._load()
        except ConfigurationError as error:
            _log.error("tls_reload_refused", error=str(error), kept="the pairs from before")
            return False
        _log.info("tls_reloaded", pairs=len(self._pairs))
        return True

    def _load(self) -> ssl.SSLContext:
        loaded = [(self._context(pair), _read_facts(pair.certificate)) for pair in self._pairs]
        by_name: dict[str, ssl.SSLContext] = {}
        for context, facts in loaded:
            for name in facts.names:
                by_name.setdefault(name, context)
        first = loaded[0][0]
        if len(loaded) > 1:
            _choose_by_name(first, by_name)
        ends = [facts.expires_at for _, facts in loaded]
        self._ends = {pair.certificate: end for pair, end in zip(self._pairs, ends, strict=True)}
        self._look_at_ends()
        return first

    def _context(self, pair: Pair) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        is_1_3 = self._min_version == TLS_1_3
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if is_1_3 else ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_ciphers(CIPHERS)
        context.set_alpn_protocols(self._alpn)
        try:
            context.load_cert_chain(pair.certificate, pair.key, partial(_no_password, pair.key))
        except ssl.SSLError as error:
            raise ConfigurationError(_reason(pair, error)) from error
        except OSError as error:
            raise ConfigurationError(_unreadable(pair, error)) from error
        return context

    def _look_at_ends(self) -> None:
        now = self._wall_clock()
        self._look_at = now + _DAY_S
        for file, end in self._ends.items():
            days_left = (end - now) / _DAY_S
            if days_left < 0:
                _log.warning("tls_certificate_expired", file=file, days_ago=int(-days_left))
            elif days_left < WARN_DAYS:
                _log.warning("tls_certificate_expires", file=file, days_left=int(days_left))


def _choose_by_name(first: ssl.SSLContext, by_name: dict[str, ssl.SSLContext]) -> None:
    """Let `first` give way to the pair that a client asks for. Source: RFC 6066 section 3."""

    def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            host = name.lower()
            context = by_name.get(host) or by_name.get("*." + host.partition(".")[2])
            if context is not None and context is not first:
                tls.context = context

    first.sni_callback = choose


def _read_facts(path: str) -> Facts:
    try:
        from cryptography import x509
    except ImportError as error:
        raise ConfigurationError(
            "TLS needs the package 'cryptography': install channels-board[tls]"
        ) from error
    try:
        with open(path, "rb") as file:
            certificate = x509.load_pem_x509_certificates(file.read())[0]
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    except (OSError, ValueError, x509.UnsupportedGeneralNameType) as error:
        # OpenSSL reads more forms than this library, and the file may have changed meanwhile.
        raise ConfigurationError(
            f"--tls-cert: expected a PEM CERTIFICATE with readable names in {path!r}, got: {error}"
        ) from error
    expires = certificate.not_valid_after_utc.astimezone(UTC)
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return Facts(tuple(name.lower() for name in names), (expires - since).total_seconds())


def _no_password(path: str) -> str:
    raise ConfigurationError(f"--tls-key: expected a key without a password in {path!r}")


def _reason(pair: Pair, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"--tls-key: the key in {pair.key!r} does not belong to the first certificate in "
            f"{pair.certificate!r} (the server's own comes first, then its chain)"
        )
    what = (error.reason or "no PEM").replace("_", " ").lower()
    return (
        f"--tls-cert, --tls-key: expected a certificate in {pair.certificate!r} and its key in "
        f"{pair.key!r}, both PEM, got: {what}"
    )


def _unreadable(pair: Pair, error: OSError) -> str:
    for option, path in (("--tls-cert", pair.certificate), ("--tls-key", pair.key)):
        try:
            with open(path, "rb"):
                pass
        except OSError as cause:
            return f"{option}: cannot read {path!r}: {cause.strerror}"
    return f"--tls-cert, --tls-key: cannot read {pair.certificate!r}, {pair.key!r}: {error}"
