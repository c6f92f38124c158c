"""Session descriptions: what a peer offers, checked and written anew (RFC 8866, RFC 9429).

Whatever arrives is read line by line into an `Offer`; the WebRTC library only ever sees the short description that
`Offer.sdp` writes. So a hostile offer can at most be refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from server.errors import InvalidOffer, TooLarge

MAX_SDP_BYTES = 64 * 1024
MAX_SECTIONS = 32
MAX_CANDIDATES = 100
"""Most candidates that one peer may bring, trickled ones included."""

_MEDIA = re.compile(r"m=([a-z]{1,16}) (\d{1,5})(?:/\d+)? ([A-Za-z0-9/]{1,32}) ([\x21-\x7e ]{1,512})")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")
_FINGERPRINT = re.compile(r"(sha-(256|384|512)) ((?:[0-9A-F]{2}:){31,63}[0-9A-F]{2})", re.IGNORECASE)
_RTPMAP = re.compile(r"(\d{1,3}) opus/48000/2", re.IGNORECASE)
_SSRC = re.compile(r"(\d{1,10}) [a-z]+")
_CANDIDATE = re.compile(
    r"(?P<foundation>\S{1,32}) (?P<component>\d{1,3}) (?P<transport>\S{1,8}) (?P<priority>\d{1,10})"
    r" (?P<address>\S{1,255}) (?P<port>\d{1,5}) typ (?P<type>[a-z]{1,8})(?: .*)?"
)


class Role(StrEnum):
    """What the peer that sends the offer wants to do."""

    PUBLISH = "publish"
    LISTEN = "listen"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transport address of the other side (RFC 8839 section 5.1), UDP, component 1."""

    foundation: str
    priority: int
    address: str
    port: int
    type: str
    """"host", "srflx" or "relay"."""


