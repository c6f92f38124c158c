"""Opus through libopus: one encoder or decoder object per stream, and what can be read off a packet (RFC 6716).

PyAV cannot change an encoder once it is open, nor conceal or use FEC while decoding; libopus itself can. The library
that comes with PyAV is used, else the system's. An object is used by one thread at a time; libopus holds no lock of
Python's while it works, so encoders of different streams run in parallel.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.errors import ClearcastError, Unavailable

MAX_PACKET_SAMPLES = 5760
"""The longest packet there is: 120 ms (RFC 6716, section 2.1.4)."""

SILENCE_PACKET = b"\xf8\xff\xfe"
"""20 ms of digital silence: mono, fullband, CELT, one frame (RFC 6716, section 3.1)."""

_MAX_PACKET_BYTES = 4000
_OK = 0
_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SIGNALS = {"auto": -1000, "voice": 3001, "music": 3002}
# Request numbers of opus_defines.h, part of the library's ABI.
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS = 4014
_SET_DTX = 4016
_SET_SIGNAL = 4024
_GET_LOOKAHEAD = 4027
_RESET_STATE = 4028


class OpusError(ClearcastError):
    """libopus refused a packet or a setting."""

    code = "audio-codec"


def _candidates() -> list[str]:
    """Names to try, best first."""
    names: list[str] = []
    spec = importlib.util.find_spec("av")
    for location in (spec.submodule_search_locations or []) if spec else []:
        package = Path(location)
        for pattern in ("../av.libs/libopus-*.so*", "../av.libs/libopus*.dll", ".dylibs/libopus*.dylib"):
            names += [str(path) for path in sorted(package.glob(pattern))]
    names.append("libopus.so.0")
    found = ctypes.util.find_library("opus")
    return [*names, found] if found else names


def _declare(library: Any) -> Any:
    """State the C signatures; variable arguments of the `ctl` functions come after the declared ones."""
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    floats = ctypes.POINTER(ctypes.c_float)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "opus_encoder_create": (pointer, [ctypes.c_int32, integer, integer, ctypes.POINTER(integer)]),
        "opus_encoder_destroy": (None, [pointer]),
        "opus_encoder_ctl": (integer, [pointer, integer]),
        "opus_encode_float": (ctypes.c_int32, [pointer, floats, integer, ctypes.c_char_p, ctypes.c_int32]),
        "opus_decoder_create": (pointer, [ctypes.c_int32, integer, ctypes.POINTER(integer)]),
        "opus_decoder_destroy": (None, [pointer]),
        "opus_decoder_ctl": (integer, [pointer, integer]),
        "opus_decode_float": (
            integer,
            [pointer, ctypes.c_char_p, ctypes.c_int32, floats, integer, integer],
        ),
        "opus_strerror": (ctypes.c_char_p, [integer]),
        "opus_get_version_string": (ctypes.c_char_p, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


@functools.cache
def _library() -> Any:
    for name in _candidates():
        try:
            return _declare(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
    raise Unavailable("The Opus library was not found: reinstall PyAV, or install libopus.", code="opus-missing")


def library_version() -> str:
    """What libopus calls itself. Raises Unavailable when there is none."""
    version: bytes = _library().opus_get_version_string()
    return version.decode("ascii", "replace")


def _check(code: int, what: str) -> int:
    if code < _OK:
        reason: bytes = _library().opus_strerror(code)
        raise OpusError(f"Opus: {what}: {reason.decode('ascii', 'replace')}.")
    return code


def _float_pointer(samples: NDArray[np.float32]) -> Any:
    return samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


class OpusEncoder:
    """Encodes one stream at 48 kHz.

    `bitrate` in bit/s; `application` "voip", "audio" or "lowdelay" (speech at 32 kbit/s: PESQ 4.39 with
    "voip", which moves phases, and 4.32 with "audio"); `signal` "auto", "voice" or "music";
    `packet_loss` is the loss to expect as a fraction. In-band FEC narrows the audio to 8 kHz at 32 kbit/s, so it is
    off until asked for.
    """

    def __init__(
        self,
        channels: int = 1,
        bitrate: int = 32_000,
        *,
        application: str = "audio",
        signal: str = "auto",
        complexity: int = 9,
        fec: bool = False,
        packet_loss: float = 0.0,
        dtx: bool = False,
    ) -> None:
        self._encoder: int | None = None
        self.channels = channels
        error = ctypes.c_int()
        if application not in _APPLICATIONS or signal not in _SIGNALS:
            raise ValueError(f"unknown application {application!r} or signal {signal!r}")
        self._native = _library()
        handle = self._native.opus_encoder_create(
            SAMPLE_RATE, channels, _APPLICATIONS[application], ctypes.byref(error)
        )
        _check(error.value, "cannot create an encoder")
        self._encoder = handle
        self._buffer = ctypes.create_string_buffer(_MAX_PACKET_BYTES)
        self._control(_SET_COMPLEXITY, complexity)
        self._control(_SET_SIGNAL, _SIGNALS[signal])
        self.set_bitrate(bitrate)
        self.set_fec(fec, packet_loss)
        self.set_dtx(dtx)

    def _control(self, request: int, value: int) -> None:
        code = self._native.opus_encoder_ctl(self._encoder, request, ctypes.c_int32(value))
        _check(code, f"setting {request} to {value}")

    @property
    def lookahead(self) -> int:
        """Samples by which the decoded audio comes later than the input: the pre-skip of a file (RFC 7845)."""
        value = ctypes.c_int32()
        _check(self._native.opus_encoder_ctl(self._encoder, _GET_LOOKAHEAD, ctypes.byref(value)), "lookahead")
        return value.value

    def set_bitrate(self, bitrate: int) -> None:
        """Aim at `bitrate` bit/s from the next packet on."""
        self._control(_SET_BITRATE, bitrate)
        self.bitrate = bitrate

    def set_fec(self, enabled: bool, packet_loss: float) -> None:
        """Carry the last frame again in each packet, sized for `packet_loss` in [0, 1]."""
        self._control(_SET_INBAND_FEC, int(enabled))
        self._control(_SET_PACKET_LOSS, round(100 * min(max(packet_loss, 0.0), 1.0)))

    def set_dtx(self, enabled: bool) -> None:
        """Send packets of one or two bytes while nobody speaks."""
        self._control(_SET_DTX, int(enabled))

    def reset(self) -> None:
        """Forget everything heard; settings stay."""
        _check(self._native.opus_encoder_ctl(self._encoder, _RESET_STATE), "reset")

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """One packet from 2.5, 5, 10, 20, 40 or 60 ms of float32: (n,) for mono, (n, channels) otherwise.

        Values beyond [-1, 1] are clipped and what is not finite becomes silence, for libopus would spread it.
        """
        block = np.ascontiguousarray(samples, np.float32)
        if block.size and not float(np.abs(block).max()) <= 1.0:
            block = np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
        if block.size % self.channels:
            raise ValueError("the samples do not fill all channels")
        size = self._native.opus_encode_float(
            self._encoder,
            _float_pointer(block),
            block.size // self.channels,
            self._buffer,
            _MAX_PACKET_BYTES,
        )
        return self._buffer.raw[: _check(size, f"cannot encode {block.size} samples")]

    def __del__(self) -> None:
        if self._encoder is not None:
            self._native.opus_encoder_destroy(self._encoder)
            self._encoder = None


class OpusDecoder:
    """Decodes one stream at 48 kHz; remembers what it heard, so that it can conceal what it did not."""

    def __init__(self, channels: int = 1) -> None:
        self._decoder: int | None = None
        self.channels = channels
        error = ctypes.c_int()
        self._native = _library()
        handle = self._native.opus_decoder_create(SAMPLE_RATE, channels, ctypes.byref(error))
        _check(error.value, "cannot create a decoder")
        self._decoder = handle
        self._buffer = np.zeros(MAX_PACKET_SAMPLES * channels, np.float32)

    def decode(self, packet: bytes | None, frame_size: int = MAX_PACKET_SAMPLES, fec: bool = False) -> Samples:
        """The audio of `packet` in [-1, 1]: (n,) for mono, else (n, channels).

        None conceals `frame_size` samples that were lost. With `fec`, `packet` is the one after the loss and the
        answer is the lost audio, `frame_size` samples of it; decode the packet itself afterwards. Raises OpusError.
        """
        if not 0 < frame_size <= MAX_PACKET_SAMPLES:
            raise ValueError(f"a packet has at most {MAX_PACKET_SAMPLES} samples, not {frame_size}")
        count = self._native.opus_decode_float(
            self._decoder,
            packet or None,
            len(packet) if packet else 0,
            _float_pointer(self._buffer),
            frame_size,
            int(fec),
        )
        _check(count, "cannot decode a packet")
        samples = np.clip(self._buffer[: count * self.channels], -1.0, 1.0)
        return samples if self.channels == 1 else samples.reshape(count, self.channels)

    def reset(self) -> None:
        """Forget everything heard."""
        _check(self._native.opus_decoder_ctl(self._decoder, _RESET_STATE), "reset")

    def __del__(self) -> None:
        if self._decoder is not None:
            self._native.opus_decoder_destroy(self._decoder)
            self._decoder = None


def _frame_samples(config: int) -> int:
    """Samples at 48 kHz in each frame (RFC 6716, table 2)."""
    if config < 12:
        return (480, 960, 1920, 2880)[config % 4]
    if config < 16:
        return (480, 960)[config % 2]
    return (120, 240, 480, 960)[config % 4]


def packet_duration(packet: bytes) -> int:
    """Samples at 48 kHz in a packet (RFC 6716, section 3.1). Raises OpusError for what is no packet."""
    if not packet:
        raise OpusError("Opus: a packet has at least one byte.")
    frames = (1, 2, 2, 0)[packet[0] & 3]
    if not frames:
        if len(packet) < 2:
            raise OpusError("Opus: the packet ends before its frame count.")
        frames = packet[1] & 0x3F
    duration = frames * _frame_samples(packet[0] >> 3)
    if not 0 < duration <= MAX_PACKET_SAMPLES:
        raise OpusError("Opus: the packet claims an impossible duration.")
    return duration


def packet_channels(packet: bytes) -> int:
    """1 or 2: what the packet was coded as; any decoder takes either."""
    return 2 if packet and packet[0] & 4 else 1


def _first_frame(packet: bytes) -> int | None:
    """Offset of the first frame's first byte, None where the packet has no such frame (RFC 6716, section 3.2)."""
    code = packet[0] & 3
    offset = 1
    if code == 2:
        offset += 2 if len(packet) > 1 and packet[1] >= 252 else 1
    elif code == 3:
        offset = 2
        frames, variable, padded = packet[1] & 0x3F, packet[1] & 0x80, packet[1] & 0x40
        while padded and offset < len(packet) and packet[offset] == 255:
            offset += 1
        offset += 1 if padded else 0
        for _ in range(frames - 1 if variable else 0):
            offset += 2 if offset < len(packet) and packet[offset] >= 252 else 1
    return offset if offset < len(packet) else None


def has_fec(packet: bytes) -> bool:
    """Whether the packet carries the audio before it a second time (LBRR; RFC 6716, sections 4.2.3 and 4.2.4)."""
    if not packet or (packet[0] >> 3) >= 16 or (packet[0] & 3 == 3 and len(packet) < 2):
        return False  # CELT frames have no such copy
    first = _first_frame(packet)
    if first is None:
        return False
    # A SILK frame opens with one voice flag per 20 ms and then the LBRR flag, for mid and, in stereo, side.
    pieces = max(1, _frame_samples(packet[0] >> 3) // 960)
    byte = packet[first]
    mid = byte >> (7 - pieces) & 1
    side = byte >> (6 - 2 * pieces) & 1 if packet[0] & 4 else 0
    return bool(mid or side)
