"""Audio files in and out."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from server.client.media import MediaError, duration_s, open_writer, read_audio, read_blocks
from server.errors import DiskFull, NotFound


def tone(seconds: float, rate: int = 48_000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_a_wav_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    writer = open_writer(path)
    audio = tone(1.3)
    for part in np.array_split(audio, 7):
        writer.write(part)
    writer.close()
    assert duration_s(path) == pytest.approx(1.3, abs=0.01)
    read = read_audio(path)
    assert len(read) == len(audio)
    assert float(np.max(np.abs(read - audio))) < 1e-4


def test_too_loud_is_clipped_not_wrapped(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.wav")
    writer.write(np.array([2.0, -2.0], np.float32))
    writer.close()
    assert np.round(read_audio(tmp_path / "a.wav")).tolist() == [1, -1]


@pytest.mark.parametrize("seconds", [1.0, 1.013, 2.5])
def test_an_opus_file_has_the_length_that_was_written(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "a.opus"
    audio = tone(seconds)
    writer = open_writer(path)
    for part in np.array_split(audio, 5):
        writer.write(part)
    writer.close()
    writer.close()
    read = read_audio(path)
    assert len(read) == len(audio)
    middle = slice(9600, len(audio) - 9600)
    error = read[middle] - audio[middle]
    assert float(np.mean(error**2)) < 0.01 * float(np.mean(audio[middle] ** 2))


def test_any_rate_and_any_number_of_channels_become_mono_at_48_khz(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = (tone(1, 16_000) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.repeat(samples, 2).tobytes())
    read = read_audio(path)
    assert abs(len(read) - 48_000) < 500
    assert float(np.sqrt(np.mean(read[4800:-4800] ** 2))) == pytest.approx(0.354, abs=0.02)


def test_a_loop_begins_again(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.wav")
    writer.write(tone(0.6))
    writer.close()
    total = 0
    for block in read_blocks(tmp_path / "a.wav", loop=True):
        total += len(block)
        if total > 100_000:
            break
    assert total > 100_000


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        duration_s(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("this is no audio at all " * 40)
    with pytest.raises(MediaError, match=r"text\.wav"):
        read_audio(tmp_path / "text.wav")
    open_writer(tmp_path / "empty.wav").close()
    with pytest.raises(MediaError):
        read_audio(tmp_path / "empty.wav")


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"\.wav, \.opus or \.ogg"):
        open_writer(tmp_path / "a.mp3")
    with pytest.raises(DiskFull, match="cannot be written"):
        open_writer(tmp_path / "nowhere" / "a.wav")
