"""What is kept, for how long, and what is done with it afterwards."""

from __future__ import annotations

from pydantic import Field

from server.config.models import ModelSettings


class LibrarySettings(ModelSettings):
    """Recordings, uploads, jobs."""

    record: bool = Field(True, description="Whether new streams are recorded unless their publisher says otherwise.")
    record_raw: bool = Field(False, description="Whether the audio before denoising is recorded too.")
    disk_reserve_mb: int = Field(
        500,
        ge=0,
        description="No recording begins with less free disk space than this, MB; below half of it none goes on.",
    )
