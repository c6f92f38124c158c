"""`clearcast transcribe`: files of every kind, what comes of them, and plain words where nothing can."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from server import transcribe as transcribing
from server.audio.frame import Samples
from server.cli import main
from server.inference.caption_lane import CaptionLane, CaptionOptions, Ear, OnItems
from server.inference.denoiser import RNNOISE_NAME
from server.jobs.hearing import OpenFile
from tests.jobs.scripted_lane import ScriptedFiles
from tests.speech.scripted import sound, spoken
from tests.talks import NANO, TALK_TWO
from tests.wording import error_rate, spoken_in


@pytest.fixture
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, and the small recogniser."""
    monkeypatch.setenv("CLEARCAST_CAPTIONS_MODEL", str(NANO))
    monkeypatch.setenv("CLEARCAST_DIARIZATION", "false")
    monkeypatch.setenv("CLEARCAST_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def silent_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_wav(path: Path, samples: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * samples))


def bad_files(folder: Path) -> dict[str, Path]:
    files = {
        name: folder / name for name in ("missing.wav", "video.mp4", "empty.wav", "nothing.ogg", "cut.flac", "x.txt")
    }
    silent_video(files["video.mp4"])
    write_wav(files["empty.wav"], 0)
    files["nothing.ogg"].write_bytes(b"")
    files["cut.flac"].write_bytes(TALK_TWO.read_bytes()[:60])
    files["x.txt"].write_text("This is no sound.")
    return {**files, "folder": folder}


def test_a_talk_is_written_down_and_bad_files_beside_it_are_told(
    nano: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One start of the models: a good file, and one that is not there, in one call."""
    out = nano / "out"
    arguments = [
        "transcribe",
        str(TALK_TWO),
        str(nano / "missing.wav"),
        "-o",
        f"{out}/",
        "-f",
        "json",
        "--language",
        "en",
    ]
    assert main(arguments) == 1
    assert "There is no file" in capsys.readouterr().err
    document = json.loads((out / "talk-two.flac.json").read_text())
    said = " ".join(caption["text"] for caption in document["captions"])
    assert error_rate(spoken_in(TALK_TWO.with_suffix(".stm")), said) <= 0.02
    assert document["duration"] == pytest.approx(83.92, abs=0.01) and document["language"] == "en"
    starts = [caption["start"] for caption in document["captions"]]
    assert starts == sorted(starts) and not document["gaps"]
    assert sorted(out.iterdir()) == [out / "talk-two.flac.json"]


@pytest.mark.parametrize(
    "name", ["missing.wav", "video.mp4", "empty.wav", "nothing.ogg", "cut.flac", "x.txt", "folder"]
)
def test_what_cannot_be_heard_is_one_clear_line(name: str, nano: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bad_files(nano)[name]
    assert main(["transcribe", str(path)]) == 1
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("clearcast: ")]
    assert out == "" and len(lines) == 1 and str(path) in lines[0]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-o", "a.doc"], "must end in"),
        (["--language", "English"], "written like"),
        (["--speakers", "0"], "somebody"),
        (["other/talk-two.flac", "-o", "out/"], "one name"),
    ],
)
def test_mistakes_in_arguments_are_told(
    arguments: list[str], word: str, nano: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(TALK_TWO), *arguments]) == 1
    assert re.search(word, capsys.readouterr().err)


def write_talk(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((samples * 30_000).astype("<i2").tobytes())


def scripted(monkeypatch: pytest.MonkeyPatch, lanes: list[ScriptedFiles]) -> None:
    """In place of a worker: lanes that follow a script, one for each time that a file is heard."""

    @asynccontextmanager
    async def models(*_: object) -> AsyncIterator[tuple[OpenFile, str]]:
        async def open_file(options: CaptionOptions, on_items: OnItems, on_lost: Callable[[str], None]) -> CaptionLane:
            return await lanes.pop(0)(options, on_items, on_lost)

        yield open_file, "scripted"

    monkeypatch.setattr(transcribing, "_models", models)


def test_a_worker_that_is_lost_is_waited_for_and_the_file_heard_again(
    nano: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No model is needed: the lanes are scripted, and the first one is lost."""
    lines = spoken("nobody has missed a word of this")
    write_talk(nano / "a.wav", sound(lines, 8))
    lanes = [ScriptedFiles(lines, [], lose_at=3), ScriptedFiles(lines, [])]
    scripted(monkeypatch, lanes)
    monkeypatch.setattr(transcribing, "PAUSE_S", 0.0)
    assert main(["transcribe", str(nano / "a.wav"), "--language", "en", "--no-denoise"]) == 0
    assert capsys.readouterr().out == "nobody has missed a word of this\n"
    assert not lanes


def test_words_are_heard_without_the_noise_and_speakers_with_it(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are live. The denoiser is a real one; what was said stays where it was."""
    monkeypatch.setenv("CLEARCAST_DENOISE", RNNOISE_NAME)
    noise = np.random.default_rng(1).normal(0, 0.02, 4 * 48_000).astype(np.float32)
    write_talk(nano / "a.wav", noise)
    files = ScriptedFiles([], [])
    scripted(monkeypatch, [files])
    assert main(["transcribe", str(nano / "a.wav"), "--language", "en"]) == 0
    words, speakers = (np.concatenate(files.heard[ear]) for ear in (Ear.WORDS, Ear.SPEAKERS))
    assert len(words) == len(speakers) == len(noise)
    assert np.abs(speakers - noise * 30_000 / 32_768).max() < 1e-3
    assert np.std(words[96_000:]) < 0.2 * np.std(speakers[96_000:])
