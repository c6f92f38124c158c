"""Recordings in other formats: opened by an independent reader, they begin and end with the very sample."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from server.audio.ogg import scan
from server.clock import SAMPLE_RATE
from server.errors import NotFound
from server.recordings.exports.audio import FORMATS, Cut, wav_header, write
from server.recordings.tracks import Mask
from tests.recordings.sounding import clicks, heard_clicks, read, tags, write_long, write_opus

LENGTH = 12 * SAMPLE_RATE + 777
CLICKS = [5_000, 3 * SAMPLE_RATE + 11, 7 * SAMPLE_RATE + 123, LENGTH - 4_000]
FRAME = {"opus": 0, "wav": 0, "flac": 0, "mp3": 1152, "m4a": 1024}
"""Samples that a reader may find more than there are: up to the end of the last frame."""
TITLE = "Überraschung <b>你好</b> & “more”; ../../x"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_opus(tmp_path_factory.mktemp("recorded") / "clean.opus", clicks(LENGTH, CLICKS))


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sides = [clicks(LENGTH, CLICKS), clicks(LENGTH, [place + 24_000 for place in CLICKS[:-1]])]
    return write_opus(tmp_path_factory.mktemp("stereo") / "clean.opus", np.stack(sides, axis=1), 128_000)


def made(cut: Cut, folder: Path) -> Path:
    target = folder / f"made.{cut.form.name}"
    done: list[int] = []
    write(cut, target, done.append)
    assert done == sorted(done)
    assert len(done) >= (cut.end - cut.start) // SAMPLE_RATE
    return target


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("start", "end"), [(0, LENGTH), (2 * SAMPLE_RATE + 321, 9 * SAMPLE_RATE + 5)])
def test_every_format_holds_what_was_asked_for_and_nothing_moves(
    recorded: Path, tmp_path: Path, name: str, start: int, end: int
) -> None:
    path = made(Cut(recorded, start, end, FORMATS[name], tags={"title": TITLE, "artist": "Ada"}), tmp_path)
    sound = read(path)
    assert 0 <= len(sound) - (end - start) <= FRAME[name]
    expected = [place - start for place in CLICKS if start <= place < end]
    found = heard_clicks(sound)
    assert len(found) == len(expected)
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) <= 48  # 1 ms
    said = tags(path)
    if name != "wav":
        assert (said["title"], said["artist"]) == (TITLE, "Ada")
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert abs(container.duration * SAMPLE_RATE / 1e6 - (end - start)) <= FRAME[name] + 312 + 3840 + 960


def test_what_was_recorded_is_not_encoded_again(recorded: Path, tmp_path: Path) -> None:
    part = made(Cut(recorded, 3 * SAMPLE_RATE + 7, 8 * SAMPLE_RATE + 1, FORMATS["opus"]), tmp_path)

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [hashlib.sha256(bytes(packet)).digest() for packet in container.demux(audio=0) if packet.size]

    whole, some = packets(recorded), packets(part)
    at = whole.index(some[10])
    assert whole[at - 10 : at - 10 + len(some)] == some
    with part.open("rb") as file:
        info = scan(file)
    assert (info.duration_samples, info.closed, info.damages) == (5 * SAMPLE_RATE - 6, True, ())
    once = part.read_bytes()
    assert made(Cut(recorded, 3 * SAMPLE_RATE + 7, 8 * SAMPLE_RATE + 1, FORMATS["opus"]), tmp_path).read_bytes() == once
    sound, all_of_it = read(part), read(recorded)
    start = 3 * SAMPLE_RATE + 7
    assert np.abs(sound - all_of_it[start : start + len(sound)]).max() < 1e-3


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_lossless_formats_hold_every_sample_of_the_recording(recorded: Path, tmp_path: Path, name: str) -> None:
    start, end = 3 * SAMPLE_RATE + 7, 8 * SAMPLE_RATE + 1
    whole = read(made(Cut(recorded, 0, LENGTH, FORMATS[name]), tmp_path))
    part = read(made(Cut(recorded, start, end, FORMATS[name]), tmp_path))
    reference = read(recorded)
    assert np.abs(whole - reference).max() <= 1.5 / 32_768
    assert np.abs(part - reference[start:end]).max() <= 2.5 / 32_768


@pytest.mark.parametrize("name", FORMATS)
def test_stereo_stays_stereo(stereo: Path, tmp_path: Path, name: str) -> None:
    sound = read(made(Cut(stereo, SAMPLE_RATE, LENGTH, FORMATS[name]), tmp_path))
    assert sound.ndim == 2
    left, right = heard_clicks(sound[:, 0]), heard_clicks(sound[:, 1])
    assert [abs(a + SAMPLE_RATE - b) <= 96 for a, b in zip(left, CLICKS[1:], strict=True)] == [True] * 3
    assert [abs(a + SAMPLE_RATE - 24_000 - b) <= 96 for a, b in zip(right, CLICKS[1:-1], strict=True)] == [True] * 2


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_tracks_together_are_the_recording(recorded: Path, tmp_path: Path, name: str) -> None:
    spans = [[(0, 2 * SAMPLE_RATE), (5 * SAMPLE_RATE, 6 * SAMPLE_RATE)], [(2 * SAMPLE_RATE + 3_000, 4 * SAMPLE_RATE)]]
    masks = [*(Mask([one]) for one in spans), Mask(spans, inverted=True)]
    parts = [read(made(Cut(recorded, 0, LENGTH, FORMATS[name], mask), tmp_path)) for mask in masks]
    whole = read(made(Cut(recorded, 0, LENGTH, FORMATS[name]), tmp_path))
    assert {len(part) for part in parts} == {len(whole)}
    residual = sum(parts) - whole
    level = 20 * np.log10(np.sqrt(np.mean(residual**2)) / np.sqrt(np.mean(whole**2)) + 1e-12)
    assert level <= -60  # in the fades too: they add up
    assert not np.any(parts[0][3 * SAMPLE_RATE : 4 * SAMPLE_RATE])


def test_a_track_is_encoded_as_opus(recorded: Path, tmp_path: Path) -> None:
    mask = Mask([[(0, SAMPLE_RATE), (6 * SAMPLE_RATE, 8 * SAMPLE_RATE)]])
    sound = read(made(Cut(recorded, 1_000, LENGTH, FORMATS["opus"], mask), tmp_path))
    assert len(sound) == LENGTH - 1_000
    found = [place + 1_000 for place in heard_clicks(sound)]
    assert [abs(a - b) <= 48 for a, b in zip(found, [CLICKS[0], CLICKS[2]], strict=True)] == [True, True]


def test_a_damaged_recording_keeps_its_times(recorded: Path, tmp_path: Path) -> None:
    data = bytearray(recorded.read_bytes())
    half = len(data) // 2
    data[half : half + 3_000] = b"\x55" * 3_000
    damaged = tmp_path / "clean.opus"
    damaged.write_bytes(data[:-2_500])  # and its end is gone
    for name in FORMATS:
        sound = read(made(Cut(damaged, 0, LENGTH, FORMATS[name]), tmp_path))
        assert 0 <= len(sound) - LENGTH <= FRAME[name]
        found = heard_clicks(sound)
        known = [place for place in found if min(abs(place - click) for click in CLICKS) <= 48]
        assert known[:2] == found[:2]
        assert len(known) >= 2


def test_what_is_no_audio_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "clean.opus").write_bytes(b"OggS" + bytes(100))
    with pytest.raises(NotFound):
        write(Cut(tmp_path / "clean.opus", 0, 100, FORMATS["flac"]), tmp_path / "x", lambda done: None)
    with pytest.raises(NotFound):
        Cut(tmp_path / "missing.opus", 0, 100, FORMATS["flac"]).key()


def test_files_are_kept_by_everything_that_makes_them(recorded: Path) -> None:
    cuts = [
        Cut(recorded, 0, LENGTH, FORMATS["flac"]),
        Cut(recorded, 1, LENGTH, FORMATS["flac"]),
        Cut(recorded, 0, LENGTH - 1, FORMATS["flac"]),
        Cut(recorded, 0, LENGTH, FORMATS["wav"]),
        Cut(recorded, 0, LENGTH, FORMATS["flac"], Mask([[(0, 5)]])),
        Cut(recorded, 0, LENGTH, FORMATS["flac"], Mask([[(0, 6)]])),
        Cut(recorded, 0, LENGTH, FORMATS["flac"], Mask([[(0, 6)]], inverted=True)),
        Cut(recorded, 0, LENGTH, FORMATS["flac"], tags={"title": "Talk"}),
    ]
    keys = [cut.key() for cut in cuts]
    assert len(set(keys)) == len(keys)
    assert all(one.key() == key for one, key in zip(cuts, keys, strict=True))


def test_a_long_wav_says_its_size_where_riff_cannot(tmp_path: Path) -> None:
    for length, first in ((1_000_000, b"RIFF"), (3_000_000_000, b"RF64")):
        head = wav_header(length, 1)
        assert head[:4] == first
        path = tmp_path / "long.wav"
        with path.open("wb") as file:  # a hole takes no room
            file.write(head)
            file.truncate(len(head) + 2 * length)
        with av.open(str(path)) as container:
            assert container.duration == pytest.approx(length / SAMPLE_RATE * 1e6, abs=2)


MEASURE = """
import sys
from pathlib import Path
from server.recordings.exports.audio import FORMATS, Cut, write
from server.recordings.tracks import Mask
source, seconds = Path(sys.argv[1]), int(sys.argv[2])
for name, mask in (("opus", None), ("wav", None), ("flac", Mask([[(0, 48000)]])), ("m4a", None)):
    length = seconds * 48000 if name != "m4a" else seconds * 4800
    write(Cut(source, 0, length, FORMATS[name], mask), source.with_name("made." + name), lambda done: None)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Five minutes against half a one, each in a process of its own: the samples alone would be 58 MB."""
    peaks = []
    for seconds in (30, 300):
        source = write_long(tmp_path / str(seconds) / "clean.opus", seconds)
        command = [sys.executable, "-c", MEASURE, str(source), str(seconds)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        with av.open(str(source.with_name("made.flac"))) as container:
            assert container.duration == seconds * 1_000_000
    assert peaks[1] < 1.2 * peaks[0]
