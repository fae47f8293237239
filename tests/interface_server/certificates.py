"""Certificates and keys for tests, made anew; asserts nothing."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Files(NamedTuple):
    """The paths of a certificate and its key."""

    certificate: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What the server is started with."""
        return "--tls-cert", str(self.certificate), "--tls-key", str(self.key)


class Authority:
    """Signs certificates; `trust` is a client's context that believes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test authority")
        usual = x509.BasicConstraints(ca=True, path_length=0)
        signed = _builder(self._name, self._name, self._key, 30).add_extension(usual, True)
        self.certificate = signed.sign(self._key, hashes.SHA256())
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def trust(self) -> ssl.SSLContext:
        """A client's context."""
        return ssl.create_default_context(cafile=str(self.file))

    def issue(
        self,
        file: str,
        *names: str,
        days: float = 30,
        key: Key | None = None,
        password: bytes = b"",
    ) -> Files:
        """A pair in files of that name; without names for localhost and the loopback."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        shown: list[x509.GeneralName] = [x509.DNSName(name) for name in names or ("localhost",)]
        shown.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = _builder(_name(names[0] if names else "localhost"), self._name, key, days)
        signed = builder.add_extension(x509.SubjectAlternativeName(shown), False)
        certificate = signed.sign(self._key, hashes.SHA256())
        files = Files(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        pem = serialization.Encoding.PEM
        files.certificate.write_bytes(
            certificate.public_bytes(pem) + self.certificate.public_bytes(pem)
        )
        locked = serialization.BestAvailableEncryption(password) if password else None
        files.key.write_bytes(
            key.private_bytes(
                pem,
                serialization.PrivateFormat.PKCS8,
                locked or serialization.NoEncryption(),
            )
        )
        return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, days: float
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - datetime.timedelta(days=1))
        .not_valid_after(end)
    )
