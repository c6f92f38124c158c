"""Who is counted when something is asked for: the address, then the person, then the key that they use."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Actor, Role
from server.errors import TooManyRequests
from server.rates import SHARED, Rate
from server.web.address import client_address, subnet
from server.web.limits import Left
from server.web.services import SERVICES

LEFT = web.RequestKey("left", Left)
"""Told in the headers of the answer."""


def enter(rate: Rate, request: web.Request) -> None:
    """Count a request before anything is known of who sends it. Raises TooManyRequests."""
    times = 1 if rate is Rate.SIGN_IN else SHARED  # whoever tries passwords is counted by address alone
    _count(rate, request, f"all {subnet(client_address(request))}", times)


def identified(rate: Rate, request: web.Request, actor: Actor) -> None:
    """Count it once its sender is known. Raises TooManyRequests."""
    if actor.role in (Role.NOBODY, Role.LOCAL):
        _count(rate, request, subnet(client_address(request)))
        return
    _count(rate, request, f"user {actor.id}")
    if actor.scopes is not None:
        _count(rate, request, f"key {actor.credential}")


def _count(rate: Rate, request: web.Request, key: str, times: int = 1) -> None:
    limits = request.app[SERVICES].limits
    try:
        left = limits.take(rate, key, times)
    except TooManyRequests as error:
        request[LEFT] = Left(limits.limit(rate) * times, 0, error.retry_after or 1)
        raise
    told = request.get(LEFT)
    if left is not None and (told is None or left.remaining < told.remaining):
        request[LEFT] = left
