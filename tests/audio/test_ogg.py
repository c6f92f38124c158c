"""Recordings as files: whole, torn anywhere, and damaged."""

from __future__ import annotations

import functools
import io
import random
import tracemalloc
from itertools import pairwise

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from server.audio.ogg import OggError, OggOpusWriter, close_tail, read_packets, scan
from server.audio.ogg_page import page_checksum, read_pages
from server.audio.opus import SILENCE_PACKET, OpusEncoder

RATE = 48_000
PAGE = 20
"""Packets in a page: 0.4 s."""


@functools.cache
def tone(seconds: float) -> NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * (300 + 40 * time) * time)).astype(np.float32)


@functools.cache
def pages(seconds: float = 3.0, closed: bool = True) -> tuple[bytes, ...]:
    """What a recorder writes: the header and a piece every 0.4 s."""
    encoder = OpusEncoder()
    writer = OggOpusWriter(encoder.lookahead, 0xCAFEF00D, {"title": "Grüße 你好", "artist": "x" * 700})
    pieces = [writer.header()]
    audio = tone(seconds)
    for i in range(0, len(audio), 960):
        writer.packet(encoder.encode(audio[i : i + 960]))
        if i // 960 % PAGE == PAGE - 1:
            pieces.append(writer.page())
    if closed:
        pieces.append(writer.close(len(audio)))
    return tuple(pieces)


