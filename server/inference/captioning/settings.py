"""What a caption worker is told at its start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from server.inference.recogniser import RecogniserSettings
from server.speech.evidence import EvidenceSettings
from server.speech.hypothesis import GuardSettings
from server.speech.transcriber import TranscriberSettings

LOADER = "server.inference.captioning.models:load_models"


@dataclass(frozen=True, slots=True)
class CaptionWorkerConfig:
    """Plain values: it goes through a command line as JSON."""

    recogniser_dir: str | None
    """The Whisper model's folder."""
    recogniser: str = ""
    """Its name, as people read it."""
    recogniser_settings: dict[str, Any] = field(default_factory=dict)
    """Of `RecogniserSettings`."""
    transcriber: dict[str, Any] = field(default_factory=dict)
    """Of `TranscriberSettings`, of `GuardSettings` under "guards", of `EvidenceSettings` under "evidence" in that."""
    batch: int = 1
    """Windows that the model hears at once."""
    diarizer: dict[str, Any] | None = None
    """What `server.inference.diarization` is told; None where nobody says who speaks."""
    threads: int = 1
    socket: str | None = None
    """Where other processes of this machine may reach the worker; None for nowhere."""
    loader: str = LOADER
    """`module:function` that makes the `Models`."""
    log_level: str = "info"
    log_format: str = "console"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def recogniser_options(self) -> RecogniserSettings:
        return RecogniserSettings(**self.recogniser_settings, batch=self.batch)

    def transcriber_options(self) -> TranscriberSettings:
        values = dict(self.transcriber)
        guards = dict(values.pop("guards", {}))
        evidence = EvidenceSettings(**guards.pop("evidence", {}))
        return TranscriberSettings(guards=GuardSettings(evidence=evidence, **guards), **values)
