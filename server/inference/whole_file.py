"""A recording to text at once, as faster-whisper does it by itself: what live transcription is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.audio.frame import Samples
from server.errors import ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_SILENCE_MS = 500
"""Silence that ends a piece of speech, where speech is cut at silence."""
_PAD_MS = 300
"""How much of the silence belongs to the pieces on both sides."""


class WholeFile:
    """faster-whisper's own `transcribe` on one model, beam 5, each window without what was written before."""

    def __init__(self, folder: Path, language: str | None = None) -> None:
        """Raises ModelMissing, ModelCorrupt."""
        from faster_whisper import WhisperModel

        if not (folder / "model.bin").is_file():
            raise ModelMissing(f"There is no Whisper model in {folder}.")
        try:
            self._model: WhisperModel = WhisperModel(str(folder), device="cpu", cpu_threads=1, local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelCorrupt(f"The Whisper model in {folder} cannot be used: {error}") from error
        self._language = language

    def whole(self, audio: Samples) -> str:
        """Text of the whole file, 16 kHz, shape (n,)."""
        return self._text(audio)

    def by_speech(self, audio: Samples) -> str:
        """Text of each piece of speech that Silero finds, put together."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(min_silence_duration_ms=_SILENCE_MS, speech_pad_ms=_PAD_MS)
        pieces: list[dict[str, Any]] = get_speech_timestamps(audio, options)
        return " ".join(self._text(audio[piece["start"] : piece["end"]]) for piece in pieces)

    def _text(self, audio: Samples) -> str:
        segments, _ = self._model.transcribe(
            audio, beam_size=5, language=self._language, condition_on_previous_text=False
        )
        return "".join(segment.text for segment in segments)
