"""TLS: a certificate that is read again when it is renewed, or one of our own for a local network."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.errors import SettingsError
from server.log import get_logger

CHECK_EVERY = 60.0
"""Seconds between looks at the certificate's files."""
VALID = timedelta(days=820)
"""iOS refuses certificates that are valid for longer than 825 days."""
RENEW = timedelta(days=30)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, both PEM files."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, int]:
        """Changes when one of the files does."""
        return (self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns)


def make_context(pair: Pair) -> ssl.SSLContext:
    """A server context. Raises SettingsError with what is wrong with the files."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load(context, pair)
    return context


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Use the files as they are now, for new connections. Raises SettingsError."""
    try:
        context.load_cert_chain(pair.certificate, pair.key)
    except FileNotFoundError:
        missing = pair.key if pair.certificate.exists() else pair.certificate
        variable = "CLEARCAST_TLS_KEY" if pair.certificate.exists() else "CLEARCAST_TLS_CERTIFICATE"
        raise SettingsError(f"{variable}: there is no file {missing}") from None
    except PermissionError as error:
        raise SettingsError(
            f"CLEARCAST_TLS_CERTIFICATE, CLEARCAST_TLS_KEY: {error.filename or pair.key} may not be read"
        ) from None
    except ssl.SSLError as error:
        reason = (error.reason or "unreadable").lower().replace("_", " ")
        raise SettingsError(f"CLEARCAST_TLS_CERTIFICATE, CLEARCAST_TLS_KEY: not a PEM pair ({reason})") from None


async def watch(context: ssl.SSLContext, pair: Pair, every: float = CHECK_EVERY) -> None:
    """Load the pair again whenever its files change; for ever. A bad renewal keeps the old certificate."""
    stamp = await asyncio.to_thread(pair.stamp)
    while True:
        await asyncio.sleep(every)
        try:
            now = await asyncio.to_thread(pair.stamp)
            if now != stamp:
                stamp = now
                await asyncio.to_thread(make_context, pair)  # both files must fit before the live context is touched
                await asyncio.to_thread(load, context, pair)
                log.info("certificate loaded again", certificate=str(pair.certificate))
        except (OSError, SettingsError) as error:
            log.warning("the renewed certificate cannot be used; the old one stays", error=str(error))


def addresses() -> list[str]:
    """Names and addresses of this machine on its networks."""
    names = ["localhost", socket.gethostname()]
    found = ["127.0.0.1", "::1"]
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Nothing is sent: connecting a datagram socket only asks which address the route would use.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                found.append(probe.getsockname()[0])
            except OSError:
                continue
    if not names[1].endswith(".local") and "." not in names[1]:
        names.append(f"{names[1]}.local")
    return list(dict.fromkeys([*names, *found]))


def self_signed(data_dir: Path, host: str = "localhost") -> Pair:
    """A certificate for this machine's names and `host`, made once and kept in the data folder. Blocks."""
    folder = data_dir / "tls"
    pair = Pair(folder / "certificate.pem", folder / "key.pem")
    names = addresses()
    if host not in (*names, "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        names.append(host)
    if not _usable(pair, names):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(pair, names)
    return pair


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate as browsers show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _usable(pair: Pair, names: list[str]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    have = {str(name.value) for name in named}
    return pair.key.exists() and set(names) <= have and certificate.not_valid_after_utc > datetime.now(UTC) + RENEW


def _create(pair: Pair, names: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Clearcast on {names[1]}"[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(private)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
