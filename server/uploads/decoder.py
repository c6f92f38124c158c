"""The process that opens a stranger's file: nothing else happens in it, and there is little that it may do.

It is given the open file and writes to standard output one line of JSON, what the file says of itself, and then the
audio: 48 kHz, mono, float32, position = time. The last line of standard error is JSON as well: what came of it.
Decoders have had mistakes that a file could use; so this process may not write files, open others, take much memory or
time, and the formats that refer to other files (playlists) are not opened at all.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

RATE = 48_000
FORMATS = (
    "wav,w64,aiff,caf,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,opus,amr,ac3,asf,avi,mpeg,mpegts,ape,wv,au"
)
MEMORY = 3 << 30
"""Bytes of address space; decoders of what is allowed take far less."""
BASE_CPU_S = 60
CPU_SHARE = 0.1
"""Of the longest file's length: decoding takes about a hundredth."""
LARGEST_GAP = 30 * RATE
"""Where time stamps jump by less, the gap is silence; where by more, they lie."""
NOTICED = RATE // 10
"""Where they differ by less, it is rounding."""
MOST_MISTAKES = 10_000
"""Packets that cannot be decoded before the rest is given up."""
EXCERPT_S = 20.0
EXCERPTS = (0.05, 0.45, 0.85)
WHOLE_S = 600.0
"""A sample of a file that is shorter is the file."""
_DEATH_SIGNAL = 1


class Refused(Exception):
    """The file is not taken; a code and words for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Anonymous:
    """An open file without its name: what it is, is seen from what it holds."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


class _Timeline:
    """Frames as mono audio at 48 kHz, each at its time."""

    def __init__(self) -> None:
        self._resampler = self._fresh()
        self.position = 0
        self.mistakes = 0
        self._began: float | None = None

    @staticmethod
    def _fresh() -> AudioResampler:
        return AudioResampler(format="fltp", rate=RATE)

    def add(self, frame: AudioFrame) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
        if frame.pts is not None and frame.time_base is not None:
            time = float(frame.pts * frame.time_base)
            self._began = time if self._began is None else self._began
            missing = round((time - self._began) * RATE) - self.position
            if NOTICED < missing <= LARGEST_GAP:
                yield self._out(np.zeros(missing, np.float32))
            elif abs(missing) > NOTICED:
                self._began += missing / RATE
        frame = _downmixed(frame) if frame.layout.nb_channels > 2 else frame
        frame.pts = None
        try:
            parts = self._resampler.resample(frame)
        except ValueError:  # the file changes its channels or its rate in the middle
            self._resampler = self._fresh()
            parts = self._resampler.resample(frame)
        for part in parts:
            yield self._out(_mono(part))

    def rest(self) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
        for part in self._resampler.resample(None):
            yield self._out(_mono(part))

    def _out(self, samples: Any) -> Any:
        self.position += len(samples)
        return samples


