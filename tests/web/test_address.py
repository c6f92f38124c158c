"""Where a request comes from, whatever strangers write into it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from server.config import load_settings
from server.errors import SettingsError
from server.web.address import client_address, is_secure, subnet
from server.web.services import SERVICES


def request(
    peer: str, *headers: tuple[str, str], proxies: str = "10.0.0.0/8, 2001:db8::5", secure: bool = False
) -> Any:
    app = web.Application()
    app[SERVICES] = SimpleNamespace(settings=load_settings(trusted_proxies=proxies), secure=secure)  # type: ignore[assignment]
    transport = Mock(**{"get_extra_info.side_effect": {"peername": (peer, 1)}.get})
    return make_mocked_request("GET", "/", CIMultiDict(headers), app=app, transport=transport)


FOR = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", [(FOR, "1.2.3.4")], "192.0.2.7"),
        ("10.0.0.1", [(FOR, "1.2.3.4")], "1.2.3.4"),
        ("10.0.0.1", [(FOR, "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        ("10.0.0.1", [(FOR, "6.6.6.6, 1.2.3.4, 10.0.0.9")], "1.2.3.4"),
        ("10.0.0.1", [(FOR, "6.6.6.6"), (FOR, "1.2.3.4")], "1.2.3.4"),
        ("10.0.0.1", [(FOR, "10.0.0.7")], "10.0.0.7"),
        ("10.0.0.1", [(FOR, "1.2.3.4, rubbish")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "1.2.3.4, rubbish, 10.0.0.2")], "10.0.0.2"),
        ("10.0.0.1", [(FOR, "")], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "1.2.3.4:5678")], "1.2.3.4"),
        ("10.0.0.1", [(FOR, "[2001:db8::9]:443")], "2001:db8::9"),
        ("10.0.0.1", [(FOR, "::ffff:1.2.3.4")], "1.2.3.4"),
        ("::ffff:10.0.0.1", [(FOR, "1.2.3.4")], "1.2.3.4"),
        ("2001:db8::5", [(FOR, "1.2.3.4")], "1.2.3.4"),
        ("10.0.0.1", [("Forwarded", 'for=1.2.3.4;proto=https, for="[2001:db8::9]:1"')], "2001:db8::9"),
        ("10.0.0.1", [("Forwarded", "for=1.2.3.4, by=10.0.0.2")], "10.0.0.1"),
        ("10.0.0.1", [("Forwarded", "for=1.2.3.4, for=_hidden")], "10.0.0.1"),
        ("10.0.0.1", [("Forwarded", "for=1.2.3.4"), (FOR, "1.2.3.4")], "1.2.3.4"),
        ("10.0.0.1", [("Forwarded", "for=6.6.6.6"), (FOR, "1.2.3.4")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, ", ".join(["10.0.0.2"] * 5000))], "10.0.0.2"),
        ("", [(FOR, "1.2.3.4")], ""),
    ],
)
def test_the_client_is_the_first_that_no_proxy_of_ours_vouches_for(
    peer: str, headers: list[tuple[str, str]], expected: str
) -> None:
    assert client_address(request(peer, *headers)) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    asked = request("127.0.0.1", (FOR, "1.2.3.4"), ("X-Forwarded-Proto", "https"), proxies="")
    assert client_address(asked) == "127.0.0.1"
    assert not is_secure(asked)


PROTO = "X-Forwarded-Proto"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.1", [(PROTO, "https")], True),
        ("192.0.2.7", [(PROTO, "https")], False),
        ("10.0.0.1", [(PROTO, "http")], False),
        ("10.0.0.1", [(PROTO, "https, http")], False),
        ("10.0.0.1", [("Forwarded", "for=1.2.3.4;proto=https")], True),
        ("10.0.0.1", [("Forwarded", "for=1.2.3.4;proto=https"), (PROTO, "http")], False),
        ("10.0.0.1", [], False),
    ],
)
def test_tls_before_the_server_counts_when_a_trusted_proxy_says_so(
    peer: str, headers: list[tuple[str, str]], expected: bool
) -> None:
    assert is_secure(request(peer, *headers)) is expected
    assert is_secure(request(peer, *headers, secure=True))


def test_everybody_with_ipv6_has_a_network_of_addresses() -> None:
    assert subnet("2001:db8:1:2:3:4:5:6") == subnet("2001:db8:1:2:ffff::1") != subnet("2001:db8:1:3::1")
    assert subnet("192.0.2.1") == "192.0.2.1"
    assert subnet("") == subnet("nobody") == ""


def test_a_mistake_in_the_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"CLEARCAST_TRUSTED_PROXIES.* entry 2: .*network"):
        load_settings(trusted_proxies="10.0.0.1, proxy")
