"""All settings as one class: each part adds its own to those of the part before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

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

    webhook_urls: Annotated[list[str], NoDecode] = Field(
        [],
        description="Servers that are told of what happens here, separated by commas: stream started and ended, "
        "recording ready, job failed; docs/webhooks.md says how.",
    )
    webhook_secret: str | None = Field(
        None,
        min_length=16,
        max_length=200,
        description="What these requests are signed with (HMAC-SHA256): `whsec_` and base64, or any other text.",
    )

    @field_validator("webhook_urls", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("webhook_urls")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        for position, url in enumerate(value, 1):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 500:
                raise ValueError(f"the {position}. is no address of a server; one looks like https://example.org/hook")
        return value

    @model_validator(mode="after")
    def _signed(self) -> Settings:
        if self.webhook_urls and not self.webhook_secret:
            raise ValueError("CLEARCAST_WEBHOOK_URLS needs CLEARCAST_WEBHOOK_SECRET: requests are signed with it")
        return self

    @property
    def cache_dir(self) -> Path:
        """Where downloaded models are kept."""
        return Path.home() / ".cache" / "clearcast"

    @property
    def streams_dir(self) -> Path:
        """One small file for each live stream."""
        return self.data_dir / "streams"

    @property
    def uploads_dir(self) -> Path:
        """Files that people bring, until they are recordings."""
        return self.data_dir / "uploads"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"
