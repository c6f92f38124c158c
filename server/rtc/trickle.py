"""Candidates that come after the offer: `application/trickle-ice-sdpfrag` (RFC 8840 section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import InvalidOffer, InvalidRequest, TooLarge
from server.rtc.sdp import MAX_CANDIDATES, Candidate, parse_candidate

MAX_FRAGMENT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one PATCH says."""

    ufrag: str | None
    password: str | None
    candidates: tuple[Candidate, ...]
    complete: bool
    """The peer has no more candidates."""

    def check(self, ufrag: str, password: str) -> None:
        """Raises InvalidRequest unless the fragment belongs to the session with these credentials."""
        if self.ufrag is not None and self.ufrag != ufrag:
            raise InvalidRequest(
                "ICE cannot be restarted here: delete this session and send a new offer.", code="restart-unsupported"
            )
        if self.password is not None and self.password != password:
            raise InvalidRequest("The fragment's ice-pwd is not the session's.", code="invalid-fragment")


def parse_fragment(text: str) -> Fragment:
    """Read a fragment.

    Raises TooLarge over 16 kB, InvalidRequest when a line is malformed.
    """
    if len(text) > MAX_FRAGMENT_BYTES:
        raise TooLarge("The ICE fragment is larger than 16 kB.")
    values: dict[str, str] = {}
    candidates: list[Candidate] = []
    total = 0
    for line in filter(None, map(str.strip, text.splitlines())):
        if len(line) < 3 or line[1] != "=" or line[0] not in "am":
            raise InvalidRequest("The ICE fragment has a line other than a= and m=.", code="invalid-fragment")
        name, _, value = line[2:].partition(":")
        if line[0] == "m":
            continue
        if name != "candidate":
            values.setdefault(name, value)
            continue
        total += 1
        if total > MAX_CANDIDATES:
            raise InvalidRequest("The ICE fragment has too many candidates.", code="invalid-fragment")
        try:
            candidate = parse_candidate(value)
        except InvalidOffer as error:
            raise InvalidRequest(error.message, code="invalid-fragment") from None
        if candidate is not None:
            candidates.append(candidate)
    return Fragment(values.get("ice-ufrag"), values.get("ice-pwd"), tuple(candidates), "end-of-candidates" in values)
