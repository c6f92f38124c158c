"""ICE servers of the settings."""

from __future__ import annotations

import pytest
from aiortc.rtcicetransport import parse_stun_turn_uri
from pydantic import ValidationError

from server.config import IceServer
from server.rtc.ice import configuration

TURN = {"username": "ann", "credential": "secret"}


def test_nobody_is_asked_when_no_server_is_set() -> None:
    assert configuration([]).iceServers == []


@pytest.mark.parametrize(
    "urls",
    [
        "stun:stun.example.org",
        "stuns:192.0.2.7:5349",
        "turn:turn.example.org:3478?transport=udp",
        "turns:turn-1.example.org?transport=tcp",
    ],
)
def test_whatever_the_settings_take_the_library_takes_too(urls: str) -> None:
    server = IceServer(urls=urls, **TURN)
    assert parse_stun_turn_uri(server.urls)
    assert len(configuration([server]).iceServers or []) == 1


@pytest.mark.parametrize(
    "urls",
    [
        "http://example.org",
        "stun:",
        "stun:a b",
        "stun:a:x",
        "turn:a?transport=sctp",
        'stun:a>; rel="x"',
        "stun:a\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused(urls: str) -> None:
    with pytest.raises(ValidationError, match="an address looks like"):
        IceServer(urls=urls, **TURN)