def play(data: bytes) -> NDArray[np.float32]:
    """What PyAV (FFmpeg) hears."""
    with av.open(io.BytesIO(data)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(parts, axis=1)[0]


def test_a_closed_file_plays_exactly_what_was_recorded() -> None:
    data = b"".join(pages())
    heard = play(data)
    assert len(heard) == len(tone(3.0))
    assert np.corrcoef(heard[2000:-2000], tone(3.0)[2000:-2000])[0, 1] > 0.995
    with av.open(io.BytesIO(data)) as container:
        metadata = {**container.metadata, **container.streams.audio[0].metadata}
        assert {key.lower(): value for key, value in metadata.items()}["title"] == "Grüße 你好"


def test_a_scan_tells_the_truth_about_a_closed_file() -> None:
    data = b"".join(pages())
    info = scan(io.BytesIO(data))
    assert info.closed and info.complete_headers
    assert info.duration_samples == 3 * RATE
    assert info.valid_bytes == len(data) and info.torn_bytes == 0
    assert info.damages == ()
    assert info.channels == 1 and info.pre_skip == 312 and info.serial == 0xCAFEF00D
    assert info.packets == 3 * 50 + 1  # one more to get the encoder's lookahead out


def test_every_page_is_as_the_standards_want_it() -> None:
    found = list(read_pages(io.BytesIO(b"".join(pages()))))
    assert [page.sequence for page in found] == list(range(len(found)))
    assert [page.flags for page in found] == [2, 0, *[0] * (len(found) - 3), 4]
    assert found[0].body.startswith(b"OpusHead") and found[1].body.startswith(b"OpusTags")
    assert [page.granule for page in found[:3]] == [0, 0, PAGE * 960]
    for before, after in pairwise(found[2:]):
        assert 0 < after.granule - before.granule <= PAGE * 960
    assert len({page.serial for page in found}) == 1


@pytest.mark.parametrize("count", range(2, 9))
def test_torn_at_a_page_it_plays_and_says_its_length(count: int) -> None:
    data = b"".join(pages(3.0, closed=False)[:count])
    info = scan(io.BytesIO(data))
    assert not info.closed and info.torn_bytes == 0
    assert info.duration_samples == (count - 1) * PAGE * 960 - info.pre_skip
    assert len(play(data)) == info.duration_samples


def test_torn_anywhere_it_plays_before_and_after_recovery() -> None:
    pieces = pages(3.0, closed=False)
    data = b"".join(pieces)
    whole = play(data)
    first_audio = len(pieces[0]) + len(pieces[1])
    for cut in random.Random(7).sample(range(first_audio, len(data)), 25):
        torn = data[:cut]
        info = scan(io.BytesIO(torn))
        assert info.valid_bytes <= cut
        assert info.duration_samples >= (cut - first_audio) / len(data) * 3 * RATE - RATE
        assert len(play(torn)) == info.duration_samples
        file = io.BytesIO(torn)
        closed = close_tail(file)
        assert closed.closed and closed.torn_bytes == 0 and closed.damages == ()
        assert closed.duration_samples == info.duration_samples
        heard = play(file.getvalue())
        assert len(heard) == info.duration_samples
        np.testing.assert_allclose(heard, whole[: len(heard)], atol=1e-6)


def test_closing_twice_changes_nothing() -> None:
    file = io.BytesIO(b"".join(pages(3.0, closed=False))[:-100])
    close_tail(file)
    once = file.getvalue()
    close_tail(file)
    assert file.getvalue() == once


def test_bytes_after_the_end_are_cut_off() -> None:
    data = b"".join(pages())
    file = io.BytesIO(data + b"OggS" + bytes(300))
    assert scan(file).torn_bytes == 304
    close_tail(file)
    assert file.getvalue() == data


def test_damage_in_the_middle_is_named_and_the_rest_is_read() -> None:
    pieces = pages()
    data = bytearray(b"".join(pieces))
    start = sum(map(len, pieces[:3]))
    data[start + 100] ^= 0x40
    info = scan(io.BytesIO(bytes(data)))
    assert [(hole.offset, hole.size, hole.missing_pages) for hole in info.damages] == [(start, len(pieces[3]), 1)]
    assert info.duration_samples == 3 * RATE and info.closed
    packets = list(read_packets(io.BytesIO(bytes(data))))
    assert packets.count(None) == PAGE
    assert len(packets) == 3 * 50 + 1


def test_a_missing_page_is_noticed() -> None:
    pieces = pages()
    data = b"".join(pieces[:3] + pieces[4:])
    info = scan(io.BytesIO(data))
    assert [(hole.size, hole.missing_pages) for hole in info.damages] == [(0, 1)]


def test_random_damage_never_breaks_the_reader() -> None:
    data = b"".join(pages())
    rng = random.Random(3)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(200, len(broken))
            broken[at : at + rng.randrange(0, 40)] = rng.randbytes(rng.randrange(0, 60))
        file = io.BytesIO(bytes(broken))
        info = scan(file)
        assert info.valid_bytes <= len(broken)
        assert sum(1 for _ in read_packets(file)) <= 152
        if info.complete_headers:
            assert close_tail(file).closed


@pytest.mark.parametrize("data", [b"", b"OggS", b"RIFF" + bytes(5000), bytes(70_000)])
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(OggError):
        scan(io.BytesIO(data))


def test_a_file_without_its_second_header_cannot_be_closed() -> None:
    header = pages()[0]
    file = io.BytesIO(header[:60])
    assert not scan(file).complete_headers
    with pytest.raises(OggError):
        close_tail(file)
    with pytest.raises(OggError):
        list(read_packets(io.BytesIO(bytes(100) + header[47:])))


def test_missing_time_is_silence_and_the_position_stays_stream_time() -> None:
    encoder = OpusEncoder()
    writer = OggOpusWriter(encoder.lookahead, 1)
    audio = tone(1.0)
    data = writer.header()
    writer.silence(100)
    for i in range(0, len(audio), 960):
        writer.packet(encoder.encode(audio[i : i + 960]))
    data += writer.page()
    writer.silence(50)
    data += writer.close(4 * RATE)
    heard = play(data)
    assert len(heard) == 4 * RATE
    assert float(np.abs(heard[: 2 * RATE - 480]).max()) < 0.01
    assert np.corrcoef(heard[2 * RATE + 2000 : 3 * RATE - 2000], audio[2000:-2000])[0, 1] > 0.99


def test_closing_pads_up_to_the_duration_and_trims_down_to_it() -> None:
    for duration in (0, 500, 960 * 10 - 312, 960 * 10, 12_345):
        writer = OggOpusWriter(312, 5)
        header = writer.header()
        writer.silence(10)
        data = header + writer.close(duration)
        assert scan(io.BytesIO(data)).duration_samples == duration
        if duration > 312:
            assert len(play(data)) == duration


def test_an_empty_recording_is_a_legal_file() -> None:
    writer = OggOpusWriter(312, 9)
    data = writer.header() + writer.close()
    info = scan(io.BytesIO(data))
    assert info.closed and info.complete_headers
    assert info.duration_samples <= 960
    assert writer.close() == b""
    with pytest.raises(ValueError):
        writer.packet(SILENCE_PACKET)


def test_nothing_pending_makes_no_page() -> None:
    writer = OggOpusWriter(312, 9)
    writer.header()
    assert writer.page() == b"" and writer.pending == 0
    writer.silence(3)
    assert writer.pending == 3 * 960 and writer.duration == 3 * 960 - 312
    assert writer.page() and writer.pending == 0


def test_tags_and_packets_larger_than_a_page_continue_on_the_next() -> None:
    big = bytes([0x78]) + bytes(70_000)
    writer = OggOpusWriter(312, 3, {"comment": "long " * 30_000})
    data = writer.header()
    writer.packet(SILENCE_PACKET)
    writer.packet(big)
    writer.packet(SILENCE_PACKET)
    data += writer.close()
    info = scan(io.BytesIO(data))
    assert info.complete_headers and info.packets == 3 and info.damages == ()
    assert list(read_packets(io.BytesIO(data))) == [SILENCE_PACKET, big, SILENCE_PACKET]


def test_many_small_packets_fill_several_pages() -> None:
    writer = OggOpusWriter(312, 3)
    data = writer.header()
    writer.silence(1000)
    data += writer.page()
    assert scan(io.BytesIO(data)).packets == 1000
    assert scan(io.BytesIO(data)).duration_samples == 960_000 - 312


def test_the_checksum_is_oggs() -> None:
    # The polynomial done the slow way.
    page = bytes(range(256)) * 3
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
    assert page_checksum(page) == register


def test_three_hours_take_no_memory() -> None:
    writer = OggOpusWriter(312, 3)
    writer.header()
    packet = bytes([0x58]) + bytes(239)  # 60 ms
    tracemalloc.start()
    size = 0
    for i in range(3 * 3600 * 50 // 3):
        writer.packet(packet, 2880)
        if i % 7 == 6:
            size += len(writer.page())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert writer.duration == 3 * 3600 * RATE - 312
    assert peak < 200_000
    assert 43_000_000 < size < 46_000_000
