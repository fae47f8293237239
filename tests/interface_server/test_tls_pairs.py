"""Which pairs are taken, which refused and how; what clients see is in test_tls_listening.py."""

import ssl
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from interface_server.listening.tls_pairs import Pair, TlsContexts
from interface_server.settings.tls import TLS_1_2, TLS_1_3
from shared.errors import ConfigurationError
from tests.interface_server.certificates import Authority, Files


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for this file."""
    return Authority(tmp_path_factory.mktemp("certificates"))


def contexts(*files: Files, version: str = TLS_1_2) -> TlsContexts:
    pairs = [Pair(str(each.certificate), str(each.key)) for each in files]
    return TlsContexts(pairs, version, [b"http/1.1"], time.time)


def agreed(
    authority: Authority, made: TlsContexts, host: str = "localhost", **limits: ssl.TLSVersion
) -> ssl.SSLObject:
    """A client's end after a handshake in memory; raises what the client sees."""
    trust = authority.trust()
    for name, value in limits.items():
        setattr(trust, name, value)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = made.current.wrap_bio(to_server, to_client, server_side=True)
    client = trust.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(5):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    client.do_handshake()
    return client


def names(client: ssl.SSLObject) -> list[str]:
    certificate = client.getpeercert()
    assert certificate is not None
    return [str(value) for kind, value in certificate["subjectAltName"] if kind == "DNS"]


def test_a_pair_makes_a_modern_handshake(authority: Authority) -> None:
    """TLS 1.3 by default, 1.2 with forward secrecy and an AEAD for those who ask for no more."""
    made = contexts(authority.issue("modern"))
    assert agreed(authority, made).version() == "TLSv1.3"
    old = agreed(authority, made, maximum_version=ssl.TLSVersion.TLSv1_2)
    cipher = old.cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE-ECDSA-")
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


def test_an_rsa_key_will_do(authority: Authority) -> None:
    """Both kinds of keys are taken."""
    files = authority.issue("rsa", key=rsa.generate_private_key(65537, 2048))
    assert names(agreed(authority, contexts(files))) == ["localhost"]


def test_the_oldest_version_can_be_raised(authority: Authority) -> None:
    """--tls-min-version 1.3 refuses 1.2."""
    made = contexts(authority.issue("raised"), version=TLS_1_3)
    assert agreed(authority, made).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        agreed(authority, made, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_each_name_gets_its_pair(authority: Authority) -> None:
    """By SNI, whole or below a wildcard; who asks for none of the names gets the first pair."""
    made = contexts(
        authority.issue("one", "localhost", "one.example"),
        authority.issue("two", "two.example", "*.three.example"),
    )
    assert names(agreed(authority, made, "one.example")) == ["localhost", "one.example"]
    for host in ("two.example", "TWO.example", "a.three.example"):
        assert names(agreed(authority, made, host)) == ["two.example", "*.three.example"]
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'a\.b\.three\.example'"):
        agreed(authority, made, "a.b.three.example")
    assert names(agreed(authority, made, "127.0.0.1")) == ["localhost", "one.example"]


def test_what_cannot_be_used_is_refused_with_its_reason(
    authority: Authority, tmp_path: Path
) -> None:
    """A missing file, no PEM, another's key, a key with a password: each is told apart."""
    good, other = authority.issue("good"), authority.issue("other")
    locked = authority.issue("locked", password=b"secret")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    odd = tmp_path / "odd.pem"
    odd.write_bytes(good.certificate.read_bytes().replace(b" CERT", b" TRUSTED CERT"))
    missing = tmp_path / "missing.pem"
    cases = [
        (Files(missing, good.key), "--tls-cert: cannot read '.*missing.pem': No such file"),
        (Files(good.certificate, missing), "--tls-key: cannot read '.*missing.pem': No such file"),
        (Files(good.certificate, other.key), "other.key' does not belong to the first certificate"),
        (Files(text, good.key), "expected a certificate in '.*text.pem' and its key"),
        (Files(good.certificate, text), "expected a certificate in '.*' and its key in '.*text"),
        (Files(odd, good.key), "a PEM CERTIFICATE with readable names in '.*odd.pem', got: "),
        (locked, "a key without a password in '.*locked.key'"),
    ]
    for files, expected in cases:
        with pytest.raises(ConfigurationError, match=expected):
            contexts(files)


@pytest.mark.parametrize(
    ("days", "event"),
    [(-3, "tls_certificate_expired"), (5, "tls_certificate_expires"), (30, None)],
)
def test_an_end_that_is_near_is_told(authority: Authority, days: float, event: str | None) -> None:
    """A certificate that ended, or ends within two weeks, is used with a warning."""
    with capture_logs() as lines:
        contexts(authority.issue("old", days=days))
    assert [line["event"] for line in lines] == ([event] if event else [])
    if event:
        assert lines[0].get("days_left", lines[0].get("days_ago")) in (2, 3, 4)


def test_an_end_is_told_again_each_day(authority: Authority) -> None:
    """A server that runs for months says so when the renewal did not come."""
    files, now = authority.issue("renewed", days=15.5), [time.time()]
    pair = Pair(str(files.certificate), str(files.key))
    with capture_logs() as lines:
        made = TlsContexts([pair], TLS_1_2, [b"http/1.1"], lambda: now[0])
        for _ in range(4):
            assert made.current is made.current
            now[0] += 86400
    assert [line["days_left"] for line in lines] == [13, 12]


def test_a_missing_package_is_named(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    files = authority.issue("unread")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigurationError, match=r"install channels-board\[tls\]"):
        contexts(files)


def test_a_reload_takes_new_files_and_refuses_broken_ones(authority: Authority) -> None:
    """New handshakes see the new pair; a broken one leaves the old one in place."""
    files = authority.issue("changing", "localhost", "before.example")
    made = contexts(files)
    authority.issue("changing", "localhost", "after.example")
    assert names(agreed(authority, made))[1] == "before.example"
    assert made.reload()
    assert names(agreed(authority, made))[1] == "after.example"
    files.key.write_text("broken")
    with capture_logs() as lines:
        assert not made.reload()
    assert lines[0]["event"] == "tls_reload_refused"
    assert names(agreed(authority, made))[1] == "after.example"