@dataclass(slots=True)
class Section:
    """One media section of an offer: its `m=` line and its attributes."""

    kind: str
    port: int
    protocol: str
    formats: str
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> Iterator[str]:
        return (value for key, value in self.attributes if key == name)

    def first(self, name: str) -> str | None:
        return next(self.all(name), None)

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.attributes)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered."""

    role: Role
    mid: str
    ufrag: str
    password: str
    fingerprints: tuple[str, ...]
    setup: str
    payload_type: int
    ssrc: int | None
    candidates: tuple[Candidate, ...]
    sections: tuple[Section, ...]
    chosen: int
    """Index in `sections` of the one that is answered; all others are refused."""

    @property
    def sdp(self) -> str:
        """The offer as the WebRTC library gets it: one audio section, Opus alone, no candidates."""
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
        lines += [
            f"a=group:BUNDLE {self.mid}",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {self.payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{self.mid}",
            "a=sendonly" if self.role is Role.PUBLISH else "a=recvonly",
            "a=rtcp-mux",
            f"a=rtpmap:{self.payload_type} opus/48000/2",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=setup:{self.setup}",
        ]
        lines += [f"a=fingerprint:{value}" for value in self.fingerprints]
        if self.ssrc is not None:
            lines.append(f"a=ssrc:{self.ssrc} cname:publisher")
        return "\r\n".join(lines) + "\r\n"


def read_offer(text: str, role: Role) -> Offer:
    """Check an offer.

    Raises TooLarge over 64 kB, InvalidOffer for everything else that cannot be answered.
    """
    if len(text) > MAX_SDP_BYTES or len(text.encode("utf-8", "replace")) > MAX_SDP_BYTES:
        raise TooLarge("The session description is larger than 64 kB.")
    session, sections = _split(text)
    if session.has("ice-lite"):
        raise InvalidOffer("ICE lite cannot be answered: the side that offers has to send the checks.")
    chosen = _choose(sections, role)
    audio = sections[chosen]
    if not audio.has("rtcp-mux"):
        raise InvalidOffer("The audio section must offer rtcp-mux.")
    holders = [audio, session, *sections]
    return Offer(
        role=role,
        mid=_mid(audio),
        ufrag=_required(holders, "ice-ufrag", _UFRAG),
        password=_required(holders, "ice-pwd", _PASSWORD),
        fingerprints=_fingerprints(holders),
        setup=_setup(holders),
        payload_type=_opus(audio) or 0,
        ssrc=_ssrc(audio) if role is Role.PUBLISH else None,
        candidates=tuple(_candidates(holders)),
        sections=tuple(sections),
        chosen=chosen,
    )


def compose_answer(offer: Offer, answer: str) -> str:
    """The answer to the whole offer.

    `answer` is the library's, with one media section; the offer's other sections are put around it, refused with
    port 0 (RFC 9429 section 5.3.1).
    """
    head, _, accepted = answer.partition("m=audio ")
    parts = [head]
    for index, section in enumerate(offer.sections):
        if index == offer.chosen:
            parts.append("m=audio " + accepted)
            continue
        lines = [f"m={section.kind} 0 {section.protocol} {section.formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
        mid = section.first("mid")
        if mid is not None and _TOKEN.fullmatch(mid):
            lines.append(f"a=mid:{mid}")
        parts.append("\r\n".join(lines) + "\r\n")
    return "".join(parts)


def parse_candidate(value: str) -> Candidate | None:
    """Read what follows `a=candidate:`.

    None for a candidate that is of no use: TCP, RTCP, a `.local` name (such a peer is learned of by its checks,
    RFC 8445 section 7.3.1.3), an address that no packet can be sent to. Raises InvalidOffer when it is malformed.
    """
    match = _CANDIDATE.fullmatch(value.strip())
    if match is None:
        raise InvalidOffer("An ICE candidate is malformed.")
    port, priority = int(match["port"]), int(match["priority"])
    if port > 65535 or priority >= 1 << 32:
        raise InvalidOffer("An ICE candidate has a number out of range.")
    usable = match["transport"].lower() == "udp" and match["component"] == "1" and port > 0
    if not usable or match["type"] not in ("host", "srflx", "relay") or "%" in match["address"]:
        return None
    try:
        address = ipaddress.ip_address(match["address"])
    except ValueError:
        return None
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return None
    return Candidate(match["foundation"], priority, str(address), port, match["type"])


def _split(text: str) -> tuple[Section, list[Section]]:
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0].strip() != "v=0":
        raise InvalidOffer("This is not a session description: it does not start with v=0.")
    session = current = Section("", 0, "", "")
    sections: list[Section] = []
    for line in lines[1:]:
        if line.startswith("m="):
            match = _MEDIA.fullmatch(line.strip())
            if match is None:
                raise InvalidOffer("A media line (m=) is malformed.")
            current = Section(match[1], int(match[2]), match[3], match[4])
            sections.append(current)
        elif line.startswith("a="):
            name, _, value = line[2:].strip().partition(":")
            current.attributes.append((name, value))
        elif len(line) < 2 or line[1] != "=":
            raise InvalidOffer("The session description has a line that is not of the form letter=value.")
    if len(sections) > MAX_SECTIONS:
        raise InvalidOffer(f"The offer has more than {MAX_SECTIONS} media sections.")
    return session, sections


def _choose(sections: list[Section], role: Role) -> int:
    audio = [i for i, s in enumerate(sections) if s.kind == "audio" and (s.port or s.has("bundle-only"))]
    if not audio:
        raise InvalidOffer("The offer has no audio section.")
    opus = [i for i in audio if _opus(sections[i]) is not None]
    if not opus:
        raise InvalidOffer("The offer has no Opus audio (opus/48000/2).")
    wanted = ("sendrecv", "sendonly" if role is Role.PUBLISH else "recvonly")
    for index in opus:
        if _direction(sections[index]) in wanted:
            if "DTLS" not in sections[index].protocol and "TLS" not in sections[index].protocol:
                raise InvalidOffer("The audio section must use DTLS-SRTP (UDP/TLS/RTP/SAVPF).")
            return index
    if role is Role.PUBLISH:
        raise InvalidOffer("The offer sends no audio: its audio section must be sendonly or sendrecv.")
    raise InvalidOffer("The offer receives no audio: its audio section must be recvonly or sendrecv.")


def _direction(section: Section) -> str:
    names = [key for key, _ in section.attributes if key in ("sendrecv", "sendonly", "recvonly", "inactive")]
    return names[0] if names else "sendrecv"


def _opus(section: Section) -> int | None:
    offered = set(section.formats.split())
    for value in section.all("rtpmap"):
        match = _RTPMAP.fullmatch(value.strip())
        # RFC 5761 section 4: 64 to 95 would be mistaken for RTCP.
        if match and match[1] in offered and (35 <= int(match[1]) <= 63 or 96 <= int(match[1]) <= 127):
            return int(match[1])
    return None


def _mid(section: Section) -> str:
    mid = section.first("mid")
    if mid is None:
        return "0"
    if not _TOKEN.fullmatch(mid):
        raise InvalidOffer("The audio section's mid is malformed.")
    return mid


def _required(holders: list[Section], name: str, form: re.Pattern[str]) -> str:
    value = next((found for holder in holders if (found := holder.first(name)) is not None), None)
    if value is None:
        raise InvalidOffer(f"The offer has no {name}.")
    if not form.fullmatch(value):
        raise InvalidOffer(f"The offer's {name} is malformed.")
    return value


def _fingerprints(holders: list[Section]) -> tuple[str, ...]:
    for holder in holders:
        matches = [match for value in holder.all("fingerprint") if (match := _FINGERPRINT.fullmatch(value))]
        exact = [match for match in matches if len(match[3]) == int(match[2]) // 8 * 3 - 1]
        if exact:
            return tuple(f"{match[1].lower()} {match[3].upper()}" for match in exact[:4])
    raise InvalidOffer("The offer has no usable certificate fingerprint (sha-256, sha-384 or sha-512).")


def _setup(holders: list[Section]) -> str:
    setup = next((found for holder in holders if (found := holder.first("setup")) is not None), None)
    if setup not in ("actpass", "active", "passive"):
        raise InvalidOffer("The offer's a=setup must be actpass, active or passive.")
    return setup


def _ssrc(section: Section) -> int | None:
    for value in section.all("ssrc"):
        match = _SSRC.match(value)
        if match and int(match[1]) < 1 << 32:
            return int(match[1])
    return None


def _candidates(holders: list[Section]) -> Iterator[Candidate]:
    found: set[tuple[str, int]] = set()
    total = 0
    # One transport carries everything, so the candidates of every section that has the same credentials count.
    ufrag = next((value for holder in holders if (value := holder.first("ice-ufrag")) is not None), None)
    for index, holder in enumerate(holders):
        if index > 0 and (holder is holders[0] or holder.first("ice-ufrag") not in (ufrag, None)):
            continue
        for value in holder.all("candidate"):
            total += 1
            if total > MAX_CANDIDATES:
                raise InvalidOffer(f"The offer has more than {MAX_CANDIDATES} ICE candidates.")
            candidate = parse_candidate(value)
            if candidate is not None and (candidate.address, candidate.port) not in found:
                found.add((candidate.address, candidate.port))
                yield candidate