def _downmixed(frame: AudioFrame) -> AudioFrame:
    """More than two channels as one: FFmpeg dies of resampling those of which a file does not say where they are."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype.kind == "f":
        mono = array.mean(axis=0)
    else:
        middle = 0.0 if array.dtype.kind == "i" else float(1 << (8 * array.dtype.itemsize - 1))
        mono = (array.mean(axis=0) - middle) / float(1 << (8 * array.dtype.itemsize - 1))
    made = AudioFrame.from_ndarray(np.ascontiguousarray(mono[None], np.float32), format="fltp", layout="mono")
    made.rate, made.time_base = frame.rate, frame.time_base
    return made


def _mono(part: AudioFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
    # Channels are averaged: FFmpeg's own mix to mono adds 3 dB, which can clip.
    mono = part.to_ndarray().mean(axis=0, dtype=np.float32)
    clean: np.ndarray[Any, np.dtype[np.float32]] = np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
    return clean


def _frames(container: Any, timeline: _Timeline) -> Iterator[AudioFrame]:
    """What can be decoded; what cannot is counted and passed over."""
    packets = container.demux(container.streams.audio[0])
    while timeline.mistakes < MOST_MISTAKES:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:
            timeline.mistakes += 1
            return
        try:
            yield from packet.decode()
        except FFmpegError:
            timeline.mistakes += 1


def _open(file: BinaryIO) -> Any:
    try:
        container: Any = av.open(
            _Anonymous(file), metadata_errors="ignore", options={"format_whitelist": FORMATS, "protocol_whitelist": ""}
        )
    except (FFmpegError, ValueError, OSError):
        raise Refused("not-audio", "This is no audio file, or of a kind that cannot be opened here.") from None
    if not container.streams.audio:
        raise Refused("no-sound", "There is no sound in this file.")
    return container


def _about(container: Any) -> dict[str, Any]:
    stream = container.streams.audio[0]
    seconds = container.duration / av.time_base if container.duration else None
    return {
        "format": f"{container.format.name.split(',')[0]}/{stream.codec_context.name}",
        "channels": stream.codec_context.channels or None,
        "sample_rate": stream.codec_context.sample_rate or None,
        "duration_s": seconds if seconds and seconds > 0 else None,
    }


def decode(file: BinaryIO, out: BinaryIO, longest_s: float, sample: bool) -> dict[str, Any]:
    """Write what is said above to `out`; returns what came of it. Raises Refused."""
    container = _open(file)
    about = _about(container)
    claimed = about["duration_s"]
    if claimed is not None and claimed > longest_s:
        raise Refused("too-long", f"The file is longer than {longest_s / 3600:g} hours.")
    out.write(json.dumps(about).encode() + b"\n")
    timeline = _Timeline()
    if sample and claimed is not None and claimed > WHOLE_S:
        _excerpts(container, timeline, claimed, out)
    else:
        room = round(WHOLE_S * RATE) if sample else None
        _whole(container, timeline, round(longest_s * RATE), room, out)
        about["duration_s"] = timeline.position / RATE
    out.flush()
    if timeline.position == 0:
        raise Refused("no-sound", "Nothing in this file can be heard: it is empty or damaged.")
    return {**about, "mistakes": timeline.mistakes, "samples": timeline.position}


def _whole(container: Any, timeline: _Timeline, longest: int, room: int | None, out: BinaryIO) -> None:
    """All of it; with `room` only so much is written, and the rest is only measured."""

    def put(samples: Any) -> None:
        if timeline.position > longest:
            raise Refused("too-long", f"The file is longer than {longest / RATE / 3600:g} hours.")
        if room is None or timeline.position <= room:
            out.write(samples.tobytes())

    for frame in _frames(container, timeline):
        for samples in timeline.add(frame):
            put(samples)
    for samples in timeline.rest():
        put(samples)


def _excerpts(container: Any, timeline: _Timeline, seconds: float, out: BinaryIO) -> None:
    for share in EXCERPTS:
        try:
            container.seek(round(share * seconds * av.time_base))
        except FFmpegError:
            timeline.mistakes += 1
            continue
        part = _Timeline()
        for frame in _frames(container, part):
            for samples in part.add(frame):
                out.write(samples.tobytes())
            if part.position >= EXCERPT_S * RATE:
                break
        timeline.position += part.position
        timeline.mistakes += part.mistakes


def confine(longest_s: float) -> None:
    """Give up what decoding does not need."""
    ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    cpu = BASE_CPU_S + round(CPU_SHARE * longest_s)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 16),
    ):  # fmt: skip
        resource.setrlimit(limit, (value, value))


def main() -> int:
    """Decode standard input; 0, or 1 where the file was not taken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--longest", type=float, required=True, help="seconds")
    parser.add_argument("--sample", action="store_true", help="only parts of a long file")
    options = parser.parse_args()
    av.logging.set_level(None)
    file = os.fdopen(0, "rb", closefd=False)
    confine(options.longest)
    try:
        said, status = decode(file, sys.stdout.buffer, options.longest, options.sample), 0
    except Refused as error:
        said, status = {"code": error.code, "message": error.message}, 1
    except MemoryError:
        said, status = {"code": "not-audio", "message": "This file takes more memory than it may."}, 1
    except BrokenPipeError:
        os._exit(1)
    sys.stderr.write(json.dumps(said) + "\n")
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
