"""libopus as we bind it, and what is read off packets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.audio import opus
from server.audio.opus import (
    SILENCE_PACKET,
    OpusDecoder,
    OpusEncoder,
    OpusError,
    has_fec,
    packet_channels,
    packet_duration,
)
from server.audio.resample import resample

RATE = 48_000


def speechlike(seconds: float, channels: int = 1) -> NDArray[np.float32]:
    """Voiced bursts: harmonics of 120 Hz under a syllable rhythm."""
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 25))
    audio = (0.15 * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)
    return audio if channels == 1 else np.stack([audio, -audio], axis=1)


def encode_all(encoder: OpusEncoder, audio: NDArray[np.float32], size: int = 960) -> list[bytes]:
    return [encoder.encode(audio[i : i + size]) for i in range(0, len(audio) - size + 1, size)]


def snr(reference: NDArray[np.float32], got: NDArray[np.float32]) -> float:
    error = reference.astype(float) - got
    return float(10 * np.log10(np.sum(reference.astype(float) ** 2) / np.sum(error**2)))


def test_a_round_trip_keeps_the_audio_and_its_place() -> None:
    audio = speechlike(2.0)
    encoder, decoder = OpusEncoder(bitrate=64_000), OpusDecoder()
    packets = encode_all(encoder, audio)
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert heard.dtype == np.float32 and heard.shape == audio.shape
    shifted = heard[encoder.lookahead :]
    assert snr(audio[4800 : len(shifted)], shifted[4800:]) > 15


def test_the_bitrate_can_change_between_packets() -> None:
    audio = speechlike(2.0)
    encoder = OpusEncoder(bitrate=16_000)
    low = sum(map(len, encode_all(encoder, audio)))
    encoder.set_bitrate(96_000)
    high = sum(map(len, encode_all(encoder, audio)))
    assert 2000 < low < 6500
    assert high > 2.5 * low


@pytest.mark.parametrize("size", [120, 240, 480, 960, 1920, 2880])
@pytest.mark.parametrize("channels", [1, 2])
def test_duration_and_channels_are_read_off_the_packet(size: int, channels: int) -> None:
    encoder = OpusEncoder(channels, 64_000 * channels)
    packet = encode_all(encoder, speechlike(0.3, channels), size)[-1]
    assert packet_duration(packet) == size
    assert packet_channels(packet) == channels
    assert len(OpusDecoder(1).decode(packet)) == size
    assert OpusDecoder(2).decode(packet).shape == (size, 2)


def test_the_silence_packet_is_20_ms_of_nothing() -> None:
    assert packet_duration(SILENCE_PACKET) == 960
    decoder = OpusDecoder()
    for _ in range(3):
        assert float(np.abs(decoder.decode(SILENCE_PACKET)).max()) < 1e-6


def test_fec_brings_back_a_lost_frame_better_than_concealment() -> None:
    audio = resample(resample(speechlike(3.0), 48_000, 16_000), 16_000, 48_000)
    encoder = OpusEncoder(bitrate=32_000, application="voip", signal="voice", fec=True, packet_loss=0.2)
    packets = encode_all(encoder, audio)
    truth_decoder, fec_decoder, blind_decoder = OpusDecoder(), OpusDecoder(), OpusDecoder()
    fec_snr, blind_snr = [], []
    for i, packet in enumerate(packets[:-1]):
        truth = truth_decoder.decode(packet)
        if i > 20 and i % 10 == 0 and has_fec(packets[i + 1]):
            fec_snr.append(snr(truth, fec_decoder.decode(packets[i + 1], 960, fec=True)))
            blind_snr.append(snr(truth, blind_decoder.decode(None, 960)))
        else:
            fec_decoder.decode(packet)
            blind_decoder.decode(packet)
    assert len(fec_snr) >= 5
    assert np.median(fec_snr) > np.median(blind_snr) + 5


def test_fec_is_seen_only_where_it_is() -> None:
    audio = speechlike(1.0)
    without = encode_all(OpusEncoder(application="voip", signal="voice"), audio)
    celt = encode_all(OpusEncoder(application="lowdelay", fec=True, packet_loss=0.2), audio)
    assert not any(map(has_fec, without + celt + [b"", b"\x03", SILENCE_PACKET]))


def test_concealment_fades_and_has_the_length_asked_for() -> None:
    decoder = OpusDecoder()
    for packet in encode_all(OpusEncoder(), speechlike(0.5)):
        decoder.decode(packet)
    lost = [decoder.decode(None, 960) for _ in range(50)]
    assert all(len(piece) == 960 for piece in lost)
    assert float(np.abs(lost[-1]).max()) < 0.05


def test_dtx_makes_silence_nearly_free() -> None:
    encoder = OpusEncoder(application="voip", signal="voice", dtx=True)
    packets = encode_all(encoder, np.zeros(2 * RATE, np.float32))
    assert sum(len(packet) <= 2 for packet in packets) > len(packets) / 2


def test_what_is_not_finite_or_too_loud_does_no_harm() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    bad = np.full(960, np.nan, np.float32)
    bad[::3] = np.inf
    for block in (bad, np.full(960, 1e9, np.float32), np.zeros(960, np.float32)):
        heard = decoder.decode(encoder.encode(block))
        assert np.isfinite(heard).all() and float(np.abs(heard).max()) <= 1.0


def test_wrong_use_is_refused() -> None:
    with pytest.raises(OpusError):
        OpusEncoder().encode(np.zeros(1000, np.float32))
    with pytest.raises(OpusError):
        OpusEncoder(channels=3)
    with pytest.raises(ValueError):
        OpusEncoder(application="radio")
    with pytest.raises(ValueError):
        OpusEncoder(2).encode(np.zeros(961, np.float32))
    with pytest.raises(OpusError):
        OpusDecoder().decode(b"\xff\xff\xff")
    with pytest.raises(ValueError):
        OpusDecoder().decode(None, 6000)
    for nothing in (b"", b"\x03", b"\x03\x00", b"\xfb\x3f"):
        with pytest.raises(OpusError):
            packet_duration(nothing)


def test_reset_forgets() -> None:
    encoder, audio = OpusEncoder(), speechlike(0.2)
    first = encode_all(encoder, audio)
    encoder.reset()
    assert encode_all(encoder, audio) == first


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decoder = OpusDecoder()
    has_fec(data)
    try:
        samples = decoder.decode(data)
    except OpusError:
        return
    assert np.isfinite(samples).all()
    if data:
        assert packet_duration(data) == len(samples)


def test_the_library_says_what_it_is() -> None:
    assert opus.library_version().startswith("libopus")
