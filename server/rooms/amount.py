"""How much of the noise is taken out of a stream."""

from __future__ import annotations

from dataclasses import dataclass

from server.config import Settings
from server.rooms.messages import DenoiseMode, PublishGrant, StreamChange


def first_mode(settings: Settings, grant: PublishGrant) -> DenoiseMode:
    """How a stream starts."""
    return DenoiseMode.ABSENT if settings.denoise == "off" and grant.denoise.denoises else grant.denoise


@dataclass(frozen=True, slots=True)
class DenoiseAmount:
    """What may change at any moment of a stream."""

    strength: float = 1.0
    """0, the original, to 1, only the voice."""
    post_filter: bool = False

    @classmethod
    def first(cls, settings: Settings, grant: PublishGrant) -> DenoiseAmount:
        """What a stream starts with."""
        strength, post_filter = grant.denoise_strength, grant.post_filter
        return cls(
            settings.denoise_strength if strength is None else strength,
            settings.denoise_post_filter if post_filter is None else post_filter,
        )

    def changed(self, change: StreamChange) -> DenoiseAmount:
        """As it is after `change`."""
        strength, post_filter = change.denoise_strength, change.post_filter
        return DenoiseAmount(
            self.strength if strength is None else strength, self.post_filter if post_filter is None else post_filter
        )
