"""Audio files: read anything that FFmpeg reads, write WAV and Ogg/Opus."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from server.audio.frame import Samples
from server.audio.ogg_encode import OggOpusEncoder
from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, DiskFull, NotFound

BLOCK = SAMPLE_RATE // 2


class MediaError(ClearcastError):
    """A file holds no audio that can be read."""

    code = "media-file"


class Writer(Protocol):
    """A file that audio is written to, at 48 kHz: shape (n,), or (n, 2) where it was opened with two channels."""

    def write(self, samples: Samples) -> None: ...

    def close(self) -> None: ...


def duration_s(path: Path) -> float | None:
    """Length of the file in seconds, None where it does not say. Raises NotFound, MediaError."""
    with _opened(path) as container:
        return container.duration / av.time_base if container.duration else None


def read_blocks(path: Path, loop: bool = False, channels: int = 1) -> Iterator[Samples]:
    """The first audio track as float32 at 48 kHz, half a second at a time; for ever with `loop`.

    Shape (n,), or (n, 2) with two `channels`. Blocks: iterate in a thread. Raises NotFound, MediaError.
    """
    while True:
        something = False
        for block in _once(path, channels):
            something = True
            yield block
        if not something:
            raise MediaError(f"{path} holds no audio.")
        if not loop:
            return


def read_audio(path: Path) -> Samples:
    """The whole file, shape (n,). Raises NotFound, MediaError."""
    return np.concatenate(list(read_blocks(path)))


def open_writer(path: Path, channels: int = 1) -> Writer:
    """A writer after the name's ending: .wav, .opus, .ogg or .oga. Raises MediaError, DiskFull."""
    kinds: dict[str, type[WavWriter] | type[OggWriter]] = {
        ".wav": WavWriter,
        ".opus": OggWriter,
        ".ogg": OggWriter,
        ".oga": OggWriter,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise MediaError(f"{path}: the name must end in .wav, .opus or .ogg.")
    try:
        return kind(path, channels)
    except OSError as error:
        raise DiskFull(f"{path} cannot be written: {error.strerror}.") from error


class WavWriter:
    """16 bit PCM, 48 kHz."""

    def __init__(self, path: Path, channels: int = 1) -> None:
        self._bytes = path.open("wb")
        self._file = wave.open(self._bytes, "wb")  # noqa: SIM115 - closed by close()
        self._file.setnchannels(channels)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE)

    def write(self, samples: Samples) -> None:
        self._file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())

    def close(self) -> None:
        self._file.close()
        self._bytes.close()


class OggWriter:
    """Opus in Ogg, 64 kbit/s; stereo 256."""

    def __init__(self, path: Path, channels: int = 1) -> None:
        self._encoder = OggOpusEncoder(channels)
        self._file = path.open("wb")

    def write(self, samples: Samples) -> None:
        self._file.write(self._encoder.push(samples))

    def close(self) -> None:
        if self._file.closed:
            return
        self._file.write(self._encoder.finish())
        self._file.close()


def _opened(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path))
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (FFmpegError, OSError) as error:
        raise MediaError(f"{path} is not an audio file: {error.strerror}.") from error


def _once(path: Path, channels: int) -> Iterator[Samples]:
    convert = _mono if channels == 1 else _stereo
    resampler = AudioResampler(format="fltp", layout=None if channels == 1 else "stereo", rate=SAMPLE_RATE)
    with _opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} holds no audio.")
        waiting: list[Samples] = []
        count = 0
        try:
            for frame in container.decode(container.streams.audio[0]):
                for samples in convert(resampler, frame):
                    waiting.append(samples)
                    count += len(samples)
                if count >= BLOCK:
                    yield np.concatenate(waiting)
                    waiting, count = [], 0
        except FFmpegError as error:
            raise MediaError(f"{path} is damaged: {error.strerror}.") from error
        waiting += convert(resampler, None)
        if waiting:
            yield np.concatenate(waiting)


def _mono(resampler: AudioResampler, frame: AudioFrame | None) -> list[Samples]:
    # Channels are averaged here: FFmpeg's own mix to mono adds 3 dB, which can clip.
    return [part.to_ndarray().mean(axis=0, dtype=np.float32) for part in resampler.resample(frame)]


def _stereo(resampler: AudioResampler, frame: AudioFrame | None) -> list[Samples]:
    return [np.ascontiguousarray(part.to_ndarray().T, np.float32) for part in resampler.resample(frame)]
