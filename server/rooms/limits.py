"""What a server says when it carries as much as it may."""

from __future__ import annotations

from server.errors import Unavailable

RETRY_AFTER = 30
"""Seconds after which another attempt at a full server makes sense."""


def too_many_streams() -> Unavailable:
    return Unavailable(
        "The server carries as many streams as it may; try again later.",
        code="too-many-streams",
        retry_after=RETRY_AFTER,
    )


def too_many_listeners() -> Unavailable:
    return Unavailable(
        "This channel has as many listeners as it may; try again later.",
        code="too-many-listeners",
        retry_after=RETRY_AFTER,
    )


def denoiser_full() -> Unavailable:
    return Unavailable(
        "The server takes the noise out of as many streams as it can; try again later, or go live without noise "
        "removal (denoise=absent).",
        code="denoise-full",
        retry_after=RETRY_AFTER,
    )
