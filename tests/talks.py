"""The synthetic talks and the small recogniser that writes them down: part of the repository, so always there."""

from __future__ import annotations

from pathlib import Path

from server.audio.frame import Samples
from server.client import demo
from server.client.media import read_audio

NANO = demo.NANO
"""A Whisper of 155 words, in CTranslate2's form. It wants no prompt: `TranscriberSettings(prompt=0)`."""
TALK_TWO = demo.TALK
"""84 s, two speakers; .stm, .ctm and .rttm lie beside it."""
TALK_SOLO = Path(__file__).parent / "data" / "talks" / "talk-solo.flac"
"""62 s, one speaker; .stm, .ctm and .rttm lie beside it."""


def read_talk(path: Path) -> Samples:
    """48 kHz, shape (n,)."""
    return read_audio(path)
