"""How others get in: ports, certificates, and what browsers ask before they give a microphone."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from datetime import UTC, datetime, timedelta

from cryptography import x509

from server.client.demo import running_server
from server.client.signalling import get_json, http_session
from server.config import Settings
from server.doctor.findings import Finding, fails, look, ok
from server.errors import ClearcastError, SettingsError
from server.web import tls
from server.web.binding import bind
from server.web.identity import is_loopback

SOON = timedelta(days=14)
RENEW = "Renew it; a running server reads it again."
UDP_WAIT_S = 1.0
PACKETS = 20


def port(settings: Settings) -> Finding:
    """Whether the TCP port is free, or held by a Clearcast."""
    where = f"TCP port {settings.port} of {settings.host}"
    try:
        bind(settings.host, settings.port).close()
    except SettingsError as error:
        return fails("TCP port", error.message, "Correct the setting.")
    except ClearcastError as error:
        running = asyncio.run(running_server(settings)) if error.code == "port" else None
        if running is not None:
            return ok("TCP port", f"{where} is held by the Clearcast that runs at {running}.", server=running)
        return fails("TCP port", error.message, "End that program, or choose another port.")
    return ok("TCP port", f"{where} is free.")


def server(settings: Settings) -> Finding:
    """How a server that runs here says it is."""
    url = asyncio.run(running_server(settings))
    if url is None:
        return ok("server", "None runs with these settings just now.")
    try:
        health = asyncio.run(_health(url))
    except ClearcastError:
        return fails("server", f"The server at {url} cannot take streams.", f"{url}/health/ready says why.", url=url)
    odd = [
        f"{name}: {part['detail']}" for name, part in health["components"].items() if part["state"] not in ("ok", "off")
    ]
    if odd:
        return look("server", f"The server at {url} runs, but {'; '.join(odd)}", "See the lines above.", url=url)
    return ok("server", f"The server at {url} runs, and all of its parts are well.", url=url)


async def _health(url: str) -> dict[str, dict[str, dict[str, str]]]:
    async with http_session(None, verify=False) as http:
        return await get_json(http, f"{url}/health/ready")


def udp(_settings: Settings) -> Finding:
    """Whether datagrams get from this machine to itself, by every address that it has."""
    arrived: list[str] = []
    lost: list[str] = []
    for address in tls.addresses():
        try:
            family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        except ValueError:
            continue  # a name
        try:
            (arrived if _echo(family, address) else lost).append(address)
        except OSError:
            if not is_loopback(address):
                lost.append(address)
    data = {"arrived": arrived, "lost": lost}
    if not arrived:
        remedy = "Sound travels by UDP: let the firewall allow it on this machine and in its container."
        return fails("UDP", "No datagram gets from this machine to itself.", remedy, **data)
    if lost:
        remedy = "A firewall seems to hold datagrams back there: allow UDP, or listeners on that network hear nothing."
        return look("UDP", f"Datagrams get through at {', '.join(arrived)}, not at {', '.join(lost)}.", remedy, **data)
    what = f"Datagrams get through at {', '.join(arrived)}; whether from elsewhere, only a listener there can tell."
    return ok("UDP", what, **data)


def _echo(family: socket.AddressFamily, address: str) -> bool:
    """Whether most of some datagrams as large as audio packets come back."""
    with socket.socket(family, socket.SOCK_DGRAM) as here, socket.socket(family, socket.SOCK_DGRAM) as there:
        here.bind((address, 0))
        here.settimeout(UDP_WAIT_S)
        for number in range(PACKETS):
            there.sendto(bytes([number]) * 200, here.getsockname())
        try:
            got = {here.recv(1500)[0] for _ in range(PACKETS)}
        except TimeoutError:
            return False
    return len(got) == PACKETS


def certificate(settings: Settings, self_signed: bool = False) -> Finding:
    """Whether the certificate fits its key, for which names and how long it holds."""
    made = tls.Pair(settings.data_dir / "tls" / "certificate.pem", settings.data_dir / "tls" / "key.pem")
    if settings.tls_certificate is not None and settings.tls_key is not None:
        pair = tls.Pair(settings.tls_certificate, settings.tls_key)
    elif not self_signed:
        return ok("certificate", "None is set: the server speaks plain HTTP.")
    elif not made.certificate.exists():
        return ok("certificate", "The server makes one for this machine's names at its first start.")
    else:
        pair = made
    try:
        tls.make_context(pair)
        found = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    except (SettingsError, OSError, ValueError) as error:
        reason = error.message if isinstance(error, SettingsError) else str(error)
        return fails("certificate", f"It cannot be used. {reason}.", "Correct the files or their settings.")
    return _validity(found, settings)


def _validity(found: x509.Certificate, settings: Settings) -> Finding:
    names = _names(found)
    now, until = datetime.now(UTC), found.not_valid_after_utc
    data = {"names": names, "until": until.isoformat(), "from": found.not_valid_before_utc.isoformat()}
    left = (until - now).days
    what = (
        f"For {', '.join(names) or 'no name at all'}, until {until:%Y-%m-%d} ({left} {'day' if left == 1 else 'days'})."
    )
    if until < now:
        return fails("certificate", f"It ended on {until:%Y-%m-%d}.", RENEW, **data)
    if found.not_valid_before_utc > now:
        return fails("certificate", what, "It is not valid yet: is the clock right?", **data)
    if until - now < SOON:
        return look("certificate", what, f"It ends soon. {RENEW}", **data)
    if not names:
        return look(
            "certificate", what, "Browsers only believe names in its subjectAltName: have it made anew.", **data
        )
    host = settings.host
    if host not in ("0.0.0.0", "::") and not is_loopback(host) and host not in names and not _wild(host, names):  # noqa: S104
        return look("certificate", what, f"It does not name {host}, the address that the server listens on.", **data)
    return ok("certificate", what, **data)


def _names(found: x509.Certificate) -> list[str]:
    try:
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in named]


def _wild(host: str, names: list[str]) -> bool:
    return f"*.{host.partition('.')[2]}" in names


def microphone(settings: Settings, self_signed: bool = False) -> Finding:
    """Browsers give a microphone to pages from this machine, or over HTTPS."""
    if self_signed or settings.tls_certificate is not None:
        return ok("microphone", "The page comes over HTTPS, so browsers on every machine may use their microphone.")
    here = f"http://localhost:{settings.port}"
    if is_loopback(settings.host):
        what = f"Browsers on this machine may use their microphone at {here}; other machines do not reach the server."
        return ok("microphone", what)
    what = (
        f"Browsers on this machine may use their microphone at {here}; on other machines they give none to plain HTTP."
    )
    remedy = "Start with `--tls self-signed`, or set CLEARCAST_TLS_CERTIFICATE and CLEARCAST_TLS_KEY."
    return look("microphone", what, remedy)
