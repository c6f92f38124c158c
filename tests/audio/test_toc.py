"""What a packet of Opus says of itself: libopus's own parser is the reference."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import numpy as np
import pytest

from server.audio.opus import OpusDecoder, OpusEncoder, OpusError, _library, packet_duration
from server.audio.toc import check_packet, concealing_packets, silence_packets


def parsed(packet: bytes) -> int | None:
    """Samples in the packet as `opus_packet_parse` finds them; None where it refuses."""
    library: Any = _library()
    sizes = (ctypes.c_int16 * 48)()
    frames = library.opus_packet_parse(packet, len(packet), None, None, sizes, None)
    if frames < 0:
        return None
    return int(frames * library.opus_packet_get_samples_per_frame(packet, 48_000))


def checked(packet: bytes) -> int | None:
    try:
        return check_packet(packet)
    except OpusError:
        return None


def test_every_packet_is_taken_or_refused_as_libopus_does() -> None:
    chaos = random.Random(6)
    refused = 0
    for _ in range(20_000):
        size = chaos.choice([0, 1, 2, 3, 4, 8, 20, 60, 300, 1276, 1277, 2600])
        packet = bytearray(chaos.randbytes(size))
        if size > 1 and packet[0] & 3 == 3 and chaos.random() < 0.7:
            packet[1] = packet[1] & 0xC0 | chaos.choice([0, 1, 2, 3, 6, 24, 48])
        answer = checked(bytes(packet))
        assert answer == parsed(bytes(packet)), packet.hex()
        refused += answer is None
    assert 2_000 < refused < 18_000


@pytest.mark.parametrize("samples", [120, 240, 480, 960, 1920, 2880])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_an_encoder_makes_is_taken(samples: int, channels: int) -> None:
    encoder = OpusEncoder(channels, bitrate=128_000)
    assert check_packet(encoder.encode(np.zeros((samples, channels), np.float32))) == samples


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("duration", [120, 600, 960, 1080, 4920])
def test_silence_lasts_as_long_as_it_says_and_is_silent(channels: int, duration: int) -> None:
    packets = silence_packets(duration, channels)
    assert sum(check_packet(packet) for packet in packets) == duration
    decoder = OpusDecoder(2)
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert heard.shape == (duration, 2)
    assert float(np.abs(heard).max()) < 1e-4


@pytest.mark.parametrize("bitrate", [12_000, 32_000, 256_000])
@pytest.mark.parametrize("samples", [480, 960, 2880])
def test_a_decoder_makes_up_what_it_is_asked_for(bitrate: int, samples: int) -> None:
    """In every mode of Opus the tone goes on through the packets that ask for it."""
    encoder, decoder = OpusEncoder(2, bitrate=bitrate, application="voip"), OpusDecoder(2)
    tone = np.sin(2 * np.pi * 300 / 48_000 * np.arange(48_000)).astype(np.float32)[:, None].repeat(2, 1) * 0.3
    packets = [encoder.encode(tone[at : at + samples]) for at in range(0, 48_000 - samples, samples)]
    for packet in packets:
        decoder.decode(packet)
    asked = concealing_packets(1080, packets[-1][0])
    assert sum(packet_duration(packet) for packet in asked) == 1080
    assert all(len(packet) == 1 for packet in asked)
    made_up = np.concatenate([decoder.decode(packet) for packet in asked])
    assert made_up.shape == (1080, 2)
    assert 0.05 < float(np.sqrt(np.mean(made_up[:480] ** 2))) < 0.4
