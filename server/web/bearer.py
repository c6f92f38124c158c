"""What programs prove themselves with: `Authorization: Bearer` with an access token, an API key or a stream key."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from server.accounts import Actor
from server.accounts.credentials import Credential, fingerprint
from server.errors import NotAuthenticated
from server.web.services import SERVICES

LONGEST = 4096
"""Characters of the header."""


async def bearer_actor(request: web.Request) -> Actor | None:
    """Who a program acts for; None where the request carries no such header (RFC 6750).

    Raises NotAuthenticated where what it carries does not hold: a program that is not let in must hear of it.
    """
    given = request.headers.getall("Authorization", [])
    if not given:
        return None
    scheme, _, text = given[0].partition(" ")
    text = text.strip()
    if len(given) > 1 or len(given[0]) > LONGEST or scheme.lower() != "bearer" or not text:
        raise NotAuthenticated("Send one “Authorization: Bearer” with an access token, an API key or a stream key.")
    accounts = request.app[SERVICES].accounts
    if Credential.KEY.begins(text):
        find = accounts.keys.actor
    elif Credential.STREAM_KEY.begins(text):
        find = accounts.keys.stream_actor
    else:
        find = accounts.tokens.actor
    return await accounts.known.of(fingerprint(text), partial(find, text))
