"""What people bring: every format, everything that is none, and files that were made to do harm."""

from __future__ import annotations

import asyncio
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from server.errors import InvalidRequest, NotFound
from server.uploads.decoding import decoding

SECONDS = 2
TONE = 1000


def make(path: Path, form: str, codec: str, rate: int = 48_000, layout: str = "stereo", **options: str) -> Path:
    """A tone as a file of some kind."""
    with av.open(str(path), "w", format=form) as container:
        container.metadata.update({"title": "<script>alert(1)</script>", "artist": "../../etc"})
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        channels = av.AudioLayout(layout).nb_channels
        tone = 0.3 * np.sin(2 * np.pi * TONE * np.arange(SECONDS * rate) / rate)
        frame = av.AudioFrame.from_ndarray(
            np.tile(tone.astype(np.float32), (channels, 1)), format="fltp", layout=layout
        )
        frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fit = av.AudioResampler(
            format=stream.codec_context.format.name, layout=layout, rate=rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )  # fmt: skip
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def wav(path: Path, samples: np.ndarray[Any, Any], width: int, rate: int = 48_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def decoded(path: Path, longest_s: float = 60.0, sample: bool = False) -> tuple[Any, np.ndarray[Any, Any]]:
    async def read() -> tuple[Any, np.ndarray[Any, Any]]:
        async with decoding(path, longest_s, sample=sample) as opened:
            pieces = [piece async for piece in opened.blocks()]
            return opened, np.concatenate([*pieces, np.zeros(0, np.float32)])

    return asyncio.run(read())


def pitch(samples: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 48_000 / len(samples)


@pytest.mark.parametrize(
    ("name", "form", "codec", "more"),
    [
        ("a.mp3", "mp3", "libmp3lame", {}),
        ("a.wav", "wav", "pcm_s16le", {}),
        ("24.wav", "wav", "pcm_s24le", {}),
        ("float.wav", "wav", "pcm_f32le", {}),
        ("8k.wav", "wav", "pcm_s16le", {"rate": 8000, "layout": "mono"}),
        ("a.flac", "flac", "flac", {"rate": 44_100}),
        ("a.m4a", "ipod", "aac", {}),
        ("a.aac", "adts", "aac", {}),
        ("a.ogg", "ogg", "libopus", {}),
        ("a.webm", "webm", "libopus", {}),
        ("a.mp4", "mp4", "aac", {"rate": 44_100}),
        ("wrong.pdf", "flac", "flac", {}),
    ],
)
def test_every_format_is_heard_in_its_pitch_and_length(
    tmp_path: Path, name: str, form: str, codec: str, more: dict[str, Any]
) -> None:
    opened, samples = decoded(make(tmp_path / name, form, codec, **more))
    assert abs(len(samples) / 48_000 - SECONDS) < 0.06
    assert abs(pitch(samples[4800:-9600]) - TONE) < 2
    assert 0.25 < np.abs(samples).max() < 0.36  # channels are averaged, and nothing is louder than it was
    assert opened.result["mistakes"] == 0
    assert opened.about["sample_rate"] == more.get("rate", 48_000)


def test_eight_channels_are_one(tmp_path: Path) -> None:
    tone = (8000 * np.sin(2 * np.pi * TONE * np.arange(48_000) / 48_000)).astype("<i2")
    opened, samples = decoded(wav(tmp_path / "8.wav", np.repeat(tone[:, None], 8, axis=1), 2, channels=8))
    assert opened.about["channels"] == 8 and len(samples) == 48_000
    assert abs(pitch(samples) - TONE) < 2


def test_what_is_no_number_is_silence_and_what_is_too_loud_is_cut(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", "wav", "pcm_f32le", layout="mono")
    data = bytearray(path.read_bytes())
    wild = np.array([np.nan, np.inf, -np.inf, 1e30], "<f4").tobytes()
    data[5000:5016] = wild
    path.write_bytes(data)
    _, samples = decoded(path)
    assert np.isfinite(samples).all() and np.abs(samples).max() <= 1.0


def video(path: Path, sound: bool) -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        picture: Any = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        voice: Any = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for _ in range(10):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(picture.encode(None))
        for number in range(47 if sound else 0):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
            container.mux(voice.encode(frame))
        if sound:
            container.mux(voice.encode(None))
    return path


def test_a_video_gives_its_sound_and_one_without_says_so(tmp_path: Path) -> None:
    _, samples = decoded(video(tmp_path / "talk.mp4", sound=True))
    assert abs(len(samples) / 48_000 - 1.0) < 0.05
    with pytest.raises(InvalidRequest) as refused:
        decoded(video(tmp_path / "mute.mp4", sound=False))
    assert refused.value.code == "no-sound"


def test_of_a_file_that_is_cut_off_or_damaged_the_rest_is_heard(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.mp3", "mp3", "libmp3lame").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(whole[: len(whole) // 2])
    _, samples = decoded(tmp_path / "cut.mp3")
    assert 0.8 < len(samples) / 48_000 < 1.2
    flac = bytearray(make(tmp_path / "a.flac", "flac", "flac").read_bytes())
    at = len(flac) // 2
    flac[at : at + 40] = np.random.default_rng(1).bytes(40)
    (tmp_path / "hit.flac").write_bytes(flac)
    _, samples = decoded(tmp_path / "hit.flac")
    assert 0.5 < len(samples) / 48_000 <= SECONDS + 0.1


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("nothing.wav", b"", "not-audio"),
        ("text.mp3", b"hello " * 1000, "not-audio"),
        ("noise.m4a", np.random.default_rng(2).bytes(50_000), "not-audio"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "not-audio"),
        ("concat.txt", b"ffconcat version 1.0\nfile /etc/passwd\n", "not-audio"),
        ("head.wav", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0\0\x77\1\0\2\0\x10\0", "not-audio"),
    ],
)  # fmt: skip
def test_what_is_no_audio_is_refused_in_words(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidRequest) as refused:
        decoded(tmp_path / name)
    assert refused.value.code in (code, "no-sound") and refused.value.message


def test_hours_of_silence_in_a_few_bytes_are_stopped_at_the_limit(tmp_path: Path) -> None:
    """Declared or not: the length is believed where it is too long, and counted where it is not."""
    silence = wav(tmp_path / "long.wav", np.zeros(120 * 8000, "<i2"), 2, rate=8000)
    with pytest.raises(InvalidRequest) as refused:
        decoded(silence, longest_s=60.0)
    assert refused.value.code == "too-long"
    lying = bytearray(silence.read_bytes())
    flac = tmp_path / "bomb.flac"
    with av.open(str(silence)) as source, av.open(str(flac), "w", format="flac") as target:
        stream: Any = target.add_stream("flac", rate=8000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    data = bytearray(flac.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0]) + (8000).to_bytes(4, "big")  # STREAMINFO: a second, it says
    flac.write_bytes(data)
    assert len(data) < len(lying) / 10
    with pytest.raises(InvalidRequest) as refused:
        decoded(flac, longest_s=60.0)
    assert refused.value.code == "too-long"


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        decoded(tmp_path / "gone.wav")
