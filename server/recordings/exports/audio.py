"""The sound of a recording as a file in one of the usual formats. Blocks: everything here is done in threads.

What is encoded begins and ends with the very sample that was asked for: encoders' delays are written where players look
for them (Opus: pre-skip; MP3: the LAME tag; MP4: an edit list).
"""

from __future__ import annotations

import errno
import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from server.audio import ogg_range
from server.audio.frame import Samples
from server.audio.ogg import OggError
from server.audio.ogg_encode import OggOpusEncoder
from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.recordings.tracks import Mask

FORM = 1
"""Counts the ways of making these files: one that was kept of an earlier way is made anew."""
_LARGEST_RIFF = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`codec` and `options` are FFmpeg's; `bitrate` in bit/s of mono, stereo has 1.5 times as much."""

    name: str
    media_type: str
    codec: str = ""
    bitrate: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, str] = field(default_factory=dict)


FORMATS: dict[str, AudioFormat] = {
    form.name: form
    for form in (
        AudioFormat("opus", "audio/ogg; codecs=opus"),
        AudioFormat("wav", "audio/wav"),
        AudioFormat("flac", "audio/flac", "flac"),
        AudioFormat("mp3", "audio/mpeg", "libmp3lame", 128_000, {"compression_level": "5"}),
        AudioFormat("m4a", "audio/mp4", "aac", 128_000, {"aac_coder": "fast"}, {"movflags": "+faststart"}),
    )
}


@dataclass(frozen=True, slots=True)
class Cut:
    """What is wanted: samples `start` to `end` of an Ogg/Opus file, through a mask where it is a track."""

    source: Path
    start: int
    end: int
    form: AudioFormat
    mask: Mask | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """`title`, `artist`, `date`: whatever is not empty is written into the file."""

    @property
    def length(self) -> int:
        return self.end - self.start

    def key(self) -> str:
        """Another one for everything that makes another file. Raises NotFound where the source is missing."""
        try:
            found = self.source.stat()
        except OSError:
            raise NotFound("The recording has no such audio.", code="no-audio") from None
        parts = (FORM, self.source.name, found.st_size, found.st_mtime_ns, self.start, self.end, self.mask, self.tags)
        return f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.{self.form.name}"


Watch = Callable[[int], None]
"""Told how many samples are done, about once for each second of sound; what it raises ends the work."""


def write(cut: Cut, target: Path, watch: Watch) -> None:
    """Make the file. Raises NotFound, OSError, and what `watch` raises; the file is then of no use."""
    try:
        with cut.source.open("rb") as file:
            head = ogg_range.read_head(file)
            if cut.form.name == "opus" and cut.mask is None:
                _write_parts(target, _cropped(file, cut, head, watch))
                return
            blocks = _watched(_blocks(file, cut, head.channels), watch)
            if cut.form.codec:
                _write_encoded(cut, target, blocks, head.channels)
            elif cut.form.name == "wav":
                _write_parts(target, _wav(cut, blocks, head.channels))
            else:
                _write_parts(target, _opus(cut, blocks, head.channels))
    except OggError as error:
        raise NotFound(f"The recording's audio cannot be read: {error.message}", code="no-audio") from error
    except FileNotFoundError:
        raise NotFound("The recording has no such audio.", code="no-audio") from None


def _blocks(file: BinaryIO, cut: Cut, channels: int) -> Iterator[Samples]:
    """The sound, through the mask: shape (n,) or (n, 2)."""
    position = cut.start
    for block in ogg_range.decode_range(file, cut.start, cut.end, channels):
        if cut.mask is not None:
            gains = cut.mask.gains(position, len(block))
            yield block * (gains if channels == 1 else gains[:, None])
        else:
            yield block
        position += len(block)


def _watched(blocks: Iterator[Samples], watch: Watch) -> Iterator[Samples]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        watch(done)


def _write_parts(target: Path, parts: Iterator[bytes]) -> None:
    with target.open("wb") as out:
        for part in parts:
            out.write(part)


def _serial(cut: Cut) -> int:
    return int(hashlib.sha256(cut.key().encode()).hexdigest()[:8], 16)


def _ogg_tags(cut: Cut) -> dict[str, str]:
    return {name: value for name, value in cut.tags.items() if value}


def _cropped(file: BinaryIO, cut: Cut, head: ogg_range.Head, watch: Watch) -> Iterator[bytes]:
    """The packets as they were recorded."""
    pages = ogg_range.crop(file, cut.start, cut.end, _serial(cut), _ogg_tags(cut))
    for number, page in enumerate(pages):
        watch(min(number * SAMPLE_RATE, cut.length))
        yield page


def _opus(cut: Cut, blocks: Iterator[Samples], channels: int) -> Iterator[bytes]:
    encoder = OggOpusEncoder(channels, _serial(cut), _ogg_tags(cut))
    for block in blocks:
        yield encoder.push(block)
    yield encoder.finish()


def _levels(block: Samples) -> NDArray[np.int16]:
    return np.asarray(np.clip(np.round(block * 32_768.0), -32_768, 32_767), "<i2")


def _wav(cut: Cut, blocks: Iterator[Samples], channels: int) -> Iterator[bytes]:
    yield wav_header(cut.length, channels)
    for block in blocks:
        yield _levels(block).tobytes()


def wav_header(length: int, channels: int) -> bytes:
    """Of 16-bit PCM at 48 kHz, `length` samples; RF64 (EBU Tech 3306) where RIFF's sizes are too small."""
    size = length * channels * 2
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, SAMPLE_RATE, SAMPLE_RATE * channels * 2, channels * 2, 16
    )
    if size + 36 <= _LARGEST_RIFF:
        return struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + 72, size, length, 0)
    head = struct.pack("<4sI4s", b"RF64", _LARGEST_RIFF, b"WAVE")
    return head + sizes + form + struct.pack("<4sI", b"data", _LARGEST_RIFF)


def _write_encoded(cut: Cut, target: Path, blocks: Iterator[Samples], channels: int) -> None:
    """By FFmpeg, which goes back to the head of the file when it knows everything. Raises OSError."""
    layout = "mono" if channels == 1 else "stereo"
    container_format = {"m4a": "ipod"}.get(cut.form.name, cut.form.name)
    try:
        with av.open(str(target), "w", format=container_format, options=dict(cut.form.container)) as container:
            options = dict(cut.form.options)
            stream = container.add_stream(cut.form.codec, rate=SAMPLE_RATE, layout=layout, options=options)
            assert isinstance(stream, AudioStream)
            if cut.form.bitrate:
                stream.bit_rate = cut.form.bitrate * (1 + channels) // 2
            container.metadata.update({name: value for name, value in cut.tags.items() if value})
            position = 0
            for block in blocks:
                frame = AudioFrame.from_ndarray(_levels(block).reshape(1, -1), format="s16", layout=layout)
                frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), position
                position += len(block)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or "the file could not be written") from error
