"""Offers: what is taken from them, what is refused, and that nothing else happens whatever arrives."""

from __future__ import annotations

import random
import re

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import InvalidOffer, TooLarge
from server.rtc.sdp import MAX_CANDIDATES, Role, compose_answer, parse_candidate, read_offer
from tests.rtc.peers import BROWSER_OFFER, damaged

ANSWER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 1\r\n"
ANSWER += "m=audio 5000 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n"
CANDIDATE = "a=candidate:9 1 udp 1 192.0.2.9 {} typ host\r\n"


def without(pattern: str) -> str:
    return re.sub(pattern + r"[^\r]*\r\n", "", BROWSER_OFFER)


def test_a_browsers_offer_is_read() -> None:
    offer = read_offer(BROWSER_OFFER, Role.PUBLISH)
    assert (offer.mid, offer.payload_type, offer.ssrc) == ("1", 111, 3570614608)
    assert (offer.ufrag, offer.password) == ("ETEn", "OtSK0WpNtpUjkY4+86js7ZQl")
    assert offer.setup == "actpass"
    assert [(c.address, c.port) for c in offer.candidates] == [("192.0.2.77", 52032)]


def test_the_library_gets_one_audio_section_and_nothing_else() -> None:
    parsed = SessionDescription.parse(read_offer(BROWSER_OFFER, Role.LISTEN).sdp)
    assert [media.kind for media in parsed.media] == ["audio"]
    assert parsed.media[0].direction == "recvonly"
    assert parsed.media[0].ice_candidates == []
    assert [codec.name for codec in parsed.media[0].rtp.codecs] == ["opus"]


def test_sections_that_are_not_taken_are_refused_in_their_place() -> None:
    answer = compose_answer(read_offer(BROWSER_OFFER, Role.PUBLISH), ANSWER)
    lines = [line for line in answer.split("\r\n") if line.startswith("m=")]
    assert lines == [
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "m=audio 5000 UDP/TLS/RTP/SAVPF 111",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert [line for line in answer.split("\r\n") if line.startswith("a=mid")] == ["a=mid:0", "a=mid:1", "a=mid:2"]


def test_credentials_may_stand_at_session_level() -> None:
    start, _, rest = BROWSER_OFFER.partition("m=video")
    found = re.findall(r"a=(?:ice-ufrag|ice-pwd|fingerprint|setup)[^\r]*\r\n", rest)[:4]
    text = start + "".join(found) + re.sub(r"a=(?:ice-ufrag|ice-pwd|fingerprint|setup)[^\r]*\r\n", "", "m=video" + rest)
    assert read_offer(text, Role.PUBLISH).ufrag == "ETEn"


def test_bare_newlines_are_understood() -> None:
    assert read_offer(BROWSER_OFFER.replace("\r\n", "\n"), Role.PUBLISH).mid == "1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "v=0"),
        ("hello", "v=0"),
        ("{}", "v=0"),
        ("v=0\r\ngarbage\r\n", "letter=value"),
        ("v=0\r\nm=\r\n", "m="),
        (BROWSER_OFFER.split("m=audio")[0], "no audio section"),
        (BROWSER_OFFER.replace("m=audio 52032", "m=audio 0"), "no audio section"),
        (BROWSER_OFFER.replace("opus/48000/2", "speex/16000"), "no Opus"),
        (BROWSER_OFFER.replace("a=sendrecv", "a=recvonly"), "sends no audio"),
        (BROWSER_OFFER.replace("a=sendrecv", "a=inactive"), "sends no audio"),
        (BROWSER_OFFER.replace("UDP/TLS/RTP/SAVPF 111", "RTP/AVP 111"), "DTLS"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (without("a=ice-ufrag"), "ice-ufrag"),
        (without("a=ice-pwd"), "ice-pwd"),
        (without("a=fingerprint"), "fingerprint"),
        (BROWSER_OFFER.replace("sha-256 19:", "sha-256 "), "fingerprint"),
        (without("a=setup"), "setup"),
        (BROWSER_OFFER.replace("a=setup:actpass", "a=setup:holdconn"), "setup"),
        (BROWSER_OFFER.replace("a=ice-ufrag:ETEn", "a=ice-ufrag:" + "x" * 300), "ice-ufrag"),
        (BROWSER_OFFER.replace("a=mid:1", "a=mid:\x00"), "mid"),
        (BROWSER_OFFER.replace(" 52032 typ", " 99999 typ"), "out of range"),
        (BROWSER_OFFER.replace("a=candidate:1 1 udp", "a=candidate:1 one udp"), "candidate"),
        (BROWSER_OFFER + "".join(CANDIDATE.format(1000 + i) for i in range(MAX_CANDIDATES)), "candidates"),
        (BROWSER_OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 40, "media sections"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(InvalidOffer) as refused:
        read_offer(text, Role.PUBLISH)
    assert words in refused.value.message


def test_a_listener_must_want_to_receive() -> None:
    with pytest.raises(InvalidOffer, match="receives no audio"):
        read_offer(BROWSER_OFFER.replace("a=sendrecv", "a=sendonly"), Role.LISTEN)


def test_a_huge_offer_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        read_offer(BROWSER_OFFER + "a=x:" + "y" * 70_000 + "\r\n", Role.PUBLISH)


@pytest.mark.parametrize(
    "value",
    [
        "1 1 udp 1 name.local 5000 typ host",
        "1 2 udp 1 192.0.2.1 5000 typ host",
        "1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
        "1 1 udp 1 192.0.2.1 0 typ host",
        "1 1 udp 1 0.0.0.0 5000 typ host",
        "1 1 udp 1 224.0.0.251 5353 typ host",
        "1 1 udp 1 255.255.255.255 5000 typ host",
        "1 1 udp 1 fe80::1%eth0 5000 typ host",
        "1 1 udp 1 example.org 5000 typ host",
    ],
)
def test_candidates_that_no_packet_can_be_sent_to_are_left_out(value: str) -> None:
    assert parse_candidate(value) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=1, max_value=40))
def test_a_damaged_offer_is_answered_or_refused(seed: int, wounds: int) -> None:
    chaos = random.Random(seed)
    text = damaged(BROWSER_OFFER, chaos, wounds)
    try:
        offer = read_offer(text, chaos.choice(list(Role)))
    except (InvalidOffer, TooLarge):
        return
    # What is accepted is what the library can read.
    media = SessionDescription.parse(offer.sdp).media[0]
    assert media.ice.usernameFragment == offer.ufrag
    assert media.dtls is not None
    assert media.dtls.fingerprints
    compose_answer(offer, ANSWER)
