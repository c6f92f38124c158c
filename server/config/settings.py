"""All settings as one class: each part adds its own to those of the part before."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from server.config.library import LibrarySettings


class Settings(LibrarySettings):
    """What an operator may choose."""

    opus_bitrate: int = Field(
        32_000, ge=6_000, le=256_000, description="Bit rate towards listeners and recordings, bit/s."
    )
    max_streams: int = Field(32, ge=1, description="Most streams at once.")
    max_listeners: int = Field(500, ge=1, description="Most listeners of one stream.")
    reconnect_s: int = Field(
        30, ge=1, le=600, description="How long a stream waits for its publisher to come back, seconds."
    )

    chat: bool = Field(True, description="Whether people may write and react beside a live stream.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important log line shown."
    )
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for programs.")
    database_url: str | None = Field(
        None, description="SQLAlchemy address of the database; SQLite in the data folder when unset."
    )

    push_contact: str | None = Field(
        None,
        pattern=r"^(mailto:[^@\s]+@[^@\s]+|https://\S+)$",
        max_length=200,
        description="Where the services that pass on messages to browsers may reach you, `mailto:you@example.org`; no "
        "such messages (Web Push) are sent when unset.",
    )
    push_private: bool = Field(
        False, description="Whether services that pass on messages may be in your own network, and without TLS."
    )

    @property
    def cache_dir(self) -> Path:
        """Where downloaded models are kept."""
        return Path.home() / ".cache" / "clearcast"

    @property
    def streams_dir(self) -> Path:
        """One small file for each live stream."""
        return self.data_dir / "streams"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"
