"""What is kept, for how long, and what is done with it afterwards."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from server.config.models import ModelSettings

_SITE = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")
"""A site as a Content-Security-Policy takes it (CSP level 3, section 2.3.1): `*.` stands for its subdomains."""


class LibrarySettings(ModelSettings):
    """Recordings, uploads, jobs."""

    record: bool = Field(True, description="Whether new streams are recorded unless their publisher says otherwise.")
    record_raw: bool = Field(False, description="Whether the audio before denoising is recorded too.")
    disk_reserve_mb: int = Field(
        500,
        ge=0,
        description="No recording begins with less free disk space than this, MB; below half of it none goes on.",
    )
    uploads_max_mb: int = Field(2048, ge=1, description="Largest file that may be uploaded, MB.")
    uploads_max_hours: float = Field(
        12.0, gt=0.0, le=1000.0, description="Longest file that is made into a recording, hours."
    )
    uploads_expire_hours: float = Field(
        24.0, gt=0.0, description="How long an upload that was cut off can be gone on with, hours."
    )
    uploads_keep_days: float = Field(
        7.0, ge=0.0, description="How long an uploaded file is kept, so that it can be run again otherwise, days."
    )
    jobs_workers: int = Field(
        1, ge=1, le=16, description="Jobs done at once: finished streams, uploads. Models are shared, whatever it is."
    )
    jobs_queue: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Most jobs that people have asked for and that are not over; more are refused with 503.",
    )
    jobs_attempts: int = Field(5, ge=1, le=20, description="How often a job is begun before it has failed.")
    jobs_timeout_s: int = Field(
        600, ge=1, description="What every job may take before it is ended and tried again, seconds."
    )
    jobs_timeout_factor: float = Field(
        8.0, ge=0.0, le=1000.0, description="What it may take beyond that, in lengths of the audio that it is about."
    )
    quota_gb: float = Field(
        0.0,
        ge=0.0,
        description="Room for each person's recordings and uploads, GB, what is in the bin included; 0: no limit. "
        "`clearcast user quota` gives one person another.",
    )
    retention_days: int = Field(
        0, ge=0, description="Days after which a recording goes to the bin by itself; 0: it stays for ever."
    )
    bin_days: int = Field(30, ge=1, description="Days that a recording stays in the bin before it goes for good.")
    exports_cache_mb: int = Field(
        2000,
        ge=0,
        description="Room for what was made of recordings in other formats, MB; what was not asked for longest goes.",
    )
    summary_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        max_length=500,
        description="A language model that may be sent what was said, to summarise it when somebody asks for that: the "
        "base address of an OpenAI-compatible server, like `http://localhost:11434/v1`. Nobody is asked when unset.",
    )
    summary_model: str = Field("", max_length=200, description="The name of the model there.")
    summary_key: str = Field("", max_length=500, description="The key that it wants, if any.")
    summary_characters: int = Field(
        60_000, ge=1_000, le=2_000_000, description="How much of what was said it is sent at most, in characters."
    )
    embed_sites: Annotated[list[str], NoDecode] = Field(
        [],
        description="Other sites whose pages may show a recording's player in a frame (`/embed/recordings/…`), "
        "separated by commas; `*` for all. Who may hear stays what it is.",
    )

    @field_validator("embed_sites", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        return [str(part).strip().rstrip("/") for part in parts if str(part).strip()]

    @field_validator("embed_sites")
    @classmethod
    def _framing(cls, value: list[str]) -> list[str]:
        for site in value:
            if site != "*" and not _SITE.fullmatch(site):
                raise ValueError(f"{site!r} is no site; one looks like https://radio.example")
        return value
