"""Trickled candidates."""

from __future__ import annotations

import pytest

from server.errors import InvalidRequest, TooLarge
from server.rtc.trickle import parse_fragment

FRAGMENT = (
    "a=group:BUNDLE 0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0\r\n"
    "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n"
    "a=end-of-candidates\r\n"
)


def test_a_fragment_brings_candidates_and_says_that_it_was_the_last() -> None:
    fragment = parse_fragment(FRAGMENT)
    assert [(c.address, c.port) for c in fragment.candidates] == [("192.0.2.1", 61764), ("198.51.100.2", 61765)]
    assert fragment.complete
    fragment.check("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")


def test_a_restart_of_ice_is_refused_clearly() -> None:
    with pytest.raises(InvalidRequest, match="new offer") as refused:
        parse_fragment(FRAGMENT).check("Othr", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert refused.value.code == "restart-unsupported"


def test_a_wrong_password_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ice-pwd"):
        parse_fragment(FRAGMENT).check("EsAw", "x" * 24)


@pytest.mark.parametrize(
    "text", ["hello", "x=1", "a=candidate:1 2 3", "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n" * 101]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_fragment(text)


def test_a_huge_fragment_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_fragment("a=x\r\n" * 10_000)


def test_an_empty_fragment_says_nothing() -> None:
    fragment = parse_fragment("")
    assert fragment.candidates == ()
    assert not fragment.complete
    fragment.check("EsAw", "anything")
