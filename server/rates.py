"""How often things may be asked for: the classes of routes, and what each person may do in a minute."""

from __future__ import annotations

import difflib
from enum import StrEnum


class Rate(StrEnum):
    """A class of routes whose requests are counted together."""

    SIGN_IN = "sign-in"
    """Whatever takes a password or opens an account."""
    UPLOAD = "upload"
    EXPENSIVE = "expensive"
    """Work that costs the server seconds: sound checks, exports."""
    CONNECT = "connect"
    """Offers of publishers and listeners."""
    WRITE = "write"
    READ = "read"
    MEDIA = "media"
    """Parts of recordings: a player asks for several with each jump."""
    PAGE = "page"
    """Files of the page, health, metrics."""


DEFAULTS: dict[Rate, int] = {
    Rate.SIGN_IN: 5,
    Rate.UPLOAD: 5,
    Rate.EXPENSIVE: 20,
    Rate.CONNECT: 60,
    Rate.WRITE: 240,
    Rate.READ: 600,
    Rate.MEDIA: 1200,
    Rate.PAGE: 6000,
}
"""A minute, for one person, key or, where nobody has signed in, address; so many at once, and then evenly.

The page asks for about a hundred files when it is opened, and then for a handful of lists; what changes comes over its
event socket. Whoever looks through recordings as fast as a hand can move stays below a third of these.
"""

SHARED = 10
"""All requests of one address together may be so many times that: people share addresses."""


def parse_rates(text: str) -> dict[Rate, int]:
    """Read `read=1200,sign-in=10`, or `off`; 0 is without limit. Raises ValueError."""
    if text.strip().lower() == "off":
        return dict.fromkeys(Rate, 0)
    rates = dict(DEFAULTS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in set(Rate):
            meant = difflib.get_close_matches(name, list(Rate), n=1)
            known = f"{meant[0]} is near" if meant else f"there are {', '.join(Rate)}, and `off` for none at all"
            raise ValueError(f"there is no class {name!r}; {known}")
        if not equals or not value.isascii() or not value.isdigit() or len(value) > 9:
            raise ValueError(f"{name} needs a number of requests a minute, like {name}=100; 0 is without limit")
        rates[Rate(name)] = int(value)
    return rates
