"""HTTPS: our own certificate, and somebody else's that is renewed."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from server.app import Server
from server.config import load_settings
from server.errors import SettingsError
from server.web import tls
from tests.fakes import ScriptedDenoise


async def presented(port: int, trusted: Path | None = None) -> bytes:
    """The certificate that a connection is given (DER)."""
    context = ssl.create_default_context(cafile=str(trusted)) if trusted else ssl.create_default_context()
    if trusted is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return shown


async def test_a_certificate_of_our_own_is_made_once_and_fits_this_machine(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, port=0)
    server = Server(settings, self_signed=True, denoise=ScriptedDenoise())
    await server.start()
    assert server.pair is not None
    assert server.url == f"https://localhost:{server.port}"
    assert stat.S_IMODE(server.pair.key.stat().st_mode) == 0o600
    assert await presented(server.port, server.pair.certificate)  # verified, names included
    context = ssl.create_default_context(cafile=str(server.pair.certificate))
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as http, http.get(f"{server.url}/api/v1/config") as response:
        assert (await response.json())["secure"] is True
    await server.close()

    certificate = x509.load_pem_x509_certificate(server.pair.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(tls.addresses()) <= {str(name.value) for name in names}
    await asyncio.to_thread(_again, tmp_path)


def _again(data_dir: Path) -> None:
    before = tls.fingerprint(data_dir / "tls" / "certificate.pem")
    assert len(before.split(":")) == 32
    assert tls.fingerprint(tls.self_signed(data_dir).certificate) == before


def test_a_certificate_that_fits_no_more_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tls.fingerprint(tls.self_signed(tmp_path).certificate)
    monkeypatch.setattr(tls, "addresses", lambda: ["localhost", "other", "192.0.2.7"])
    pair = tls.self_signed(tmp_path)
    assert tls.fingerprint(pair.certificate) != before
    pair.certificate.write_text("damaged")
    assert tls.fingerprint(tls.self_signed(tmp_path).certificate)


async def test_a_renewed_certificate_is_taken_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = await asyncio.to_thread(tls.self_signed, tmp_path / "old")
    renewed = await asyncio.to_thread(tls.self_signed, tmp_path / "new")
    context = tls.make_context(pair)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    watching = asyncio.create_task(tls.watch(context, pair, every=0.02))
    before = await presented(port)

    pair.key.write_bytes(b"half written")
    await asyncio.sleep(0.1)
    assert await presented(port) == before

    pair.certificate.write_bytes(renewed.certificate.read_bytes())
    pair.key.write_bytes(renewed.key.read_bytes())
    os.utime(pair.key, (1, 1))
    for _ in range(1_500):
        if await presented(port) != before:
            break
        await asyncio.sleep(0.02)
    shown = await presented(port)
    assert shown == ssl.PEM_cert_to_DER_cert(renewed.certificate.read_text())
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("damage", ["no certificate", "no key", "not pem", "not a pair"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, damage: str) -> None:
    pair, other = tls.self_signed(tmp_path / "a"), tls.self_signed(tmp_path / "b")
    match damage:
        case "no certificate":
            pair.certificate.unlink()
        case "no key":
            pair.key.unlink()
        case "not pem":
            pair.certificate.write_text("x")
        case "not a pair":
            pair.key.write_bytes(other.key.read_bytes())
    with pytest.raises(SettingsError, match="CLEARCAST_TLS_"):
        tls.make_context(pair)
