"""What a server says when it carries as much as it may."""

from __future__ import annotations

from server.errors import Unavailable

RETRY_AFTER = 30
"""Seconds after which another attempt at a full server makes sense."""


RESTART_AFTER = 5
"""Seconds after which a server that goes down may be there again."""


def closing() -> Unavailable:
    return Unavailable("The server is going down.", code="closing", retry_after=RESTART_AFTER)


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


def check_denoiser(limit: int | None, used: int) -> None:
    """Raises Unavailable where no further stream fits into the denoiser; None is no limit."""
    if limit is not None and used >= max(1, limit):
        raise Unavailable(
            "The server takes the noise out of as many streams as it can; try again later, or go live without noise "
            "removal (denoise=absent).",
            code="denoise-full",
            retry_after=RETRY_AFTER,
        )
